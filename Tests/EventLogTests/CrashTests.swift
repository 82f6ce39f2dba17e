import EventLog
import Foundation
import Testing

/// A writer that is killed again and again, in another process, while this one follows the log.
@Suite struct CrashTests {
  private static let directoryVariable = "DAYBOOK_CRASH_TEST_DIRECTORY"
  private static let cycleCount = 8

  @Test func `no acknowledged event is lost or doubled when the writer is killed`() async throws {
    try await withLogDirectory { directory async throws in
      // The log exists before the first cycle, so that it can be followed from the start.
      let first = try LMDBEventLog(directory: directory + "/log")
      await first.close()
      unsafe setenv(Self.directoryVariable, directory, 1)
      let reader = try LMDBLogReader(directory: directory + "/log")
      let follower = Task { try await Self.follow(reader) }
      for _ in 0..<Self.cycleCount {
        await #expect(processExitsWith: .signal(SIGKILL)) { try await Self.writeUntilKilled() }
      }
      follower.cancel()
      let followed = try await follower.value
      reader.close()
      let log = try LMDBEventLog(directory: directory + "/log")
      let events = try log.read(after: 0, limit: .max, filter: .all).events
      try #require(events.map(\.position) == Array(1...UInt64(events.count)))
      #expect(followed.count <= events.count)
      try #require(Array(events.prefix(followed.count)) == followed)
      try Self.compare(events, withAcknowledgementsIn: directory)
      let report = try log.verify(isDeep: true)
      #expect(report.problems == [])
      await log.close()
    }
  }

  /// Every acknowledged commit is there once, at the position of its receipt.
  private static func compare(
    _ events: [RecordedEvent], withAcknowledgementsIn directory: String
  ) throws {
    let text = try String(contentsOfFile: directory + "/acknowledged", encoding: .utf8)
    let lines = text.split(separator: "\n")
    try #require(lines.count > cycleCount)
    var seen: Set<String> = []
    for event in events {
      let name = try #require(event.text)
      try #require(seen.insert(name).inserted, "event \(name) is there twice")
    }
    for line in lines {
      let fields = line.split(separator: " ")
      try #require(fields.count == 2)
      let position = try #require(Int(fields[0]))
      try #require(position <= events.count, "event \(fields[1]) is lost")
      try #require(events[position - 1].text == String(fields[1]))
    }
  }

  /// Reads as a projection does, until cancelled: each page goes on where the last one ended.
  private static func follow(_ reader: LMDBLogReader) async throws -> [RecordedEvent] {
    var events: [RecordedEvent] = []
    while !Task.isCancelled {
      let last = UInt64(events.count)
      let page = try reader.read(after: last, limit: 50, filter: .all)
      for event in page.events {
        try #require(event.position == UInt64(events.count) + 1)
        events.append(event)
      }
      if page.events.isEmpty {
        do {
          _ = try await reader.waitForHead(beyond: last, timeoutMillis: 200)
        } catch is CancellationError {
          break
        }
      }
    }
    return events
  }

  /// The child: appends from eight tasks, notes what was acknowledged, and is killed in the middle.
  private static func writeUntilKilled() async throws {
    let directory = try #require(ProcessInfo.processInfo.environment[directoryVariable])
    let log = try LMDBEventLog(directory: directory + "/log")
    let path = directory + "/acknowledged"
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    try #require(descriptor >= 0)
    let delay = Duration.milliseconds(Int.random(in: 20...250))
    Task.detached {
      try await Task.sleep(for: delay)
      kill(getpid(), SIGKILL)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          while true {
            let name = UUID().uuidString
            let personal = Bool.random() ? [(ann, "Ann's \(name)")] : []
            let key = IdempotencyKey(name: name, fingerprint: 1)
            let receipt = try await log.append(
              commit([event(1, payload: name, personal: personal)], key: key))
            // One write(2): a kill leaves the line whole or not at all.
            let line = Array("\(receipt.firstPosition) \(name)\n".utf8)
            guard unsafe write(descriptor, line, line.count) == line.count else { return }
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
