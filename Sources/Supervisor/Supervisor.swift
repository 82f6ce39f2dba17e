import Foundation
import Glibc
import JSON

/// A program to keep running.
package struct ProcessSpec: Sendable {
  package let name: String
  /// The processes that must be ready before this one starts. It is stopped before them.
  package let needs: [String]
  /// Where its standard error goes; kept across restarts.
  package let errorsPath: String
  package let stopGrace: Duration
  /// Builds the command line from what the needed processes announced when they became ready.
  package let launch: @Sendable ([String: JSON]) -> Launch

  package init(
    name: String, needs: [String] = [], errorsPath: String, stopGrace: Duration = .seconds(15),
    launch: @escaping @Sendable ([String: JSON]) -> Launch
  ) {
    self.name = name
    self.needs = needs
    self.errorsPath = errorsPath
    self.stopGrace = stopGrace
    self.launch = launch
  }
}

/// What a supervised process is doing.
package enum ProcessState: String, Sendable {
  /// For the processes that it needs.
  case waiting
  case starting, ready
  /// It ended, and is started again after a pause.
  case restarting
  case stopped
}

/// What is known of one supervised process now.
package struct ProcessReport: Sendable, Equatable {
  package let name: String
  package internal(set) var state = ProcessState.waiting
  package internal(set) var identity: ProcessIdentity?
  package internal(set) var restartCount = 0
  package internal(set) var lastExit: ProcessExit?
  /// What it announced when it became ready.
  package internal(set) var details = JSON.null
}

/// What happened to a supervised process.
package enum SupervisorEvent: Sendable, Equatable {
  case started(name: String, pid: Int32)
  case ready(name: String, details: JSON)
  case ended(name: String, exit: ProcessExit, restartInSeconds: Double)
  case notStarted(name: String, error: SystemError, retryInSeconds: Double)
  case stopped(name: String, exit: ProcessExit)
}

/// Why the processes did not come up.
package enum SupervisorError: Error, Equatable, CustomStringConvertible {
  /// The process ended every time before it was ready.
  case keepsEnding(name: String, exit: ProcessExit)
  case notReady(names: [String], seconds: Int)
  case stopped

  package var code: String {
    switch self {
    case .keepsEnding: "process_keeps_ending"
    case .notReady: "processes_not_ready"
    case .stopped: "stopped"
    }
  }

  package var isRetryable: Bool {
    switch self {
    case .keepsEnding, .stopped: false
    case .notReady: true
    }
  }

  package var description: String {
    switch self {
    case .keepsEnding(let name, let exit): "\(name) ends before it is ready (\(exit))"
    case .notReady(let names, let seconds):
      "not ready after \(seconds) s: \(names.joined(separator: ", "))"
    case .stopped: "stopped before everything was ready"
    }
  }
}

