import Domain
import Foundation
import Testing

@testable import Application

/// Goal: no window opens twice a day, never, or at another local time, whatever the clocks do. Method: the
/// whole year 2026 in forty zones, from opening to opening; what the zone's offset says is the oracle.
@Suite struct DaylightSavingTests {
  static let zones = [
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix",
    "America/Los_Angeles", "America/Anchorage", "America/Adak", "Pacific/Honolulu",
    "America/Puerto_Rico", "Pacific/Guam", "Pacific/Pago_Pago", "America/Boise",
    "America/Detroit", "America/Indiana/Indianapolis", "America/Indiana/Knox",
    "America/Kentucky/Louisville", "America/Menominee", "America/North_Dakota/Center",
    "America/Toronto", "America/Halifax", "America/St_Johns", "America/Winnipeg",
    "America/Regina", "America/Edmonton", "America/Vancouver", "America/Havana",
    "America/Sao_Paulo", "America/Santiago", "America/Asuncion", "Atlantic/Azores",
    "Europe/London", "Europe/Paris", "Europe/Athens", "Africa/Casablanca", "Africa/Cairo",
    "Asia/Beirut", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham",
  ]

  static let yearMicros: ClosedRange<Micros> = 1_767_225_600_000_000...1_798_761_600_000_000

  @Test(arguments: zones)
  func `a window opens once a day, at its local time`(name: String) throws {
    let clock = SystemZoneClock()
    let zone = try #require(TimeZone(identifier: name))
    var atMicros = Self.yearMicros.lowerBound
    var days: [Int] = []
    while true {
      let answer = try #require(clock.time(in: name, atMicros: atMicros, opensAtMinute: 8 * 60))
      try #require(answer.nextOpenMicros > atMicros, "\(atMicros)")
      atMicros = answer.nextOpenMicros
      guard atMicros < Self.yearMicros.upperBound else { break }
      let local = Self.local(zone, atMicros)
      try #require(local.minute == 8 * 60, "\(atMicros)")
      days.append(local.day)
    }
    #expect(days == Array(days[0]..<days[0] + days.count))
    #expect((364...366).contains(days.count))
  }

  /// The night of the change: 02:30 does not exist in spring, and comes twice in autumn.
  @Test(arguments: zones)
  func `the local minute and date are those of the offset at every change`(name: String) throws {
    let clock = SystemZoneClock()
    let zone = try #require(TimeZone(identifier: name))
    var changes = [Date(timeIntervalSince1970: Double(Self.yearMicros.lowerBound) / 1e6)]
    while let last = changes.last, let next = zone.nextDaylightSavingTimeTransition(after: last),
      next.timeIntervalSince1970 * 1e6 < Double(Self.yearMicros.upperBound)
    {
      changes.append(next)
    }
    for change in changes {
      let changeMicros = Micros(change.timeIntervalSince1970) * 1_000_000
      for minutes: Int64 in [-1_440, -61, -60, -31, -1, 0, 1, 29, 59, 60, 61, 1_440] {
        let atMicros = changeMicros + minutes * 60_000_000
        let answer = try #require(clock.time(in: name, atMicros: atMicros, opensAtMinute: 150))
        let local = Self.local(zone, atMicros)
        #expect(answer.minuteOfDay == local.minute && answer.localDay == local.day)
        #expect(answer.nextOpenMicros > atMicros - 60_000_000)
      }
    }
  }

  /// Somebody's number says one zone and no state.
  private struct OneZone: NumberingPlan {
    let name: String

    func e164(_ raw: String) -> String? { raw }
    func zones(of number: String) -> [String] { [name] }
    func regions(of number: String) -> [String] { [] }
    func zones(ofRegion region: String) -> [String] { [] }
  }

  /// A quarter of an hour at a time through the day before, the night and the day after each change, gap or overlap: the
  /// gate is open from eight until five minutes before nine of the local clock, and what it holds goes out at eight.
  @Test(arguments: zones)
  func `through every change the gate keeps the person's own clock`(name: String) throws {
    let zone = try #require(TimeZone(identifier: name))
    let book = PlaceBook(numbers: OneZone(name: name), clock: SystemZoneClock())
    var from = Date(timeIntervalSince1970: Double(Self.yearMicros.lowerBound) / 1e6)
    while let change = zone.nextDaylightSavingTimeTransition(after: from),
      change.timeIntervalSince1970 * 1e6 < Double(Self.yearMicros.upperBound)
    {
      from = change
      let changeMicros = Micros(change.timeIntervalSince1970) * 1_000_000
      for quarter: Int64 in -96...144 {
        let nowMicros = changeMicros + quarter * 900_000_000
        let verdict = Gate.judge(Self.facts(book, nowMicros))
        let now = Self.local(zone, nowMicros)
        guard case .held(let reason, let untilMicros) = verdict.outcome else {
          try #require(verdict.isAllowed && (480..<1_255).contains(now.minute), "\(nowMicros)")
          continue
        }
        let opening = Self.local(zone, untilMicros)
        try #require(reason == .quietHours && !(480..<1_255).contains(now.minute), "\(nowMicros)")
        try #require(opening.minute == 480, "\(nowMicros)")
        try #require(opening.day == now.day + (now.minute < 480 ? 0 : 1), "\(nowMicros)")
        try #require(Gate.judge(Self.facts(book, untilMicros)).isAllowed, "\(nowMicros)")
      }
    }
  }

  private static func facts(_ book: PlaceBook, _ nowMicros: Micros) -> GateFacts {
    let place = book.place(
      PlaceQuestion(
        address: "+441632960000", contact: ContactDetails(), purpose: .transactional),
      atMicros: nowMicros, Gate.ruleSet(at: nowMicros))
    var facts = GateFacts(
      nowMicros: nowMicros, channel: .sms, purpose: .transactional, hasAddress: true,
      accountStatus: "active", consent: .none, consentPurpose: nil, isAddressOptedOut: false,
      isReply: false, zones: place.zones, priceMicros: 1, walletAvailableMicros: 1)
    facts.opensAtMicros = place.opensAtMicros
    return facts
  }

  private static func local(_ zone: TimeZone, _ atMicros: Micros) -> (day: Int, minute: Int) {
    let seconds =
      atMicros / 1_000_000
      + Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(atMicros) / 1e6)))
    let day = Int((Double(seconds) / 86_400).rounded(.down))
    return (day, Int(seconds - Int64(day) * 86_400) / 60)
  }
}
