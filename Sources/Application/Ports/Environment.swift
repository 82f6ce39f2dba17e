import Domain

/// The real time. A port, so that tests decide what time it is.
package protocol WallClock: Sendable {
  /// Microseconds since 1970, UTC.
  func nowMicros() -> Micros
}

/// Where the random part of new ids comes from.
package protocol RandomSource: Sendable {
  func next() -> UInt128
}

/// What numbers mean: their canonical form and the places they may be in.
package protocol NumberingPlan: Sendable {
  /// E.164 of a number as people write it; nil where it is none.
  func e164(_ raw: String) -> String?

  /// Every IANA zone in which the holder of `number` may be. Never empty for a valid number: what
  /// is not known is every zone of the country.
  func zones(of number: String) -> [String]

  /// The regions whose rules bind texts to `number`, as in `GateFacts.regions`.
  func regions(of number: String) -> [String]

  /// Every zone that numbers of `region` (`US-FL`) are in; empty where there is no such region.
  func zones(ofRegion region: String) -> [String]
}

/// The time-zone database.
package protocol ZoneClock: Sendable {
  /// The local minute of day in `zone`, and the next moment at which its clock shows
  /// `opensAtMinute`; nil where there is no such zone.
  func time(in zone: String, atMicros: Micros, opensAtMinute: Int) -> ZoneTime?
}
