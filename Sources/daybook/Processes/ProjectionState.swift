import Foundation
import JSON
import Postgres

/// A line of the runtime's own table.
struct ProjectionState {
  let name: String
  let version: Int64
  let position: UInt64
  let state: String
  let failedPosition: Int64?
  let failedReason: String?
  let checkedPosition: Int64?
  let isCheckedEqual: Bool?

  /// Nil where nobody says where the log ends.
  private func lag(_ head: UInt64?) -> UInt64? { head.map { $0 > position ? $0 - position : 0 } }

  func text(head: UInt64?) -> String {
    var text = name.padding(toLength: 12, withPad: " ", startingAt: 0)
    text += " v\(version)  \(state)  position \(position)"
    if let lag = lag(head) { text += ", \(lag) events behind" }
    if let failedPosition {
      text += "; stopped at \(failedPosition): \(failedReason ?? "no reason given")"
    }
    if let checkedPosition, let isCheckedEqual {
      text += "; checked at \(checkedPosition): \(isCheckedEqual ? "equal" : "DIFFERENT")"
    }
    return text
  }

  func json(head: UInt64?) -> JSON {
    [
      "name": .string(name), "version": .int(version), "state": .string(state),
      "position": JSON(Int64(position)), "lag_events": JSON(lag(head).map(Int64.init)),
      "failed_position": JSON(failedPosition), "failed_reason": JSON(failedReason),
      "checked_position": JSON(checkedPosition),
      "checked_equal": isCheckedEqual.map(JSON.bool) ?? .null,
    ]
  }
}

func readProjectionStates(_ connectionString: String) throws -> [ProjectionState] {
  let connection = try PostgresConnection(connectionString)
  let exists = try connection.query("SELECT to_regclass('daybook.projections') IS NOT NULL")
  guard try exists.first?.bool(0) == true else { return [] }
  return try connection.query(
    """
    SELECT name, version, position, state, failed_position, failed_reason, checked_position,
      checked_equal
    FROM daybook.projections ORDER BY name, version
    """
  ).map { row in
    ProjectionState(
      name: try row.text("name"), version: try row.int64("version"),
      position: UInt64(clamping: try row.int64("position")), state: try row.text("state"),
      failedPosition: try row.optionalInt64("failed_position"),
      failedReason: try row.optionalText("failed_reason"),
      checkedPosition: try row.optionalInt64("checked_position"),
      isCheckedEqual: try row.optionalBool("checked_equal"))
  }
}
