import EventLog
import Foundation
import JSON
import Postgres
import ProjectionRuntime

/// A line of `daybook projection list` and `daybook status`.
struct ProjectionLine {
  let status: ProjectionStatus
  /// Nil where nobody says where the log ends.
  let lagEvents: UInt64?
  let lagSeconds: Double?

  init(_ status: ProjectionStatus, head: UInt64?) {
    self.status = status
    lagEvents = head.map(status.lagEvents)
    lagSeconds = nil
  }

  init(_ status: ProjectionStatus, _ reader: any EventReader) throws {
    self.status = status
    lagEvents = status.lagEvents(head: try reader.head())
    let now = Int64(Date.now.timeIntervalSince1970 * 1e6)
    lagSeconds = Double(try status.lagMicros(reader, nowMicros: now)) / 1e6
  }

  var text: String {
    var text = status.name.padding(toLength: 12, withPad: " ", startingAt: 0)
    text += " v\(abs(status.version))  \(status.state.rawValue)  position \(status.position)"
    if status.state == .replaced { return text + ", kept for a rollback" }
    if let lagEvents { text += ", \(lagEvents) events behind" }
    if let lagSeconds, lagEvents ?? 0 > 0 {
      text += String(format: " (%.1f s)", lagSeconds)
    }
    text += String(format: ", %.0f events/s, %.1f MB", status.rate, Double(status.byteCount) / 1e6)
    if let version = status.servesVersion { text += "; serves the rows of v\(version)" }
    if status.parkedCount > 0 { text += "; \(status.parkedCount) parked" }
    if status.openSweepCount > 0 {
      text += "; \(status.openSweepCount) changed definitions under way"
    }
    if let position = status.failedPosition {
      text += status.state == .stopped ? "; stopped at " : "; hangs at "
      text += "\(position): \(status.failedReason ?? "no reason given")"
    }
    if let rebuild = status.rebuild, rebuild.isOpen || rebuild.state == .failed {
      text += "; rebuild \(rebuild.state.rawValue)"
      if let phase = rebuild.phase, rebuild.isOpen {
        text += " (\(phase.rawValue), \(rebuild.position) of \(rebuild.head))"
      }
      if let reason = rebuild.reason { text += ": \(reason)" }
    }
    if let check = status.check {
      text += "; checked at \(check.position): \(check.isEqual ? "equal" : "DIFFERENT")"
    }
    return text
  }

  var json: JSON {
    [
      "name": .string(status.name), "version": .int(Int64(abs(status.version))),
      "state": .string(status.state.rawValue), "position": JSON(Int64(status.position)),
      "lag_events": JSON(lagEvents.map(Int64.init)),
      "lag_seconds": lagSeconds.map(JSON.double) ?? .null, "rate": .double(status.rate),
      "bytes": .int(status.byteCount), "parked": JSON(status.parkedCount),
      "open_sweeps": JSON(status.openSweepCount),
      "serves_version": JSON(status.servesVersion.map(Int64.init)),
      "failed_position": JSON(status.failedPosition.map(Int64.init)),
      "failed_code": JSON(status.failedCode), "failed_reason": JSON(status.failedReason),
      "built_at": .string(isoTime(status.builtAtMicros)),
      "checked_at": JSON(status.check.map { isoTime($0.atMicros) }),
      "checked_position": JSON(status.check.map { Int64($0.position) }),
      "checked_equal": (status.check?.isEqual).map(JSON.bool) ?? .null,
      "rebuild_state": JSON(status.rebuild?.state.rawValue),
      "rebuild_phase": JSON(status.rebuild?.phase?.rawValue),
      "rebuild_position": JSON(status.rebuild.map { Int64($0.position) }),
      "rebuild_reason": JSON(status.rebuild?.reason),
    ]
  }
}

func readProjections(_ connectionString: String) throws -> [ProjectionStatus] {
  try ProjectionAdmin.list(PostgresConnection(connectionString))
}

/// Such as `2026-11-21T08:00:00Z`.
func isoTime(_ micros: Int64) -> String {
  Date(timeIntervalSince1970: Double(micros) / 1e6).formatted(.iso8601)
}
