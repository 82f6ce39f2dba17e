import Foundation
import Glibc
import JSON
import Supervisor

/// The built `daybook` beside this test bundle: what the tests start is what people start.
enum Program {
  static func executable() throws -> String {
    let bundle = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    let path = bundle.deletingLastPathComponent().appending(path: "daybook").path(
      percentEncoded: false)
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw HarnessError("\(path) is missing: build the product `daybook` first")
    }
    return path
  }

  /// Runs a command line, and waits for its end. What it says passes through files in `scratch`.
  static func run(
    _ executable: String, _ arguments: [String], environment: [String: String], scratch: String
  ) async throws -> CommandResult {
    let name = "\(scratch)/command-\(UUID().uuidString)"
    let write = O_WRONLY | O_CREAT
    let child = try ChildProcess(
      Launch(executable: executable, arguments: arguments, environment: environment),
      input: try Descriptor.open("/dev/null", flags: O_RDONLY),
      output: try Descriptor.open(name + ".out", flags: write),
      errors: try Descriptor.open(name + ".err", flags: write))
    return CommandResult(
      exit: await child.waitForExit(),
      output: try String(contentsOfFile: name + ".out", encoding: .utf8),
      errors: try String(contentsOfFile: name + ".err", encoding: .utf8))
  }

  /// This process's environment without the product's own settings.
  static var cleanEnvironment: [String: String] {
    ProcessInfo.processInfo.environment.filter { name, _ in
      name != "DATABASE_URL" && !name.hasPrefix("DAYBOOK_")
    }
  }
}

/// How a command line ended and what it said.
struct CommandResult: Sendable {
  let exit: ProcessExit
  let output: String
  let errors: String

  var succeeded: Bool { exit == .code(0) }

  /// What a command with `--json` printed.
  func json() throws -> JSON { try JSON(parsing: Array(output.utf8)) }
}

/// Something that keeps a test from being carried out, in words.
struct HarnessError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
