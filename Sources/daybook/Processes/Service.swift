import CLI
import EventCodec
import Glibc
import JSON
import Logging
import Supervisor

/// One long-running process of the system while it serves.
struct Service: Sendable {
  /// What the supervisor and `status` get to know: URLs, ports.
  let details: JSON
  /// Ends it in good order.
  let stop: @Sendable () async throws -> Void
}

/// What a process gets to work with.
struct ServiceContext: Sendable {
  let settings: Settings
  let log: Logger
  fileprivate let ending: Latch<Ending>

  /// Ends the process because it can not go on; the supervisor starts it again.
  func fail(_ error: any Error) { ending.open(with: .failure(error)) }
}

private enum Ending: Sendable {
  case signal(Int32)
  case failure(any Error)
}

/// The flag that `up` gives to its children.
let supervisedOption = Option(
  "--supervised", isInternal: true, "stop when standard input ends; log to a file")

/// In the locks of processes that `up` has started.
let supervisedMark = "supervised"

/// Runs a process of the system: one at a time in a home, with its log, until it is told to stop.
///
/// Under a supervisor it logs to `logs/<name>.log`, by hand to standard error.
func runService(
  _ name: String, _ invocation: Invocation,
  start: @Sendable (ServiceContext) async throws -> Service
) async throws -> ExitStatus {
  let settings = invocation.settings
  let isSupervised = invocation.has(supervisedOption.flag)
  if let gap = EventCodec.gap { throw CommandError.upcasterMissing(reason: gap) }
  try prepare(settings.home)
  guard let lock = try FileLock.take(settings.home.lock(of: name)) else {
    throw CommandError.processAlreadyRunning(name: name, home: settings.home.path)
  }
  defer { withExtendedLifetime(lock) {} }
  // Whoever started it has ended meanwhile, and nobody waits for it: it leaves everything as it is.
  if isSupervised, SupervisedProcess.isAbandoned { return .failure }

  let log = try makeLogger(name, settings, toFile: isSupervised)
  do {
    try lock.sign(isSupervised ? supervisedMark : "")
  } catch {
    log.warning("'daybook down' may not find this process", ["error": .string("\(error)")])
  }
  let ending = Latch<Ending>()
  let request = SupervisedProcess.stopRequest(followsInput: isSupervised)
  Task { ending.open(with: .signal(await request.value())) }

  let service = try await logged(log, "could not start") {
    try await start(ServiceContext(settings: settings, log: log, ending: ending))
  }
  log.info("ready", ["details": service.details])
  if isSupervised { try SupervisedProcess.announceReady(service.details) }

  let reason = await ending.value()
  switch reason {
  case .signal(let signal): log.info("stopping", ["signal": JSON(Int64(signal))])
  case .failure(let error): log.error("can not go on", ["error": .string("\(error)")])
  }
  try await logged(log, "did not stop in good order") { try await service.stop() }
  log.info("stopped")
  if case .failure(let error) = reason { throw error }
  return .success
}

private func logged<Result>(
  _ log: Logger, _ message: StaticString, _ body: () async throws -> Result
) async throws -> Result {
  do {
    return try await body()
  } catch {
    log.error(message, ["error": .string("\(error)")])
    throw error
  }
}

private func makeLogger(_ name: String, _ settings: Settings, toFile: Bool) throws -> Logger {
  guard let level = LogLevel(rawValue: settings.logLevel) else {
    preconditionFailure("the settings let only known log levels through")
  }
  let output: any LogOutput =
    toFile ? try RotatingFileOutput(path: settings.home.log(of: name)) : StandardErrorOutput()
  return Logger(process: name, level: level, output: output)
}

/// Makes the home's folders, or says why that can not be.
func prepare(_ home: Home) throws(CommandError) {
  for folder in home.folders {
    do throws(SystemError) {
      try makeFolder(folder)
    } catch {
      throw .homeUnusable(path: folder, reason: error.reason)
    }
  }
  let probe = home.run + "/writable"
  do throws(SystemError) {
    _ = try Descriptor.open(probe, flags: O_WRONLY | O_CREAT)
  } catch {
    throw .homeUnusable(path: home.run, reason: error.reason)
  }
}
