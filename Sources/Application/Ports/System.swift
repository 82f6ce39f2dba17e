import Crypto
import Domain
import Foundation
import PhoneNumbers
import Synchronization

/// The machine's clock.
package struct SystemClock: WallClock {
  package init() {}

  package func nowMicros() -> Micros {
    Micros((Date().timeIntervalSince1970 * 1_000_000).rounded())
  }
}

/// Random bits from libcrypto.
package struct SystemRandom: RandomSource {
  package init() {}

  package func next() -> UInt128 {
    UInt128(Random.uint64()) << 64 | UInt128(Random.uint64())
  }
}

/// Foundation's time-zone database (the system's tzdata). Answers are kept for the minute that they
/// hold: a campaign asks for the same few zones thousands of times.
package final class SystemZoneClock: ZoneClock {
  private struct Key: Hashable {
    let zone: String
    let minute: Int64
    let opensAtMinute: Int
  }

  private let known = Mutex<[Key: ZoneTime?]>([:])

  package init() {}

  package func time(in zone: String, atMicros: Micros, opensAtMinute: Int) -> ZoneTime? {
    let minute = atMicros / 60_000_000
    let key = Key(zone: zone, minute: minute, opensAtMinute: opensAtMinute)
    if let answer = known.withLock({ $0[key] }) { return answer }
    let answer = Self.ask(zone, minute: minute, opensAtMinute: opensAtMinute)
    known.withLock { known in
      if known.count > 4_096 { known.removeAll(keepingCapacity: true) }
      known[key] = answer
    }
    return answer
  }

  private static func ask(_ name: String, minute: Int64, opensAtMinute: Int) -> ZoneTime? {
    guard let zone = TimeZone(identifier: name) else { return nil }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    let now = Date(timeIntervalSince1970: Double(minute) * 60)
    let parts = calendar.dateComponents([.hour, .minute], from: now)
    let opening = DateComponents(hour: opensAtMinute / 60, minute: opensAtMinute % 60)
    // `.nextTime`: on the day that skips this wall time, the first moment after the gap.
    let localSeconds = minute * 60 + Int64(zone.secondsFromGMT(for: now))
    guard let hour = parts.hour, let minuteOfHour = parts.minute,
      let next = calendar.nextDate(
        after: now, matching: opening, matchingPolicy: .nextTime, repeatedTimePolicy: .first)
    else { return nil }
    return ZoneTime(
      zone: name, minuteOfDay: hour * 60 + minuteOfHour,
      nextOpenMicros: Micros(next.timeIntervalSince1970) * 1_000_000,
      localDay: Int((Double(localSeconds) / 86_400).rounded(.down)))
  }
}

/// libphonenumber's answers.
package struct PhoneBook: NumberingPlan {
  package init() {}

  package func e164(_ raw: String) -> String? { PhoneNumber.e164(raw) }
  package func zones(of number: String) -> [String] { PhoneNumber.zones(of: number) }
  package func regions(of number: String) -> [String] {
    guard number.hasPrefix("+1") else { return [] }
    // A code without a place: in some state, and nobody knows which.
    guard let area = PhoneNumber.area(of: number) else { return ["US"] }
    return switch area.country {
    case "US": [area.place]
    case "CA": ["CA"]
    default: []
    }
  }
  package func zones(ofRegion region: String) -> [String] { AreaCodes.zones(of: region) }
}
