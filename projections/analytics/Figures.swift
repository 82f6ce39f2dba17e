/// What can be counted of messages. A figure is a condition on facts: the count and the rows that it
/// counts are asked with the same words.
package enum Figure: String, Sendable, CaseIterable {
  /// Outbound, whatever became of it.
  case planned
  /// Handed to the carrier, and not known to have failed.
  case sent
  case delivered, failed, skipped, cancelled, pending
  case received
  /// By a person, as far as that can be told.
  case opened, clicked
  case complained
  /// The person wrote within 7 days, and nothing came between.
  case replied
  /// The person revoked within 7 days, and nothing came between.
  case optedOut = "opted_out"
  /// The contact got a tag `converted`, or `converted:<what>`, within 30 days.
  case converted
  /// Calls that were made.
  case dialled
  /// Calls that somebody or something answered.
  case connected

  var condition: String {
    switch self {
    case .planned: "direction = 'outbound'"
    case .sent: "status IN ('sent', 'delivered')"
    case .delivered: "status = 'delivered'"
    case .failed: "status = 'failed'"
    case .skipped: "status = 'skipped'"
    case .cancelled: "status = 'cancelled'"
    case .pending:
      """
      direction = 'outbound'
        AND status NOT IN ('sent', 'delivered', 'failed', 'skipped', 'cancelled')
      """
    case .received: "status = 'received'"
    case .opened: "opened"
    case .clicked: "clicked"
    case .complained: "complained"
    case .replied: "replied"
    case .optedOut: "opted_out"
    case .converted: "converted"
    case .dialled: "channel = 'voice' AND status IN ('sent', 'delivered', 'failed')"
    case .connected: "connected"
    }
  }
}

/// A share of one figure in another.
package enum Rate: String, Sendable, CaseIterable {
  case delivery, open, click, reply, connection, conversion
  case optOut = "opt_out"

  package var part: Figure {
    switch self {
    case .delivery: .delivered
    case .open: .opened
    case .click: .clicked
    case .reply: .replied
    case .connection: .connected
    case .conversion: .converted
    case .optOut: .optedOut
    }
  }

  package var whole: Figure {
    switch self {
    case .delivery, .reply, .conversion, .optOut: .sent
    case .open, .click: .delivered
    case .connection: .dialled
    }
  }
}

/// The figures of a group of messages.
package struct Figures: Sendable, Equatable {
  /// In the order of `Figure.allCases`.
  let counts: [Int64]
  /// What the messages cost.
  package let costMicros: Int64

  package subscript(figure: Figure) -> Int64 {
    counts[Figure.allCases.firstIndex(of: figure) ?? 0]
  }

  /// nil where there is nothing to take a share of.
  package func rate(_ rate: Rate) -> Double? {
    let whole = self[rate.whole]
    return whole == 0 ? nil : Double(self[rate.part]) / Double(whole)
  }

  /// What a query selects for it.
  static let columns =
    Figure.allCases.map { "count(*) FILTER (WHERE \($0.condition))" }.joined(separator: ",\n  ")
    + ",\n  coalesce(sum(cost_micros), 0)::bigint"
}
