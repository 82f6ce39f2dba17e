import Foundation

/// This tool as another process.
package struct Child {
  package let process: Process
  /// Its other end is the child's standard input: it ends with this process, however that ends.
  private let lifeline = Pipe()

  /// Starts it. `faults` is what the shim is told; nil: without it.
  package init(
    tool: String, _ arguments: [String], faults: [String: String]? = nil
  ) throws {
    process = Process()
    process.executableURL = URL(filePath: tool)
    process.arguments = arguments
    var environment = ProcessInfo.processInfo.environment
    if let faults {
      let folder = URL(filePath: tool).deletingLastPathComponent()
      environment["LD_PRELOAD"] = folder.appending(path: "libfaultshim.so").path(
        percentEncoded: false)
      environment.merge(faults) { $1 }
    }
    // A crash is an outcome here, and its report would take longer than everything else.
    environment["SWIFT_BACKTRACE"] = "enable=no"
    environment[Self.lifelineVariable] = "1"
    process.environment = environment
    process.standardInput = lifeline
    process.standardOutput = FileHandle.nullDevice
    try process.run()
  }

  private static let lifelineVariable = "CRASH_LIFELINE"

  /// In the child: ends it as soon as its parent is gone, which may be killed as well.
  static func endWithParent() {
    guard ProcessInfo.processInfo.environment[lifelineVariable] != nil else { return }
    Thread.detachNewThread {
      // Nothing is ever written: what can be read is the end.
      _ = try? FileHandle.standardInput.readToEnd()
      _exit(0)
    }
  }

  package func kill() { Foundation.kill(process.processIdentifier, SIGKILL) }

  package enum Ending: Equatable {
    case code(Int32)
    case signal(Int32)
  }

  /// Blocks until it has ended, at most `seconds`: then it is killed, and that is an error.
  package func wait(seconds: Double = 60) throws -> Ending {
    let watchdog = DispatchWorkItem { [pid = process.processIdentifier] in
      Foundation.kill(pid, SIGKILL)
    }
    let deadline = Date(timeIntervalSinceNow: seconds)
    DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: watchdog)
    process.waitUntilExit()
    watchdog.cancel()
    guard Date() < deadline else { throw CrashError("a process hung for \(seconds) s") }
    return process.terminationReason == .exit
      ? .code(process.terminationStatus) : .signal(process.terminationStatus)
  }
}

/// Runs `body` with a new folder on the disk that is tested, and removes it.
func withScratch<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  let base = ProcessInfo.processInfo.environment["CRASH_DIRECTORY"] ?? NSTemporaryDirectory()
  let path = URL(filePath: base).appending(path: "daybook-crash-\(UUID().uuidString)").path(
    percentEncoded: false)
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  defer {
    // Left behind at worst.
    _ = try? FileManager.default.removeItem(atPath: path)
  }
  return try await body(path)
}

/// SplitMix64: the same numbers for the same seed, on any machine.
package struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
