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
    var rest = LookRest()
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
      try await Task.sleep(until: rest.nextLook())
    }
  }

  private func page(after position: UInt64) throws(EventLogError) -> Page {
    let head = try log.head()
    // In this order: who begins to listen later does not listen to what was there before.
    guard isWanted() else { return Page(events: [], scannedTo: max(position, head)) }
    return try log.read(after: position, limit: 500, filter: EventFilter(types: types))
  }
}

/// When who follows the log looks at it: at once where it was quiet, and else with what comes within a moment. It grows
/// hundreds of times a second under load, and a look of each of several followers costs as much as a command.
struct LookRest {
  private static let interval = Duration.milliseconds(20)
  private var lookedAt = ContinuousClock.now - interval

  /// To be asked when there is something to look at, and kept to.
  mutating func nextLook() -> ContinuousClock.Instant {
    lookedAt = max(.now, lookedAt + Self.interval)
    return lookedAt
  }
}
