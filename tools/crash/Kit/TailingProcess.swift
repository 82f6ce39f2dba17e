import EventLog
import Foundation

/// Follows the log from another process while its writers die, and notes what it has seen: after each page the
/// position and the digest of everything up to it.
package struct TailingProcess {
  package struct Step: Equatable {
    package let position: UInt64
    package let digest: String
  }

  package let directory: String
  package let outPath: String

  package init(directory: String, outPath: String) {
    self.directory = directory
    self.outPath = outPath
  }

  /// Until the process is killed. Begins as soon as there is a log.
  package func run() async throws {
    let reader = try await opened()
    let descriptor = unsafe open(outPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw CrashError("\(outPath) cannot be written") }
    var digest = EventDigest(isErasable: WrittenPerson.isOne)
    var position: UInt64 = 0
    while true {
      let page = try reader.read(after: position, limit: 100, filter: .all)
      for event in page.events {
        guard event.position == position + 1 else {
          throw BrokenPromise("a tailer met \(event.position) after \(position)")
        }
        position = event.position
        try WrittenPerson.check(event)
        digest.add(event)
      }
      if page.events.isEmpty {
        _ = try await reader.waitForHead(beyond: position, timeoutMillis: 1_000)
      } else {
        let line = Array("\(position) \(digest.finish())\n".utf8)
        guard unsafe write(descriptor, line, line.count) == line.count else {
          throw CrashError("\(outPath) cannot be written")
        }
      }
    }
  }

  /// Whoever makes the log may be on its way, or have failed and try again.
  private func opened() async throws -> LMDBLogReader {
    while true {
      do throws(EventLogError) {
        return try LMDBLogReader(directory: directory)
      } catch {
        try await Task.sleep(for: .milliseconds(5))
      }
    }
  }

  package static func steps(_ path: String) throws -> [Step] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
      let fields = line.split(separator: " ")
      guard fields.count == 2, let position = UInt64(fields[0]) else {
        throw CrashError("not a line: \(line)")
      }
      return Step(position: position, digest: String(fields[1]))
    }
  }
}
