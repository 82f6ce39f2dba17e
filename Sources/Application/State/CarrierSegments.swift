import Domain

/// Segments that were handed out and that carriers count, by hours: days begin at whole hours, wherever
/// they are counted. Nothing older than a day.
struct CarrierSegments: Codable {
  private var counts: [Int64: Int] = [:]
  /// Handed out, and nobody knows yet whether the provider took them.
  private var open: [Identifier: Attempt] = [:]

  private struct Attempt: Codable {
    let hour: Int64
    let count: Int
  }

  private static let hourMicros: Int64 = 3_600_000_000
  /// The longest day, and the hour that it began in.
  private static let rememberedHours: Int64 = 26

  static func isCounted(_ region: String) -> Bool {
    region == "US" || region.hasPrefix("US-")
  }

  mutating func apply(_ event: Message.Event, of message: Identifier, atMicros: Micros) {
    switch event {
    case .dispatched(_, let verdict):
      guard let count = verdict.facts.carrier?.segmentCount else { return }
      let hour = atMicros / Self.hourMicros
      if counts[hour] == nil {
        counts = counts.filter { hour - $0.key < Self.rememberedHours }
      }
      counts[hour, default: 0] += count
      open[message] = Attempt(hour: hour, count: count)
    case .retryScheduled:
      // Certainly not taken: no carrier has seen it.
      guard let attempt = open.removeValue(forKey: message) else { return }
      counts[attempt.hour]? -= attempt.count
    case .accepted, .sent, .delivered, .failed, .cancelled:
      open[message] = nil
    case .planned, .queued, .held, .skipped, .unknown, .received, .callEnded, .opened, .clicked,
      .complained:
      break
    }
  }

  /// `fromMicros` is a whole hour.
  func count(fromMicros: Micros, nowMicros: Micros) -> Int {
    let hours = fromMicros / Self.hourMicros...max(fromMicros, nowMicros) / Self.hourMicros
    return counts.reduce(0) { hours.contains($1.key) ? $0 + $1.value : $0 }
  }
}
