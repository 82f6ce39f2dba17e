import CLI
import Foundation
import Supervisor

/// Runs one command line, and tells how it went. Errors of every command are rendered here and
/// nowhere else: one sentence on standard error.
private func execute(_ command: Command, _ invocation: Invocation) async -> ExitStatus {
  do {
    return try await command.run(invocation)
  } catch let error as UsageError {
    Output.error("daybook: \(error)")
    return .usage
  } catch let error as CommandError where error.isConflict {
    Output.error("daybook \(command.name): \(error)")
    return .foundWrong
  } catch {
    Output.error("daybook \(command.name): \(error)")
    return .failure
  }
}

/// Runs the command on other threads, and never returns: the process ends when the command has.
///
/// The main thread only waits here. Handed to the concurrency runtime instead, it would end up in
/// libdispatch's `dispatch_main`, which on Linux lets all signals through, also those that we hold.
private func runToEnd(_ command: Command, _ invocation: Invocation) -> Never {
  // Before the first other thread starts: a signal goes to any thread that does not hold it.
  if command.isLongRunning { StopSignals.hold() }
  Task.detached { exit(await execute(command, invocation).rawValue) }
  while true { Thread.sleep(forTimeInterval: 3600) }
}

do throws(UsageError) {
  let request = try allCommands.parse(
    Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment,
    workingDirectory: FileManager.default.currentDirectoryPath)
  switch request {
  case .help(let text): Output.text(text)
  case .run(let command, let invocation): runToEnd(command, invocation)
  }
} catch {
  Output.error("daybook: \(error)")
  exit(ExitStatus.usage.rawValue)
}
