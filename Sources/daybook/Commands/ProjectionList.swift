import CLI
import EventLog
import Foundation
import JSON
import Postgres

let projectionListCommand = Command(
  "projection list", "show each read model: where it is, how far behind, when it was checked",
  options: [.json]
) { invocation in
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let head = try reader.head()
  let states = try await withDatabase(invocation.settings) { try readStates($0) }
  for state in states {
    Output.line(
      invocation.has(Option.json.flag) ? state.json(head: head).text : state.text(head: head))
  }
  return .success
}

/// A line of the runtime's own table.
private struct ProjectionState {
  let name: String
  let version: Int64
  let position: UInt64
  let state: String
  let failedPosition: Int64?
  let failedReason: String?
  let checkedPosition: Int64?
  let isCheckedEqual: Bool?

  func lag(head: UInt64) -> UInt64 { head > position ? head - position : 0 }

  func text(head: UInt64) -> String {
    var text = name.padding(toLength: 12, withPad: " ", startingAt: 0)
    text += " v\(version)  \(state)  position \(position), \(lag(head: head)) events behind"
    if let failedPosition {
      text += "; stopped at \(failedPosition): \(failedReason ?? "no reason given")"
    }
    if let checkedPosition, let isCheckedEqual {
      text += "; checked at \(checkedPosition): \(isCheckedEqual ? "equal" : "DIFFERENT")"
    }
    return text
  }

  func json(head: UInt64) -> JSON {
    [
      "name": .string(name), "version": .int(version), "state": .string(state),
      "position": JSON(Int64(position)), "lag_events": JSON(Int64(lag(head: head))),
      "failed_position": JSON(failedPosition), "failed_reason": JSON(failedReason),
      "checked_position": JSON(checkedPosition),
      "checked_equal": isCheckedEqual.map(JSON.bool) ?? .null,
    ]
  }
}

private func readStates(_ connectionString: String) throws -> [ProjectionState] {
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
