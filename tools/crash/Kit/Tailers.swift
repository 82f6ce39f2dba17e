import EventLog
import Foundation

/// Other processes that follow a log from its beginning, whatever happens to its writers.
package struct Tailers {
  private let processes: [Child]
  private let paths: [String]

  /// What they see is noted in `folder`.
  init(tool: String, directory: String, folder: String, count: Int) throws {
    paths = (0..<count).map { "\(folder)/tail.\($0)" }
    processes = try paths.map { try Child(tool: tool, ["tail", directory, $0]) }
  }

  func kill() {
    for process in processes { process.kill() }
  }

  /// Each is given the time to come to the end, then compared. Returns how many pages they saw.
  ///
  /// - Throws: `BrokenPromise` where one ended, stayed behind, or saw anything but a prefix of the log.
  func finish(upTo inspection: Inspection) throws -> Int {
    var count = 0
    for (tailer, path) in zip(processes, paths) {
      var steps: [TailingProcess.Step] = []
      for _ in 0..<2_000 {
        guard tailer.process.isRunning else { throw BrokenPromise("a tailer has ended") }
        steps = (try? TailingProcess.steps(path)) ?? []
        if steps.last?.position == inspection.eventCount { break }
        Thread.sleep(forTimeInterval: 0.01)
      }
      guard steps.last?.position == inspection.eventCount else {
        throw BrokenPromise("a tailer did not come to the end")
      }
      try inspection.compare(steps)
      count += steps.count
    }
    return count
  }
}

/// Says on standard error how far a long check has come, twice a minute.
struct CheckProgress {
  private static let intervalNanos: Int64 = 30_000_000_000

  let check: String
  let count: Int
  private var toldAt = SystemClock.monotonicNanos()

  init(_ check: String, of count: Int) {
    self.check = check
    self.count = count
  }

  mutating func tell(_ done: Int) {
    let now = SystemClock.monotonicNanos()
    guard now - toldAt >= Self.intervalNanos else { return }
    toldAt = now
    FileHandle.standardError.write(Data("crash: \(check) \(done) of \(count)\n".utf8))
  }
}
