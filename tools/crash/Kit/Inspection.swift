import EventLog
import Foundation

/// Looks at a log whose writer has died, as the next writer does: that it opens, and that every promise was kept.
package struct Inspection {
  package let directory: String
  package let acknowledgementPath: String
  private var position: UInt64 = 0
  /// Position by name, of all commits seen so far.
  private var names: [String: UInt64] = [:]
  /// Where the part of each person is.
  private var people: [SubjectID: UInt64] = [:]
  /// Of whom it is known that their parts are gone.
  private var gone: Set<SubjectID> = []
  private var digest = EventDigest(isErasable: WrittenPerson.isOne)
  /// The digest of everything up to a position, for those that tailers have named.
  private var digests: [UInt64: String] = [:]
  package private(set) var slowestOpenMillis = 0.0
  package private(set) var unknownCount = 0
  package private(set) var ackedCount = 0
  /// Of people that the log knew.
  package private(set) var erasureCount = 0

  package init(directory: String, acknowledgementPath: String) {
    self.directory = directory
    self.acknowledgementPath = acknowledgementPath
  }

  package var eventCount: UInt64 { position }

  /// - Throws: `BrokenPromise`, or what opening and reading throws.
  package mutating func inspect(isDeep: Bool = false) async throws {
    let start = SystemClock.monotonicNanos()
    let log = try LMDBEventLog(directory: directory)
    slowestOpenMillis = max(
      slowestOpenMillis, Double(SystemClock.monotonicNanos() - start) / 1e6)
    do {
      let book = try Acknowledgements.read(acknowledgementPath)
      try readOn(log, book)
      try compare(book)
      try compareErasures(book, log)
      if isDeep { try verify(log, book) }
    } catch {
      await log.close()
      throw error
    }
    await log.close()
  }

  private mutating func readOn(_ log: LMDBEventLog, _ book: Acknowledgements.Book) throws {
    while true {
      let page = try log.read(after: position, limit: 500, filter: .all)
      for event in page.events { try take(event, book) }
      guard page.scannedTo > position || !page.events.isEmpty else { break }
    }
    guard try log.head() == position else {
      throw BrokenPromise("the head is \(try log.head()), and \(position) events can be read")
    }
  }

  private mutating func take(_ event: RecordedEvent, _ book: Acknowledgements.Book) throws {
    guard event.position == position + 1 else {
      throw BrokenPromise("position \(event.position) follows \(position)")
    }
    position = event.position
    digest.add(event)
    digests[position] = digest.finish()
    if let subject = try person(of: event, book) { people[subject] = position }
    guard event.type == "a.b", case .opened(nil, let payload)? = event.parts.first else { return }
    let name = String(decoding: payload, as: UTF8.self)
    guard names.updateValue(position, forKey: name) == nil else {
      throw BrokenPromise("\(name) is there twice")
    }
  }

  /// Whose part is in `event`, which is there unless their erasure was asked for, and gone once that is done.
  private func person(
    of event: RecordedEvent, _ book: Acknowledgements.Book
  ) throws -> SubjectID? {
    guard let (subject, isOpened) = try WrittenPerson.check(event) else { return nil }
    let who = String(subject.value, radix: 16)
    guard isOpened || book.erasing.contains(subject) else {
      throw BrokenPromise("\(who) at \(event.position) is erased, and nobody has asked for it")
    }
    guard !isOpened || !book.erased.contains(subject) else {
      throw BrokenPromise("\(who) at \(event.position) was erased and is there")
    }
    return subject
  }

  private mutating func compareErasures(
    _ book: Acknowledgements.Book, _ log: LMDBEventLog
  ) throws {
    for subject in book.erased where !gone.contains(subject) {
      guard let position = people[subject],
        let event = try log.read(after: position - 1, limit: 1, filter: .all).events.first,
        try person(of: event, book) == subject
      else { throw BrokenPromise("whoever was erased is not to be found") }
      gone.insert(subject)
    }
    erasureCount = gone.count
  }

  private mutating func compare(_ book: Acknowledgements.Book) throws {
    ackedCount = book.acked.count
    unknownCount = book.unknownCount
    for (name, position) in book.acked where names[name] != position {
      throw BrokenPromise("\(name) was acknowledged at \(position) and is not there")
    }
  }

  private func verify(_ log: LMDBEventLog, _ book: Acknowledgements.Book) throws {
    // Everybody once more: what was dropped, compacted or moved since they were read first.
    for event in try log.read(after: 0, limit: .max, filter: .all).events {
      _ = try person(of: event, book)
    }
    let report = try log.verify(isDeep: true)
    guard report.isSound else {
      throw BrokenPromise("verify: \(report.problems.prefix(3))")
    }
  }

  /// What a tailer saw is a prefix of the log.
  package func compare(_ steps: [TailingProcess.Step]) throws {
    for step in steps where digests[step.position] != step.digest {
      throw BrokenPromise("a tailer saw another history up to \(step.position)")
    }
  }
}
