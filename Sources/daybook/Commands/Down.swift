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
  let status = SystemStatus(readingFrom: home.status)
  guard try FileLock.isHeld(home.upLock), let supervisor = status?.supervisor else {
    try await endProcessesLeftBehind(home)
    Output.line("Daybook does not run in \(home.path).")
    return .success
  }
  try send(SIGTERM, to: supervisor.pid)
  // The children's own bounds, one wave after the other, and some more.
  let seconds = 90
  let deadline = ContinuousClock.now + .seconds(seconds)
  while try FileLock.isHeld(home.upLock) {
    guard ContinuousClock.now < deadline else {
      throw CommandError.stillRunning(pid: supervisor.pid, seconds: seconds)
    }
    try await Task.sleep(for: .milliseconds(50))
  }
  Output.line("Stopped.")
  return .success
}
