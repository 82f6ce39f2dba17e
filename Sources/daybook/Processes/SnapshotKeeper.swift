import CLI
import EventLog
import Glibc
import JSON
import Logging
import Supervisor
import Synchronization

/// Has snapshots made once in a while, by a process of its own: a running system's state holds what is not on disk
/// yet, and its memory is needed.
final class SnapshotKeeper: Sendable {
  private struct Running {
    var task: Task<Void, Never>?
    var child: ChildProcess?
  }

  private let settings: Settings
  private let log: any EventReader
  private let logger: Logger
  private let running = Mutex(Running())

  /// About two seconds of folding at the next start.
  static let defaultEventCount: UInt64 = 200_000

  /// How many events make new snapshots due.
  private let eventCount: UInt64

  init(_ context: ServiceContext, log: any EventReader, eventCount: UInt64) {
    self.eventCount = eventCount
    settings = context.settings
    logger = context.log
    self.log = log
  }

  /// `foldedCount`: the events that no snapshot holds by now.
  func start(foldedCount: UInt64) throws {
    let head = try log.head()
    let due = head - min(head, foldedCount) + eventCount
    let task = Task { await run(due: due) }
    running.withLock { $0.task = task }
  }

  private func run(due: UInt64) async {
    var due = due
    while !Task.isCancelled {
      do {
        let head = try await log.waitForHead(beyond: due, timeoutMillis: 60_000)
        guard head > due else { continue }
        try await makeSnapshots()
        due = head + eventCount
      } catch {
        // Stopped, or the log is closed; else it is worth another try.
        guard !Task.isCancelled else { return }
        logger.warning("no snapshots were made", ["reason": .string("\(error)")])
        try? await Task.sleep(for: .seconds(60))
      }
    }
  }

  private func makeSnapshots() async throws {
    let nothing = try Descriptor.open("/dev/null", flags: O_RDWR)
    let child = try ChildProcess(
      Launch(
        executable: SystemProcesses.executable,
        arguments: ["log", "snapshot", "--home", settings.home.path],
        environment: SystemProcesses.inheritedEnvironment),
      input: nothing, output: nothing, errors: nothing)
    running.withLock { $0.child = child }
    let exit = await child.waitForExit()
    running.withLock { $0.child = nil }
    guard !Task.isCancelled else { return }
    if exit == .code(0) {
      logger.info("snapshots are made")
    } else {
      logger.warning("no snapshots were made", ["reason": .string("\(exit)")])
    }
  }

  /// A snapshot in the making is given up.
  func stop() async throws {
    let (task, child) = running.withLock { ($0.task, $0.child) }
    task?.cancel()
    _ = try await child?.stop(grace: .seconds(2))
    await task?.value
  }
}
