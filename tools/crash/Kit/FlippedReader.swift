import Crypto
import EventLog
import Foundation
import Merkle

/// The process that reads a log with a flipped bit in every way there is, and compares with what it was.
package struct FlippedReader {
  let directory: String
  let outPath: String
  /// What is asked about.
  private let books: [Book]

  /// The log is sound still.
  package init(directory: String, outPath: String) throws {
    self.directory = directory
    self.outPath = outPath
    let reader = try LMDBLogReader(directory: directory)
    defer { reader.close() }
    books = try reader.orgs().keys.sorted { $0.value < $1.value }.map { try Book($0, reader) }
  }

  /// An org's, as it is without a flipped bit: what proofs are checked with.
  private struct Book {
    let org: OrgID
    let streams: [StreamID]
    let leaves: [Digest]
    /// By size.
    let roots: [Digest]

    var size: UInt64 { UInt64(leaves.count) }

    init(_ org: OrgID, _ reader: LMDBLogReader) throws {
      self.org = org
      let opened = try reader.leaves(of: org, from: 0, limit: .max)
      streams = Set(opened.map(\.event.stream)).sorted { $0.value < $1.value }
      leaves = opened.map { MerkleTree.leafHash($0.leaf) }
      var frontier = Frontier()
      var roots = [frontier.root]
      for leaf in leaves {
        frontier.append(leaf)
        roots.append(frontier.root)
      }
      self.roots = roots
    }
  }

  /// A proof that whoever checks it refuses: the bit was noticed.
  private struct Unproven: Error {}

  /// Everything that the log answers; nil where it refused.
  private struct Answers: Equatable {
    var answers: [String?] = []

    mutating func ask(_ question: () throws -> String) {
      do { answers.append(try question()) } catch { answers.append(nil) }
    }
  }

  package func run(seed: UInt64, flips: Range<Int>) throws {
    let descriptor = unsafe open(outPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw CrashError("\(outPath) cannot be written") }
    defer { close(descriptor) }
    let sound = answers()
    guard !sound.answers.contains(nil) else {
      throw CrashError("the log is damaged before any flip")
    }
    let flipper = try Flipper(directory: directory, seed: seed)
    var progress = CheckProgress("flips", of: flips.upperBound)
    for number in flips {
      try flipper.flip(number)
      let damaged = answers()
      try flipper.flip(number)
      let verdict = Self.verdict(damaged, sound)
      let line = Array("\(number) \(verdict.rawValue) \(Self.differences(damaged, sound))\n".utf8)
      guard unsafe write(descriptor, line, line.count) == line.count else {
        throw CrashError("\(outPath) cannot be written")
      }
      progress.tell(number + 1)
    }
  }

  /// The questions, by number, that got another answer than before.
  private static func differences(_ damaged: Answers, _ sound: Answers) -> [Int] {
    zip(damaged.answers, sound.answers).enumerated().filter { $1.0 != nil && $1.0 != $1.1 }
      .map(\.offset)
  }

  private static func verdict(_ damaged: Answers, _ sound: Answers) -> BitFlips.Verdict {
    if damaged == sound { return .harmless }
    let isServed = zip(damaged.answers, sound.answers).contains { $0 != nil && $0 != $1 }
    return isServed ? .served : .detected
  }

  private func answers() -> Answers {
    var answers = Answers()
    let reader: LMDBLogReader
    do {
      reader = try LMDBLogReader(directory: directory)
    } catch {
      // Not even that: one answer where a sound log gives many.
      return Answers(answers: [nil])
    }
    defer { reader.close() }
    answers.ask { String(try reader.head()) }
    answers.ask { try EventDigest.of(reader).finish() }
    answers.ask {
      try reader.orgs().sorted { $0.key < $1.key }.map { "\($0.key.value):\($0.value)" }
        .joined(separator: " ")
    }
    for after in stride(from: UInt64(0), to: 1_300, by: 307) {
      answers.ask { try Self.text(Self.read(reader, after: after, .all)) }
      answers.ask {
        let filter = EventFilter(org: GoldenLog.orgs[0], types: ["contact.tagged"])
        return try Self.text(Self.read(reader, after: after, filter))
      }
    }
    for number in stride(from: 0, to: 600, by: 97) {
      answers.ask {
        let receipt = try reader.receipt(
          org: GoldenLog.orgs[0], idempotencyKey: GoldenLog.key("single-\(number)"))
        return receipt.map { "\($0.firstPosition) \($0.firstOrgSequence)" } ?? "none"
      }
    }
    for book in books {
      askForEvents(book, reader, &answers)
      askForProofs(book, reader, &answers)
    }
    return answers
  }

  private func askForEvents(_ book: Book, _ reader: LMDBLogReader, _ answers: inout Answers) {
    answers.ask { try Self.text(reader.readOrg(book.org, from: book.size / 2, limit: 20)) }
    for id in book.streams.prefix(2) {
      answers.ask {
        try Self.text(
          reader.readStream(
            org: book.org, stream: id, from: 1, limit: 9, direction: .forwards))
      }
      answers.ask {
        try Self.text(
          reader.readStream(
            org: book.org, stream: id, from: .max, limit: 3, direction: .backwards))
      }
    }
  }

  private func askForProofs(_ book: Book, _ reader: LMDBLogReader, _ answers: inout Answers) {
    answers.ask {
      // `nodes` has no sums of its own: a root from it says as much as the leaves that prove it.
      let head = try reader.treeHead(of: book.org)
      guard head.root == book.roots[Int(book.size)] else { throw Unproven() }
      return "\(head.size)"
    }
    // Before a head is signed the rows are compared with each other: what passes is right.
    answers.ask {
      let head = try reader.checkedHead(of: book.org)
      return "\(head.size) \(Hex.encode(head.root.bytes))"
    }
    for first in stride(from: UInt64(0), to: book.size, by: 241) {
      answers.ask {
        try reader.leaves(of: book.org, from: first, limit: 4).map { leaf in
          let openings = leaf.openings.map { Hex.encode($0.salt + $0.payload) }
          return Hex.encode(leaf.leaf) + " " + openings.joined(separator: " ")
        }.joined(separator: "\n")
      }
      answers.ask {
        let proof = try reader.inclusionProof(of: book.org, orgSequence: first, size: book.size)
        guard
          MerkleTree.isIncluded(
            book.leaves[Int(first)], index: first, size: book.size, proof: proof,
            root: book.roots[Int(book.size)])
        else { throw Unproven() }
        return "included"
      }
      answers.ask {
        let proof = try reader.consistencyProof(of: book.org, from: first + 1, to: book.size)
        guard
          MerkleTree.isConsistent(
            old: first + 1, oldRoot: book.roots[Int(first) + 1], new: book.size,
            newRoot: book.roots[Int(book.size)], proof: proof)
        else { throw Unproven() }
        return "consistent"
      }
    }
  }

  /// The next five events that match, over as many pages as it takes: a damaged block ends a page early.
  private static func read(
    _ reader: LMDBLogReader, after start: UInt64, _ filter: EventFilter
  ) throws -> [RecordedEvent] {
    var events: [RecordedEvent] = []
    var position = start
    while events.count < 5 {
      let page = try reader.read(after: position, limit: 5, filter: filter)
      events += page.events
      guard page.scannedTo > position else { break }
      position = page.scannedTo
    }
    return Array(events.prefix(5))
  }

  private static func text(_ events: [RecordedEvent]) -> String {
    var digest = EventDigest()
    for event in events { digest.add(event) }
    return "\(events.count) \(digest.finish())"
  }
}
