import Foundation

/// `crash COMMAND …`: what the tool does, for scripts and tests. Reports are JSON on standard output.
package enum CrashCommand {
  private static let usage = """
    Usage: crash golden FOLDER    make a golden log of today's format
    """

  /// The exit code: 0 all is well, 1 it could not be done, 2 a promise was broken.
  package static func run(_ arguments: [String]) async -> Int32 {
    do {
      switch arguments.first {
      case "golden" where arguments.count == 2:
        try await GoldenLog.make(at: arguments[1])
      default:
        complain(usage)
        return 64
      }
      return 0
    } catch {
      complain("crash: \(error)")
      return 1
    }
  }

  private static func complain(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }
}
