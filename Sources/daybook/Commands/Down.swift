import CLI
import Foundation
import Glibc
import Supervisor

let downCommand = Command(
  "down", "stop what 'up' has started",
  details: """
    Returns when everything has ended. Where 'up' was killed, ends what it has left
    running. Nothing that runs is no error.
    """
) { invocation in
  let home = invocation.settings.home
  let hasStopped = try await stopSupervisor(home)
  // Nothing, unless it was killed.
  try await endProcessesLeftBehind(home)
  Output.line(hasStopped ? "Stopped." : "Daybook does not run in \(home.path).")
  return .success
}

/// The children's own bounds, one wave after the other, and some more.
let stopSeconds = 90

/// False where none runs.
private func stopSupervisor(_ home: Home) async throws -> Bool {
  let deadline = ContinuousClock.now + .seconds(stopSeconds)
  var told: ProcessIdentity?
  var wasHeld = false
  while try FileLock.isHeld(home.upLock) {
    wasHeld = true
    // One that has just begun signs the lock a moment after it has it; one of an earlier version never does.
    let supervisor =
      FileLock.holder(home.upLock)?.identity
      ?? SystemStatus(readingFrom: home.status)?.livingSupervisor
    if let supervisor, supervisor != told {
      try send(SIGTERM, to: supervisor.pid)
      told = supervisor
    }
    guard ContinuousClock.now < deadline else {
      throw CommandError.stillRunning(pid: supervisor?.pid, seconds: stopSeconds)
    }
    try await Task.sleep(for: .milliseconds(50))
  }
  return wasHeld
}
