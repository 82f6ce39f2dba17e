import EventLog
import Foundation
import Testing

/// What only the log on disk can do.
@Suite struct DurableLogTests {
  private func options() -> LMDBEventLog.Options {
    var options = LMDBEventLog.Options()
    options.mapBytes = 1 << 20
    return options
  }

  @Test func `what was acknowledged is there after opening again`() async throws {
    try await withLogDirectory { directory in
      let first = try LMDBEventLog(directory: directory, options: options())
      let key = IdempotencyKey(name: "k", fingerprint: 1)
      let receipt = try await first.append(commit([event(1), event(2)], key: key))
      await first.close()
      let second = try LMDBEventLog(directory: directory, options: options())
      #expect(try second.head() == 2)
      let again = try await second.append(commit([event(1)], key: key))
      #expect(again.isReplay && again.firstPosition == receipt.firstPosition)
      let next = try await second.append(commit([event(1)], expected: [stream(1): .exactly(1)]))
      #expect(next.firstPosition == 3)
      #expect(next.firstOrgSequence == 2)
      await second.close()
    }
  }

  @Test func `a second writer is refused with a clear error`() async throws {
    try await withLogDirectory { directory in
      let first = try LMDBEventLog(directory: directory, options: options())
      #expect(throws: EventLogError.writerPresent) {
        try LMDBEventLog(directory: directory, options: options())
      }
      await first.close()
      await (try LMDBEventLog(directory: directory, options: options())).close()
    }
  }

  @Test func `a reader without a log is refused with a clear error`() async throws {
    try await withLogDirectory { directory in
      #expect(throws: EventLogError.storage(reason: "there is no event log in this directory")) {
        try LMDBLogReader(directory: directory)
      }
    }
  }

  /// Goal: a folder that cannot be looked into, here one that leads to itself, is not one without a log, which would be made anew.
  @Test func `where it cannot be told whether there is a log, that is said`() async throws {
    try await withLogDirectory { directory in
      let loop = directory + "/loop"
      try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: loop)
      func refusal(_ body: () throws -> Void) -> String {
        "\(#expect(throws: EventLogError.self) { try body() }, default: "nothing")"
      }
      for each in [
        refusal { _ = try LMDBEventLog.exists(in: loop) },
        refusal { _ = try LMDBLogReader(directory: loop) },
      ] { #expect(each.contains("access \(loop)/log/data.mdb")) }
    }
  }

  @Test func `a reader beside the writer sees each append and is woken by it`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory, options: options())
      let reader = try LMDBLogReader(directory: directory)
      _ = try await log.append(commit([event(1)]))
      #expect(try reader.head() == 1)
      let waiting = Task { try await reader.waitForHead(beyond: 1, timeoutMillis: 60_000) }
      _ = try await log.append(commit([event(1)]))
      #expect(try await waiting.value == 2)
      #expect(try reader.readStream(org: orgA, stream: stream(1), from: 2, limit: 9).count == 1)
      reader.close()
      #expect(throws: EventLogError.closed) { try reader.head() }
      await log.close()
    }
  }

  @Test func `the map grows while appending and reading go on`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory, options: options())
      let reader = try LMDBLogReader(directory: directory)
      var random = SeededRandom(seed: 1)
      for number in 1...40 {
        let noise = (0..<20_000).map { _ in UInt8.random(in: 33...126, using: &random) }
        let text = String(decoding: noise, as: UTF8.self)
        _ = try await log.append(
          commit((0..<10).map { _ in event(1, payload: text) }))
        #expect(try reader.head() == UInt64(number * 10))
      }
      // 8 MB of noise went into a map that began with 1 MB.
      #expect(try log.readStream(org: orgA, stream: stream(1), from: 400, limit: 2).count == 1)
      reader.close()
      await log.close()
    }
  }

  @Test func `appends beyond the queue's bound are refused as overloaded`() async throws {
    try await withLogDirectory { directory in
      var options = options()
      options.maxWaitingCount = 4
      let log = try LMDBEventLog(directory: directory, options: options)
      let pending = (0..<2000).map { _ in log.enqueue(commit([event(1)])) }
      var acceptedCount: UInt64 = 0
      for append in pending {
        do throws(EventLogError) {
          _ = try await append.receipt()
          acceptedCount += 1
        } catch {
          #expect(error == .overloaded(waiting: 4))
        }
      }
      #expect(acceptedCount > 0 && acceptedCount < 2000)
      #expect(try log.head() == acceptedCount)
      await log.close()
    }
  }

  @Test func `five thousand outstanding appends cost no threads`() async {
    // In a process of its own: the threads of other tests would be counted too.
    await #expect(processExitsWith: .success) {
      try await withLogDirectory { directory in
        // Holds the writer before it stores anything.
        let gate = DispatchSemaphore(value: 0)
        var options = LMDBEventLog.Options()
        options.nowMicros = {
          gate.wait()
          return 1_700_000_000_000_000
        }
        let log = try LMDBEventLog(directory: directory, options: options)
        let receipts = try await withThrowingTaskGroup(of: Receipt.self) { group in
          for number in 0..<5000 {
            let pending = log.enqueue(commit([event(UInt128(number % 50))]))
            group.addTask { try await pending.receipt() }
          }
          // Each of them has had its turn once this one has: they wait, and nothing is answered.
          await Task.yield()
          let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
          #expect(threads.count < 2 * ProcessInfo.processInfo.activeProcessorCount + 24)
          #expect(try log.head() == 0)
          for _ in 0..<5000 { gate.signal() }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(receipts.map(\.firstPosition)) == Set(1...5000))
        await log.close()
      }
    }
  }

  @Test func `concurrent writers, retries and tailers agree on one dense history`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory, options: options())
      let reader = try LMDBLogReader(directory: directory)
      let writerCount = 8
      let perWriter = 150
      let total = UInt64(writerCount * perWriter)
      async let tailed = Self.tail(reader, through: total)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<writerCount {
          group.addTask { try await Self.write(log, writer: writer, count: perWriter) }
        }
        try await group.waitForAll()
      }
      let events = try await tailed
      #expect(events.map(\.position) == Array(1...total))
      let shared = events.filter { $0.stream == stream(1) }.map(\.streamVersion)
      #expect(shared == Array(1...UInt64(shared.count)))
      reader.close()
      await log.close()
    }
  }

  /// Appends `count` events to one stream that all writers fight for, deciding again after a conflict.
  private static func write(_ log: LMDBEventLog, writer: Int, count: Int) async throws {
    for number in 0..<count {
      var isDone = false
      while !isDone {
        let last = try log.readStream(
          org: orgA, stream: stream(1), from: .max, limit: 1, direction: .backwards)
        let expected: ExpectedVersion = last.first.map { .exactly($0.streamVersion) } ?? .noStream
        do throws(EventLogError) {
          let key = IdempotencyKey(name: "\(writer)-\(number)", fingerprint: 1)
          _ = try await log.append(
            commit([event(1, payload: "\(writer)")], expected: [stream(1): expected], key: key))
          isDone = true
        } catch {
          #expect(error.code == "version_conflict")
        }
      }
    }
  }

  private static func tail(
    _ reader: LMDBLogReader, through total: UInt64
  ) async throws -> [RecordedEvent] {
    var events: [RecordedEvent] = []
    while UInt64(events.count) < total {
      let last = UInt64(events.count)
      _ = try await reader.waitForHead(beyond: last, timeoutMillis: 10_000)
      events += try reader.read(after: last, limit: 64, filter: .all).events
    }
    return events
  }
}
