import EventLog
import JSON

/// Follows the log for events of some types, from where its cursor stands, and tries again what failed.
///
/// The cursor is written after the reaction, once a second at most: after a crash, and after a stop, events
/// are met again, so reactions must say nothing twice.
struct LogFollower: Sendable {
  /// In reports.
  let name: String
  let log: any EventLogWriter
  let types: Set<String>
  let cursor: CursorFile
  /// Whether anybody may want events of what the log holds now; where not, they are passed over unread.
  var isWanted: @Sendable () -> Bool = { true }
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

  /// A file that is replaced durably for each group of commits would take the disk from the commits.
  private static let writeMillis = 1_000
  private static let writeInterval = Duration.milliseconds(writeMillis)

  private func follow(_ react: ([RecordedEvent]) async throws -> Void) async throws {
    var position = UInt64(exactly: try cursor.read()?["position"]?.int ?? 0) ?? 0
    var written = position
    var writtenAt = ContinuousClock.now - Self.writeInterval
    var mustWrite = false
    while !Task.isCancelled {
      let page = try page(after: position)
      try await react(page.events)
      let isAtEnd = page.scannedTo <= position
      position = max(position, page.scannedTo)
      // What is not ours need not be remembered one by one: looking at it once more costs little.
      if !page.events.isEmpty || position - written >= CursorFile.idleStride { mustWrite = true }
      if mustWrite, ContinuousClock.now - writtenAt >= Self.writeInterval {
        try cursor.write(["position": .int(Int64(position))])
        (written, writtenAt, mustWrite) = (position, .now, false)
      }
      guard isAtEnd else { continue }
      _ = try await log.waitForHead(
        beyond: position, timeoutMillis: mustWrite ? Self.writeMillis : 60_000)
    }
  }

  private func page(after position: UInt64) throws(EventLogError) -> Page {
    let head = try log.head()
    // In this order: who begins to listen later does not listen to what was there before.
    guard isWanted() else { return Page(events: [], scannedTo: max(position, head)) }
    return try log.read(after: position, limit: 500, filter: EventFilter(types: types))
  }
}