/// Starts processes in the order of their needs, starts again what ends, and stops them in the
/// opposite order.
///
/// The children hold the other end of one pipe as their standard input. When this process ends in
/// whatever way, the pipe ends, and they stop by themselves (`SupervisedProcess`).
package actor Supervisor {
  /// Ends without having been ready after which the first start is given up.
  static let startAttempts = 3

  private let specs: [ProcessSpec]
  private let onEvent: @Sendable (SupervisorEvent) -> Void
  private var lifeline: (readEnd: Descriptor, writeEnd: Descriptor?)
  private var reports: [String: ProcessReport]
  private var children: [String: ChildProcess] = [:]
  private var policies: [String: RestartPolicy] = [:]
  private var failedStarts: [String: Int] = [:]
  private let firstReady: [String: Latch<Bool>]
  private let failure = Latch<SupervisorError>()
  private var keepers: [Task<Void, Never>] = []
  private var isStopping = false

  /// A process comes after those that it needs. `onEvent` is called in the order of the events, and
  /// must return soon.
  package init(
    _ specs: [ProcessSpec], onEvent: @escaping @Sendable (SupervisorEvent) -> Void
  ) throws(SystemError) {
    var earlier: Set<String> = []
    for spec in specs {
      precondition(earlier.isSuperset(of: spec.needs), "\(spec.name) comes after what it needs")
      precondition(earlier.insert(spec.name).inserted, "two processes are called \(spec.name)")
    }
    self.specs = specs
    self.onEvent = onEvent
    let (readEnd, writeEnd) = try Descriptor.pipe()
    lifeline = (readEnd, writeEnd)
    reports = Dictionary(
      uniqueKeysWithValues: specs.map { ($0.name, ProcessReport(name: $0.name)) })
    firstReady = Dictionary(uniqueKeysWithValues: specs.map { ($0.name, Latch()) })
  }

  /// What is known now, in the order of the specs.
  package var currentReports: [ProcessReport] { specs.compactMap { reports[$0.name] } }

  /// Starts everything, and returns at once.
  package func start() {
    precondition(keepers.isEmpty, "a supervisor starts once")
    keepers = specs.map { spec in Task { await self.keep(spec) } }
  }

  /// Returns when every process has been ready once.
  ///
  /// - Throws: `SupervisorError`. What runs keeps running; `stop` ends it.
  package func waitUntilReady(timeoutSeconds: Int) async throws(SupervisorError) {
    let failure = self.failure
    let deadline = Task { [weak self] in
      try await Task.sleep(for: .seconds(timeoutSeconds))
      if let names = await self?.notReadyNames {
        failure.open(with: .notReady(names: names, seconds: timeoutSeconds))
      }
    }
    defer { deadline.cancel() }
    let latches = Array(firstReady.values)
    let everybody = Task {
      for latch in latches { _ = await latch.value() }
      failure.open(with: .stopped)
    }
    // Whichever comes first opens the latch; when everybody is ready, no failure counts.
    let reason = await failure.value()
    everybody.cancel()
    if !notReadyNames.isEmpty || isStopping { throw reason }
  }

  /// Ends `waitUntilReady` with `.stopped`.
  package func giveUpWaiting() { failure.open(with: .stopped) }

  private var notReadyNames: [String] {
    specs.map(\.name).filter { firstReady[$0]?.valueSoFar != true }
  }

  /// Stops everything: first what nobody needs. Returns when all have ended.
  package func stop() async throws(SystemError) {
    isStopping = true
    for latch in firstReady.values { latch.open(with: false) }
    for keeper in keepers { keeper.cancel() }
    for wave in stopWaves() {
      var ended: [Task<Result<ProcessExit, SystemError>, Never>] = []
      for spec in wave {
        guard let child = children[spec.name] else { continue }
        ended.append(
          Task {
            do throws(SystemError) {
              return .success(try await child.stop(grace: spec.stopGrace))
            } catch {
              return .failure(error)
            }
          })
      }
      for task in ended { _ = try await task.value.get() }
    }
    for keeper in keepers { await keeper.value }
    for name in reports.keys { reports[name]?.state = .stopped }
  }

  /// Does what the end of this process does: closes the pipe that the children hang on, and starts
  /// nothing again. For tests.
  func letGo() {
    isStopping = true
    lifeline.writeEnd = nil
  }

  /// The specs in the order of stopping: what needs most first.
  private func stopWaves() -> [[ProcessSpec]] {
    var depths: [String: Int] = [:]
    for spec in specs {
      depths[spec.name] = 1 + (spec.needs.compactMap { depths[$0] }.max() ?? -1)
    }
    let waves = Dictionary(grouping: specs) { depths[$0.name] ?? 0 }
    return waves.sorted { $0.key > $1.key }.map(\.value)
  }
}

// MARK: - One process

