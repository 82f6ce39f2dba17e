import CLI
import Foundation
import Supervisor

/// Runs one command line, and tells how it went. Errors of every command are rendered here and
/// nowhere else: one sentence on standard error.
private func execute(_ command: Command, _ invocation: Invocation) async -> ExitStatus {
  do {
    return try await command.run(invocation)
  } catch {
    Output.error("daybook \(command.name): \(error)")
    return .failure
  }
}

let request: Request
do throws(UsageError) {
  request = try allCommands.parse(
    Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment,
    workingDirectory: FileManager.default.currentDirectoryPath)
} catch {
  Output.error("daybook: \(error)")
  exit(ExitStatus.usage.rawValue)
}

switch request {
case .help(let text):
  Output.text(text)
case .run(let command, let invocation):
  // Before the first other thread starts: a signal goes to any thread that does not hold it.
  if command.isLongRunning { StopSignals.hold() }
  exit(await execute(command, invocation).rawValue)
}
