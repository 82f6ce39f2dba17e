import CLI
import Foundation
import HTTP
import JSON
import Supervisor
import Synchronization

private let detachOption = Option("--detach", "return once everything runs, and leave it running")

let upCommand = Command(
  "up", "start everything on this machine and keep it running",
  details: """
    Starts a database of our own (unless DATABASE_URL names another), the simulated
    providers, the projections and the API with the console. What ends by itself is
    started again. Ctrl-C stops everything; the next start goes on from there.
    Addresses and the demo's credentials are in demo.json in the home.
    """,
  options: [detachOption, supervisedOption, privateWebhooksOption], isLongRunning: true
) { invocation in
  let allowsPrivateWebhooks = invocation.has(privateWebhooksOption.flag)
  if invocation.has(detachOption.flag) {
    return try await startDetached(
      invocation.settings, flags: allowsPrivateWebhooks ? [privateWebhooksOption.flag] : [])
  }
  return try await Up(
    invocation.settings, followsInput: invocation.has(supervisedOption.flag),
    allowsPrivateWebhooks: allowsPrivateWebhooks
  ).run()
}

/// The supervising process in the foreground.
private struct Up {
  /// Room for the database's first files and for a while of work.
  private static let neededMiB = 512
  private static let readySeconds = 120

  let asked: Settings
  /// Whether the end of standard input stops the system.
  private let followsInput: Bool
  private let allowsPrivateWebhooks: Bool

  init(_ settings: Settings, followsInput: Bool, allowsPrivateWebhooks: Bool) {
    asked = settings
    self.followsInput = followsInput
    self.allowsPrivateWebhooks = allowsPrivateWebhooks
  }

  func run() async throws -> ExitStatus {
    let home = asked.home
    try prepare(home)
    guard let lock = try FileLock.take(home.upLock) else {
      let pid = FileLock.holder(home.upLock)?.identity.pid
      throw CommandError.alreadyRunning(home: home.path, pid: pid)
    }
    defer { withExtendedLifetime(lock) {} }
    try lock.sign()
    try checkDisk(home)
    try await endProcessesLeftBehind(home)
    let settings = try resolvePorts(asked)
    let stop = SupervisedProcess.stopRequest(followsInput: followsInput)
    return try await supervise(settings, stop: stop)
  }

  private func supervise(_ settings: Settings, stop: Latch<Int32>) async throws -> ExitStatus {
    Output.line("Daybook \(version) starts in \(settings.home.path)")
    let board = StatusBoard(settings)
    let processes = SystemProcesses(
      settings: settings, allowsPrivateWebhooks: allowsPrivateWebhooks)
    let supervisor = try Supervisor(processes.specs) { board.show($0) }
    board.watch(supervisor)
    await supervisor.start()
    do {
      try await becomeReady(settings, supervisor, board, stop: stop)
    } catch {
      await board.set(.failed)
      try await supervisor.stop()
      await board.set(.failed)
      throw error
    }
    guard stop.valueSoFar == nil else { return try await stopAll(supervisor, board) }
    _ = await stop.value()
    return try await stopAll(supervisor, board)
  }

  private func stopAll(_ supervisor: Supervisor, _ board: StatusBoard) async throws -> ExitStatus {
    Output.line("Stopping")
    await board.set(.stopping)
    try await supervisor.stop()
    await board.set(.stopped)
    Output.line("Stopped. 'daybook up' goes on from here.")
    return .success
  }

  /// Returns early where a signal asks to stop.
  private func becomeReady(
    _ settings: Settings, _ supervisor: Supervisor, _ board: StatusBoard, stop: Latch<Int32>
  ) async throws {
    let watcher = Task {
      _ = await stop.value()
      await supervisor.giveUpWaiting()
    }
    defer { watcher.cancel() }
    do {
      try await supervisor.waitUntilReady(timeoutSeconds: Self.readySeconds)
    } catch {
      if stop.valueSoFar != nil { return }
      throw commandError(error, settings.home)
    }
    let isReady = await answersReady(settings, stop: stop)
    if stop.valueSoFar != nil { return }
    // A system that does not serve yet takes no data; the next start tries again.
    if isReady { try writeDemo(try await seedDemo(settings), settings) }
    await board.set(isReady ? .ready : .degraded)
    Output.text(banner(settings))
  }

  private func commandError(_ error: SupervisorError, _ home: Home) -> CommandError {
    switch error {
    case .keepsEnding(let name, let exit):
      .processFailed(
        name: name, lastLine: lastLine(of: home.errors(of: name)) ?? "it ends with \(exit)",
        logPath: home.log(of: name))
    case .notReady(let names, let seconds):
      .notReady(names: names.joined(separator: ", "), seconds: seconds, logs: home.logs)
    case .stopped: .stopped
    }
  }

