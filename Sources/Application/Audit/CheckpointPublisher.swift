import Domain
import EventLog
import Merkle
import Synchronization

/// Gives out heads by itself, so that others hold them before anybody has a reason to change the past: every hour
/// into the instance log, every day into each account's own book, from where webhooks and the event stream
/// bring them to its administrators.
package final class CheckpointPublisher: Sendable {
  private static let tickSeconds: Int64 = 3600
  private static let dayMicros: Micros = 24 * 3_600_000_000
  /// An org's own stream is short: settings, exports, heads.
  private static let lookBackCount = 200

  private let engine: Engine
  private let notary: Notary
  private let log: any EventReader & LogProver
  private let report: @Sendable (String) -> Void
  private let task = Mutex<Task<Void, Never>?>(nil)

  package init(
    engine: Engine, notary: Notary, log: any EventReader & LogProver,
    report: @escaping @Sendable (String) -> Void
  ) {
    self.engine = engine
    self.notary = notary
    self.log = log
    self.report = report
  }

  package func start() {
    task.withLock { task in
      guard task == nil else { return }
      task = Task { [self] in
        while !Task.isCancelled {
          await waitUntilReleased()
          await publishAll()
          // Ends early when the task is cancelled.
          do { try await Task.sleep(for: .seconds(Self.tickSeconds)) } catch { return }
        }
      }
    }
  }

  package func stop() async {
    let running = task.withLock { task in
      defer { task = nil }
      return task
    }
    running?.cancel()
    await running?.value
  }

  /// A hold that cannot be read is reported, and each head then is refused for it.
  private func waitUntilReleased() async {
    do {
      try await notary.waitUntilReleased()
    } catch is CancellationError {
    } catch {
      report("\(error)")
    }
  }

  /// One round over all orgs. An org that fails is reported and does not keep the others waiting.
  package func publishAll() async {
    for executor in engine.allExecutors where !Task.isCancelled {
      do {
        try await publish(executor)
      } catch {
        report("checkpoint of \(executor.org): \(error)")
      }
    }
  }

  private func publish(_ executor: OrgExecutor) async throws {
    let org = executor.org
    let head = try log.treeHead(of: OrgID(org.value))
    guard head.size > 0 else { return }
    let published = try await notary.publish(org)
    let recent = try recentSettings(of: org)
    let last = recent.first { $0.type == "org.checkpoint_published" }
    // The record is itself an event, and so is the letter that brings it to the administrators: a book in which
    // nothing else happened needs no other head.
    let isLetterLast = recent.first?.type == "org.administrators_written_to"
    if let last, last.orgSequence + (isLetterLast ? 2 : 1) >= head.size { return }
    // Days of the account's own clock, which a test account can advance.
    let since =
      last?.context.occurredAtMicros ?? Micros(truncatingIfNeeded: org.value >> 80) * 1_000
    guard await executor.nowMicros - since >= Self.dayMicros else { return }
    let size = Int64(published.head.size)
    let call = Call(
      actor: "system:notary", origin: "timer", correlation: "checkpoint",
      idempotencyKey: IdempotencyName("checkpoint:\(published.head.origin):\(size)"))
    _ = try await executor.perform(call) { workspace throws(CommandError) in
      try workspace.recordCheckpoint(size: size, note: published.checkpoint)
    }
  }

  /// Newest first.
  private func recentSettings(of org: Identifier) throws -> [RecordedEvent] {
    try log.readStream(
      org: OrgID(org.value), stream: StreamID(org.value), from: .max, limit: Self.lookBackCount,
      direction: .backwards)
  }
}
