import Foundation

/// What the built program said, and how it ended.
struct Answer: Equatable {
  let status: Int32
  let output: String
  let errors: String
}

/// The built program, as a shell sees it.
enum Program {
  /// The tests and the program are built into one folder.
  private static let url = URL(filePath: CommandLine.arguments[0])
    .deletingLastPathComponent().appending(path: "daybook")

  static func run(
    _ arguments: [String], _ environment: [String: String] = [:]
  ) throws -> Answer {
    try run(url, arguments, environment)
  }

  /// What another program says.
  static func output(of path: String, _ arguments: [String]) throws -> String {
    try run(URL(filePath: path), arguments, [:]).output
  }

  private static func run(
    _ url: URL, _ arguments: [String], _ environment: [String: String]
  ) throws -> Answer {
    let process = Process()
    let output = Pipe()
    let errors = Pipe()
    process.executableURL = url
    process.arguments = arguments
    process.environment = environment
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // Less than a pipe holds is said on standard error, so that reading in turn can not block.
    let outputData = try output.fileHandleForReading.readToEnd() ?? Data()
    let errorData = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Answer(
      status: process.terminationStatus, output: String(decoding: outputData, as: UTF8.self),
      errors: String(decoding: errorData, as: UTF8.self))
  }
}
