import EventLog
import JSON

/// Follows the log for events of some types, from where its cursor stands, and tries again what failed.
///
/// The cursor is written after the reaction: after a crash events are met again, so reactions must say
/// nothing twice.
struct LogFollower: Sendable {
  /// In reports.
  let name: String
  let log: any EventLogWriter
  let types: Set<String>
  let cursor: CursorFile
  let report: @Sendable (String) -> Void

  /// Hands pages of events, which may be empty, to `react` until the task is cancelled.
  func run(_ react: ([RecordedEvent]) async throws -> Void) async {
    while !Task.isCancelled {
      do {
        try await follow(react)
      } catch is CancellationError {
        return
      } catch {
        report("\(name): \(error)")
        // Cut short only by cancellation, which the loop notices itself.
        try? await Task.sleep(for: .seconds(1))
      }
    }
  }

  private func follow(_ react: ([RecordedEvent]) async throws -> Void) async throws {
    var position = UInt64(exactly: try cursor.read()?["position"]?.int ?? 0) ?? 0
    var written = position
    while !Task.isCancelled {
      let page = try log.read(after: position, limit: 500, filter: EventFilter(types: types))
      try await react(page.events)
      if page.scannedTo > position {
        position = page.scannedTo
        // What is not ours need not be remembered one by one: looking at it once more costs little.
        guard !page.events.isEmpty || position - written >= CursorFile.idleStride else { continue }
        try cursor.write(["position": .int(Int64(position))])
        written = position
      } else {
        _ = try await log.waitForHead(beyond: position, timeoutMillis: 60_000)
      }
    }
  }
}
