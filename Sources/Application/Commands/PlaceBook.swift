import Domain
import Synchronization

/// Who is asked about.
struct PlaceQuestion {
  let address: String
  /// Their state or zone, where the org knows it: custom fields `state` and `time_zone`.
  let contact: ContactDetails
  let purpose: Purpose
}

/// Where a person may be, and what the clocks show there.
struct Place: Sendable {
  var zones: [ZoneTime]
  /// As in `GateFacts.regions`.
  var regions: [String]
  /// When the window is open everywhere; nil: now.
  var opensAtMicros: Micros?
}

/// Answers where and when a person may be written to. A campaign asks for the same few places thousands
/// of times within a minute, so answers are kept for the minute that they hold.
///
/// Evidence, by 47 CFR 64.1200(c)(1) "local time at the called party's location": an area code and what
/// the contact's record says. Where they differ, all of them; where there is none, every zone of the
/// country and the strictest hours.
package final class PlaceBook: Sendable {
  private struct Key: Hashable {
    let area: String
    let state: String?
    let zone: String?
    let purpose: Purpose
    let minute: Int64
  }

  private let numbers: any NumberingPlan
  private let clock: any ZoneClock
  private let known = Mutex<[Key: Place]>([:])

  init(numbers: any NumberingPlan, clock: any ZoneClock) {
    self.numbers = numbers
    self.clock = clock
  }

  func place(
    _ question: PlaceQuestion, atMicros: Micros, _ rules: Gate.RuleSet
  ) -> Place {
    let address = question.address
    let key = Key(
      // An area code and its place are one: other numbers are asked for one by one.
      area: address.hasPrefix("+1") ? String(address.prefix(5)) : address,
      state: question.contact.custom["state"]?.text?.uppercased(),
      zone: question.contact.custom["time_zone"]?.text, purpose: question.purpose,
      minute: atMicros / 60_000_000)
    if let answer = known.withLock({ $0[key] }) { return answer }
    let answer = look(key, address, atMicros: atMicros, rules)
    known.withLock { known in
      if known.count > 4_096 { known.removeAll(keepingCapacity: true) }
      known[key] = answer
    }
    return answer
  }

  private func look(
    _ key: Key, _ address: String, atMicros: Micros, _ rules: Gate.RuleSet
  ) -> Place {
    var names = Set(numbers.zones(of: address))
    var regions = Set(numbers.regions(of: address))
    // What cannot be placed at all is no number that the record could place for us.
    guard !names.isEmpty else { return Place(zones: [], regions: []) }
    if let state = key.state, case let zones = numbers.zones(ofRegion: "US-" + state),
      !zones.isEmpty
    {
      // A number that says nothing about its place says nothing against the record either.
      if regions.remove("US") != nil { names = [] }
      regions.insert("US-" + state)
      names.formUnion(zones)
    }
    if let zone = key.zone, clock.time(in: zone, atMicros: atMicros, opensAtMinute: 0) != nil {
      names.insert(zone)
    }
    let hours = Hours(
      clock: clock, rules: rules, regions: regions.sorted(), purpose: key.purpose)
    let zones = names.sorted()
    return Place(
      zones: zones.compactMap { hours.time(in: $0, atMicros) }, regions: hours.regions,
      opensAtMicros: hours.opening(in: zones, after: atMicros))
  }
}

/// A rule set's hours for the regions that a person may be in.
private struct Hours {
  let clock: any ZoneClock
  let rules: Gate.RuleSet
  let regions: [String]
  let purpose: Purpose

  func time(in zone: String, _ atMicros: Micros) -> ZoneTime? {
    clock.time(in: zone, atMicros: atMicros, opensAtMinute: rules.windowStartMinute)
  }

  /// Looks from opening to opening until one suits all zones. More than two months ahead is looked at
  /// again when that moment has come: a held message is always judged anew.
  func opening(in zones: [String], after nowMicros: Micros) -> Micros? {
    var atMicros = nowMicros
    for _ in 0..<120 {
      let closed = zones.filter { zone in
        time(in: zone, atMicros).map {
          !Gate.isOpen($0, regions: regions, purpose: purpose, rules)
        } ?? false
      }
      guard !closed.isEmpty else { break }
      atMicros = closed.compactMap { nextStart(in: $0, after: atMicros) }.max() ?? atMicros
    }
    return atMicros == nowMicros ? nil : atMicros
  }

  private func nextStart(in zone: String, after atMicros: Micros) -> Micros? {
    Gate.startMinutes(regions: regions, purpose: purpose, rules).compactMap {
      clock.time(in: zone, atMicros: atMicros, opensAtMinute: $0)?.nextOpenMicros
    }
    .min()
  }
}