  private func checkDisk(_ home: Home) throws {
    let attributes = try FileManager.default.attributesOfFileSystem(forPath: home.path)
    guard let freeBytes = attributes[.systemFreeSize] as? Int else { return }
    let freeMiB = freeBytes >> 20
    guard freeMiB >= Self.neededMiB else {
      throw CommandError.diskFull(path: home.path, freeMiB: freeMiB, neededMiB: Self.neededMiB)
    }
  }

  /// The API's own word, asked for over the network like anybody does.
  private func answersReady(_ settings: Settings, stop: Latch<Int32>) async -> Bool {
    let client = HTTPClient()
    defer { client.close() }
    for _ in 0..<50 where stop.valueSoFar == nil {
      let request = ClientRequest(method: "GET", url: settings.localURL + "/readyz")
      if let answer = try? await client.send(request), answer.status == 200 { return true }
      try? await Task.sleep(for: .milliseconds(200))
    }
    return false
  }
}

/// Ends what an `up` that was killed has left, so that the ports and the log are free again: what it had written down, and
/// what it had no time to.
func endProcessesLeftBehind(_ home: Home) async throws {
  let known = SystemStatus(readingFrom: home.status)?.leftovers ?? []
  let unknown = SystemProcesses.names.compactMap { FileLock.holder(home.lock(of: $0)) }
    .filter { $0.words == supervisedMark && !known.contains($0.identity) }
  let ended = try await endLeftovers(known + unknown.map(\.identity), grace: .seconds(60))
  if !ended.isEmpty { Output.line("Ended what an earlier start had left running") }
}

/// Shows events on the terminal and keeps `status.json` true.
private final class StatusBoard: Sendable {
  private struct State {
    var system: SystemStatus.State
    var supervisor: Supervisor?
  }

  private let settings: Settings
  private let state: Mutex<State>
  /// The last one begun.
  private let writing = Mutex<Task<Void, Never>?>(nil)
  /// Wakes the writer; several events in a row become one write.
  private let changes: AsyncStream<Void>.Continuation
  private let changed: AsyncStream<Void>

  init(_ settings: Settings) {
    self.settings = settings
    state = Mutex(State(system: .starting))
    (changed, changes) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  func watch(_ supervisor: Supervisor) {
    state.withLock { $0.supervisor = supervisor }
    Task { for await _ in changed { await write() } }
    changes.yield()
  }

  func set(_ system: SystemStatus.State) async {
    state.withLock { $0.system = system }
    await write()
  }

  func show(_ event: SupervisorEvent) {
    Output.line("  " + line(for: event))
    changes.yield()
  }

  /// One after the other: what was so earlier never takes the place of what is so now.
  private func write() async {
    let task = writing.withLock { writing in
      let task = Task { [earlier = writing] in
        await earlier?.value
        await writeNow()
      }
      writing = task
      return task
    }
    await task.value
  }

  private func writeNow() async {
    let (system, supervisor) = state.withLock { ($0.system, $0.supervisor) }
    let status = SystemStatus(
      state: system, supervisor: .current, baseURL: settings.baseURL,
      localURL: settings.localURL, sandboxURL: settings.sandboxURL,
      processes: await supervisor?.currentReports ?? [])
    do {
      try status.write(to: settings.home.status)
    } catch {
      Output.error("daybook up: \(settings.home.status) can not be written: \(error)")
    }
  }

  private func line(for event: SupervisorEvent) -> String {
    switch event {
    case .started(let name, let pid): "\(column(name)) starts   process \(pid)"
    case .ready(let name, let details):
      "\(column(name)) ready    \(details["url"]?.string ?? "")"
    case .ended(let name, let exit, let seconds):
      "\(column(name)) ended    \(exit); starts again in \(seconds) s;"
        + " see \(settings.home.log(of: name))"
    case .notStarted(let name, let error, let seconds):
      "\(column(name)) does not start: \(error); tried again in \(seconds) s"
    case .stopped(let name, let exit):
      "\(column(name)) stopped  \(exit == .code(0) ? "" : exit.description)"
    }
  }

  private func column(_ name: String) -> String {
    name.padding(toLength: 9, withPad: " ", startingAt: 0)
  }
}

/// The last line of a text file that says something.
func lastLine(of path: String) -> String? {
  guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
  return text.split(separator: "\n").last.map(String.init)
}
