import EventLog
import Foundation

/// The process that is killed: appends until it dies, or a number of commits, and notes what it was promised.
package struct WritingProcess {
  package var directory: String
  package var acknowledgementPath: String
  /// Begins the names of its commits; no other process of the same log has it.
  package var name: String
  package var taskCount = 8
  /// Of each task; nil: until killed.
  package var commitCount: Int?
  package var mapBytes = 1 << 20
  /// Whether it puts other files in the place of the log's and the vault's all the time, besides.
  package var isRewriting = false

  package init(directory: String, acknowledgementPath: String, name: String) {
    self.directory = directory
    self.acknowledgementPath = acknowledgementPath
    self.name = name
  }

  package func run() async throws {
    var options = LMDBEventLog.Options()
    options.mapBytes = mapBytes
    let log = try LMDBEventLog(directory: directory, options: options)
    let acknowledgements = try Acknowledgements(path: acknowledgementPath)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<taskCount {
        group.addTask { try await write(task, log, acknowledgements) }
      }
      if isRewriting { group.addTask { try await rewrite(log) } }
      try await group.waitForAll()
    }
    await log.close()
  }

  private func write(
    _ task: Int, _ log: LMDBEventLog, _ acknowledgements: Acknowledgements
  ) async throws {
    var number = 0
    while commitCount.map({ number < $0 }) ?? true {
      let count = min(Self.burst(at: number), commitCount.map { $0 - number } ?? .max)
      let burst = (number..<number + count).map { number in
        let name = "\(name)-\(task)-\(number)"
        let commit = commit(name, number, isLarge: count > 1)
        return (name: name, commit: commit, pending: log.enqueue(commit))
      }
      for (name, commit, pending) in burst {
        let receipt = try await settle(pending, commit, name, log, acknowledgements)
        try acknowledgements.acked(name, at: receipt.firstPosition)
      }
      number += count
    }
  }

  /// Until killed. Whom it erases nobody knows, so that what tailers have seen stays the same.
  private func rewrite(_ log: LMDBEventLog) async throws {
    while true {
      try await log.erase([SubjectID(UInt128.random(in: 1...(.max)))], org: OrgID(1))
      _ = try await log.compact()
      // Commits come in between.
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  /// How many commits are on their way together: one, or now and then so many, each of them large, that the writer plans
  /// one group while it stores another (`WriterPipeline`).
  private static func burst(at number: Int) -> Int { number % 9 == 3 ? 6 : 1 }

  /// Repeats the commit under its key until the log has said that it is there. Where it failed for any other reason
  /// than the disk's, the log is wrong.
  private func settle(
    _ first: PendingAppend, _ commit: Commit, _ name: String, _ log: LMDBEventLog,
    _ acknowledgements: Acknowledgements
  ) async throws -> Receipt {
    var pending = first
    for _ in 0..<1000 {
      do throws(EventLogError) {
        return try await pending.receipt()
      } catch {
        switch error {
        case .outcomeUnknown: try acknowledgements.unknown(name)
        case .logFull, .readOnly, .overloaded: break
        default: throw BrokenPromise("\(name) failed, and not as a disk's failure: \(error)")
        }
        try await Task.sleep(for: .milliseconds(5))
        pending = log.enqueue(commit)
      }
    }
    throw BrokenPromise("the log does not recover")
  }

  private func commit(_ name: String, _ number: Int, isLarge: Bool) -> Commit {
    var parts = [Part(subject: nil, payload: Array(name.utf8))]
    // New people every now and then: their keys go to the vault first.
    if number % 4 == 0 {
      let subject = SubjectID(UInt128(UInt64(truncatingIfNeeded: name.hashValue) | 1))
      parts.append(Part(subject: subject, payload: Array("Ann \(name)".utf8)))
    }
    let filler = String(repeating: "\(number) ", count: isLarge ? 20_000 : number % 50 * 20)
    let events = [
      NewEvent(stream: StreamID(UInt128(number % 7)), type: "a.b", schemaVersion: 1, parts: parts),
      NewEvent(
        stream: StreamID(100), type: "a.filler", schemaVersion: 1,
        parts: [Part(subject: nil, payload: Array(filler.utf8))]),
    ]
    return Commit(
      org: OrgID(UInt128(1 + number % 3)), events: events,
      idempotencyKey: IdempotencyKey(name: name, fingerprint: 1),
      context: CommitContext(
        actor: "system:crash", origin: "cli", correlation: name, occurredAtMicros: 1))
  }
}
