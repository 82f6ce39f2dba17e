import Crypto
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
  /// Whether one of its tasks erases the people that it has written, one after the other, and so puts other files in the place of
  /// the log's and the vault's all the time.
  package var isRewriting = false
  /// What the shim tells of its fault in: with a number of commits, it goes on until there is something in it.
  package var firedPath = ProcessInfo.processInfo.environment["DAYBOOK_FAULT_FIRED"]
  /// So many commits come besides, at most: without an end where no fault strikes.
  private static let extraCommitCount = 400

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
      try await group.waitForAll()
    }
    await log.close()
  }

  private func write(
    _ task: Int, _ log: LMDBEventLog, _ acknowledgements: Acknowledgements
  ) async throws {
    var number = 0
    var person: (SubjectID, OrgID)?
    while isToGoOn(after: number) {
      let count = burst(at: number)
      let burst = (number..<number + count).map { number in
        let name = "\(name)-\(task)-\(number)"
        let commit = commit(name, number, isLarge: count > 1)
        return (name: name, commit: commit, pending: log.enqueue(commit))
      }
      for (name, commit, pending) in burst {
        let receipt = try await settle(pending, commit, name, log, acknowledgements)
        try acknowledgements.acked(name, at: receipt.firstPosition)
        if commit.events[0].parts.count > 1 {
          person = (WrittenPerson.subject(of: name), commit.org)
        }
      }
      number += count
      guard isRewriting, task == 0 else { continue }
      if number % 9 == 1, let (subject, org) = person {
        try await erase(subject, org, log, acknowledgements)
        person = nil
      }
      if number % 9 == 0 { try await recovering { _ = try await log.compact() } }
    }
  }

  private func isToGoOn(after number: Int) -> Bool {
    guard let commitCount, number >= commitCount else { return true }
    guard let firedPath, number < commitCount + Self.extraCommitCount else { return false }
    return !FileManager.default.fileExists(atPath: firedPath)
  }

  private func erase(
    _ subject: SubjectID, _ org: OrgID, _ log: LMDBEventLog, _ acknowledgements: Acknowledgements
  ) async throws {
    try acknowledgements.erasing(subject)
    try await recovering { try await log.erase([subject], org: org) }
    try acknowledgements.erased(subject)
  }

  /// Repeats `body` until it is done, as whoever asked for it does.
  private func recovering(_ body: () async throws -> Void) async throws {
    for _ in 0..<1000 {
      do {
        return try await body()
      } catch let error as EventLogError {
        switch error {
        case .storage, .outcomeUnknown, .logFull, .readOnly, .overloaded: break
        default: throw BrokenPromise("a rewriting failed, and not as a disk's failure: \(error)")
        }
        try await Task.sleep(for: .milliseconds(5))
      }
    }
    throw BrokenPromise("no rewriting comes to its end")
  }

  /// How many commits are on their way together: one, or now and then so many, each of them large, that the writer plans
  /// one group while it stores another (`WriterPipeline`). Not where a number of commits is to make as many blocks, and files are rewritten.
  private func burst(at number: Int) -> Int {
    guard !isRewriting || commitCount == nil else { return 1 }
    return number % 9 == 3 ? 6 : 1
  }

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
      parts.append(
        Part(subject: WrittenPerson.subject(of: name), payload: WrittenPerson.text(of: name)))
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

/// A person of whom a `WritingProcess` writes once. Each may be erased at any time, and nobody's name is ever another's.
enum WrittenPerson {
  /// Which of all people these are.
  private static let mark = UInt128(0xDA) << 120

  static func subject(of name: String) -> SubjectID {
    let hash = SHA256.hash(Array(name.utf8)).prefix(8)
    return SubjectID(mark | hash.reduce(UInt128(0)) { $0 << 8 | UInt128($1) })
  }

  static func text(of name: String) -> [UInt8] { Array("Ann \(name)".utf8) }

  @Sendable static func isOne(_ subject: SubjectID) -> Bool { subject.value >> 120 == mark >> 120 }

  /// Whose part `event` has and whether it opens; nil where it has none of these people's.
  ///
  /// - Throws: `BrokenPromise` where it is not what was written.
  @discardableResult
  static func check(_ event: RecordedEvent) throws -> (subject: SubjectID, isOpened: Bool)? {
    guard event.parts.count == 2 else { return nil }
    switch event.parts[1] {
    case .opened(let subject?, let payload) where isOne(subject):
      guard case .opened(nil, let name) = event.parts[0],
        payload == text(of: String(decoding: name, as: UTF8.self))
      else { throw BrokenPromise("the person at \(event.position) has another one's name") }
      return (subject, true)
    case .erased(let subject) where isOne(subject): return (subject, false)
    default: return nil
    }
  }
}