extension Supervisor {
  private func keep(_ spec: ProcessSpec) async {
    for need in spec.needs { _ = await firstReady[need]?.value() }
    while !isStopping {
      let began = ContinuousClock.now
      do throws(SystemError) {
        let exit = try await runOnce(spec)
        if isStopping { return ended(spec, exit) }
        let pause = pause(after: began, of: spec.name)
        noteEnd(of: spec.name, exit)
        onEvent(.ended(name: spec.name, exit: exit, restartInSeconds: pause))
        guard await sleeps(pause) else { return }
      } catch {
        let pause = pause(after: began, of: spec.name)
        noteEnd(of: spec.name, .code(127))
        onEvent(.notStarted(name: spec.name, error: error, retryInSeconds: pause))
        guard await sleeps(pause) else { return }
      }
    }
  }

  /// Starts the process and returns when it has ended.
  private func runOnce(_ spec: ProcessSpec) async throws(SystemError) -> ProcessExit {
    let details = Dictionary(
      uniqueKeysWithValues: spec.needs.map { ($0, reports[$0]?.details ?? .null) })
    let errors = try Descriptor.open(spec.errorsPath, flags: O_WRONLY | O_CREAT | O_APPEND)
    let name = spec.name
    let child = try ChildProcess(
      spec.launch(details), input: lifeline.readEnd, errors: errors
    ) { [weak self] line in
      guard let self, let details = SupervisedProcess.readiness(in: line) else { return }
      Task { await self.becameReady(name, details) }
    }
    children[name] = child
    reports[name]?.identity = child.identity
    reports[name]?.state = .starting
    onEvent(.started(name: name, pid: child.pid))
    let exit = await child.waitForExit()
    children[name] = nil
    return exit
  }

  private func becameReady(_ name: String, _ details: JSON) {
    guard children[name] != nil, !isStopping else { return }
    reports[name]?.state = .ready
    reports[name]?.details = details
    onEvent(.ready(name: name, details: details))
    firstReady[name]?.open(with: true)
  }

  private func pause(after began: ContinuousClock.Instant, of name: String) -> Double {
    let ran = ContinuousClock.now - began
    return policies[name, default: RestartPolicy()].delayAfterEnd(ranSeconds: ran / .seconds(1))
  }

  private func noteEnd(of name: String, _ exit: ProcessExit) {
    reports[name]?.state = .restarting
    reports[name]?.identity = nil
    reports[name]?.lastExit = exit
    reports[name]?.restartCount += 1
    guard firstReady[name]?.valueSoFar == nil else { return }
    failedStarts[name, default: 0] += 1
    if failedStarts[name, default: 0] >= Self.startAttempts {
      failure.open(with: .keepsEnding(name: name, exit: exit))
    }
  }

  private func ended(_ spec: ProcessSpec, _ exit: ProcessExit) {
    reports[spec.name]?.state = .stopped
    reports[spec.name]?.identity = nil
    reports[spec.name]?.lastExit = exit
    onEvent(.stopped(name: spec.name, exit: exit))
  }

  /// False where the supervisor is stopped meanwhile.
  private func sleeps(_ seconds: Double) async -> Bool {
    do {
      try await Task.sleep(for: .seconds(seconds))
      return !isStopping
    } catch {
      return false
    }
  }
}

// MARK: - Leftovers

/// Ends processes that an earlier supervisor left behind: asks, and after `grace` no longer asks. They have ended when this
/// returns, and given back what they had locked.
///
/// - Returns: the processes that were still there.
package func endLeftovers(
  _ identities: [ProcessIdentity], grace: Duration
) async throws -> [Int32] {
  let alive = identities.filter(\.isAlive)
  for process in alive { try send(SIGTERM, to: process.pid) }
  try await waitForEnd(of: alive, atMost: grace)
  for process in alive where process.isAlive { try send(SIGKILL, to: process.pid) }
  // A process that waits for a disk ends when that answers.
  try await waitForEnd(of: alive, atMost: .seconds(60))
  return alive.map(\.pid)
}

private func waitForEnd(of processes: [ProcessIdentity], atMost patience: Duration) async throws {
  let deadline = ContinuousClock.now + patience
  while processes.contains(where: \.isAlive), ContinuousClock.now < deadline {
    try await Task.sleep(for: .milliseconds(20))
  }
}
