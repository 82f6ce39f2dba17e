import CLI
import Foundation
import Glibc
import JSON
import Supervisor

/// Starts `up` in a session of its own, and returns when it is ready or has given up. What it says goes
/// to `logs/up.log` and, up to here, to the terminal. Whoever stops this stops the start.
func startDetached(_ settings: Settings, flags: [String]) async throws -> ExitStatus {
  try prepare(settings.home)
  // Its log is that of the one that runs.
  guard try !FileLock.isHeld(settings.home.upLock) else {
    let pid = FileLock.holder(settings.home.upLock)?.identity.pid
    throw CommandError.alreadyRunning(home: settings.home.path, pid: pid)
  }
  let logPath = settings.home.log(of: "up")
  // It is told the demo's password and key. One of an earlier version may be for everybody.
  let log = try Descriptor.open(
    logPath, flags: O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, mode: 0o600)
  try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: logPath)
  let nothing = try Descriptor.open("/dev/null", flags: O_RDWR)
  let forwarded = settings.forwarded
  let stop = SupervisedProcess.stopRequest(followsInput: false)
  let child = try ChildProcess(
    Launch(
      executable: SystemProcesses.executable, arguments: ["up"] + flags + forwarded.flags,
      environment: SystemProcesses.inheritedEnvironment.merging(forwarded.environment) { $1 },
      startsSession: true),
    input: nothing, output: log, errors: log)

  let state = try await waitForVerdict(of: child, settings.home, stop: stop)
  if state == nil, stop.valueSoFar != nil {
    _ = try await child.stop(grace: .seconds(stopSeconds))
    throw CommandError.stopped
  }
  let said = try String(contentsOfFile: logPath, encoding: .utf8)
  guard let state, state == .ready || state == .degraded else {
    Output.error(said.trimmingCharacters(in: .newlines))
    return .failure
  }
  Output.text(said)
  return .success
}

/// The state in which the start ended; nil where the process ended without any, or is to be stopped.
private func waitForVerdict(
  of child: ChildProcess, _ home: Home, stop: Latch<Int32>
) async throws -> SystemStatus.State? {
  while child.exitSoFar == nil, stop.valueSoFar == nil {
    try await Task.sleep(for: .milliseconds(50))
    guard let status = SystemStatus(readingFrom: home.status), status.supervisor == child.identity
    else { continue }
    switch status.state {
    case .ready, .degraded:
      // Its last lines are said after the state is written.
      try await Task.sleep(for: .milliseconds(100))
      return status.state
    case .starting, .stopping, .stopped, .failed: continue
    }
  }
  return nil
}
