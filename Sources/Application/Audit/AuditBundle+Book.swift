import Crypto
import EventLog
import Foundation
import JSON
import Merkle

// What the leaves of a bundle say, tile by tile, and what opens them.

/// What a pass over the leaves has to remember.
private struct BookCheck {
  let org: [UInt8]?
  let isComplete: Bool
  var frontier = Frontier()
  var tiles = TileBuilder()
  var expectedTiles: [String: [UInt8]] = [:]
  /// Sizes of heads that were kept elsewhere, and the roots of this book at them.
  var rootsAt: [UInt64: Digest?] = [:]
  var versions: [[UInt8]: UInt64] = [:]
  var timeMicros: UInt64 = 0
  /// Parts that nothing opened, by key.
  var closed: [(sequence: UInt64, part: Int, keyID: [UInt8])] = []
  /// The last event that says of a key that it was destroyed; beyond all where that was asked for and is not done yet.
  var erasedAt: [[UInt8]: UInt64] = [:]
  var restores: [BundleRestore] = []
}

extension AuditBundle {
  /// Checks all leaves and what opens them. `kept`: heads that somebody kept elsewhere; the book must have
  /// had their roots at their sizes.
  mutating func checkBook(
    _ manifest: BundleManifest, _ head: Checkpoint, kept: [Checkpoint]
  ) throws {
    let orgText = head.origin.split(separator: "/").last.map(String.init) ?? ""
    var book = BookCheck(org: try? Hex.decode(orgText), isComplete: manifest.isComplete)
    for head in kept { book.rootsAt[head.size] = .some(nil) }
    if kept.contains(where: { $0.size == 0 }) { book.rootsAt[0] = book.frontier.root }
    let width = UInt64(TilePath.leafCount)
    var first: UInt64 = 0
    while first < head.size {
      let count = Int(min(width, head.size - first))
      try checkTile(first / width, first: first, count: count, &book)
      first += UInt64(count)
    }
    guard book.frontier.root == head.root else { return note("tile/entries: have another root") }
    try checkHashTiles(&book)
    checkClosedParts(book)
    try checkRestores(book.restores, head)
    let own = BookHistory(head.origin)
    for kept in kept {
      let isOfBook =
        kept.origin == head.origin || (own != nil && BookHistory(kept.origin)?.book == own?.book)
      guard !isOfBook || book.rootsAt[kept.size] != kept.root else { continue }
      note(
        "the book does not go on from the kept checkpoint of \(kept.size) events"
          + reason(isOfBook, kept, head))
    }
  }

  private func reason(_ isOfBook: Bool, _ kept: Checkpoint, _ head: Checkpoint) -> String {
    guard isOfBook else { return "" }
    guard kept.origin == head.origin else { return ": a restore has left out some of them" }
    // A longer one may be the newer head of the same tree.
    guard kept.size <= head.size else { return ": it is newer, or of another history" }
    return ": a fork, two histories were signed under one name"
  }

  private mutating func checkTile(
    _ index: UInt64, first: UInt64, count: Int, _ book: inout BookCheck
  ) throws {
    let name = TilePath.entries(index: index, width: count)
    let entries = try Self.entries(try bytes(name), name)
    guard entries.count == count else {
      throw AuditError.unreadable(file: name, reason: "has \(entries.count) entries, not \(count)")
    }
    var leaves: [BundleLeaf] = []
    for (offset, entry) in entries.enumerated() {
      let hash = MerkleTree.leafHash(entry)
      book.frontier.append(hash)
      if book.rootsAt[book.frontier.size] != nil {
        book.rootsAt[book.frontier.size] = book.frontier.root
      }
      var made: [(String, [UInt8])] = []
      try book.tiles.append(hash) { made.append(($0, $1)) }
      for (path, bytes) in made { book.expectedTiles[path] = bytes }
      guard let leaf = BundleLeaf(entry) else {
        throw AuditError.unreadable(file: name, reason: "entry \(offset) is not a leaf")
      }
      checkOrder(leaf, first + UInt64(offset), &book)
      if leaf.type == Self.erasureRequest, let keyID = leaf.keyIDOfStream {
        book.erasedAt[keyID] = .max
      }
      leaves.append(leaf)
    }
    try checkOpenings(index, leaves, first: first, &book)
    try flushTiles(&book)
  }

  private mutating func checkOrder(
    _ leaf: BundleLeaf, _ sequence: UInt64, _ book: inout BookCheck
  ) {
    if leaf.sequence != sequence { note("event \(sequence): is at another's place") }
    if leaf.org != book.org { note("event \(sequence): is of another account") }
    if leaf.timeMicros < book.timeMicros { note("event \(sequence): is before the one before it") }
    book.timeMicros = leaf.timeMicros
    if leaf.version != book.versions[leaf.stream, default: 0] + 1 {
      note("event \(sequence): its stream has a gap")
    }
    book.versions[leaf.stream] = leaf.version
  }

  /// A C2SP entry bundle: each entry behind its length in two bytes.
  static func entries(_ bundle: [UInt8], _ name: String) throws(AuditError) -> [[UInt8]] {
    var entries: [[UInt8]] = []
    var index = 0
    while index < bundle.count {
      let start = index + 2
      guard start <= bundle.count else { throw .unreadable(file: name, reason: "is cut off") }
      let end = start + (Int(bundle[index]) << 8 | Int(bundle[index + 1]))
      guard end <= bundle.count else { throw .unreadable(file: name, reason: "is cut off") }
      entries.append(Array(bundle[start..<end]))
      index = end
    }
    return entries
  }

  /// Compares the hash tiles that are due; those not in the folder can be computed and need not be there.
  private mutating func flushTiles(_ book: inout BookCheck) throws {
    for (name, expected) in book.expectedTiles.sorted(by: { $0.key < $1.key }) {
      guard FileManager.default.fileExists(atPath: directory + "/" + name) else { continue }
      if try bytes(name) != expected { note("\(name): is not what the entries hash to") }
    }
    book.expectedTiles.removeAll()
  }

  private mutating func checkHashTiles(_ book: inout BookCheck) throws {
    var rest: [String: [UInt8]] = [:]
    try book.tiles.finish { rest[$0] = $1 }
    book.expectedTiles = rest
    try flushTiles(&book)
  }
}

// MARK: - Openings

extension AuditBundle {
  private mutating func checkOpenings(
    _ index: UInt64, _ leaves: [BundleLeaf], first: UInt64, _ book: inout BookCheck
  ) throws {
    let digits = String(index)
    let padding = String(repeating: "0", count: max(0, 3 - digits.count))
    let name = "openings/\(padding)\(digits).jsonl"
    var opened: Set<[UInt64]> = []
    for line in try bytes(name).split(separator: UInt8(ascii: "\n")) {
      let opening = try JSON(parsing: Array(line))
      report.openingCount += 1
      guard let sequence = opening["seq"]?.int.flatMap({ UInt64(exactly: $0) }),
        let part = opening["part"]?.int.flatMap({ UInt64(exactly: $0) }),
        sequence >= first, sequence < first + UInt64(leaves.count),
        part < UInt64(leaves[Int(sequence - first)].parts.count),
        let salt = opening["salt"]?.string, let payload = opening["payload"]?.string
      else { throw AuditError.unreadable(file: name, reason: "an opening has no leaf") }
      let leaf = leaves[Int(sequence - first)]
      let bytes = try Base64.decode(payload)
      guard opened.insert([sequence, part]).inserted,
        leaf.isOpened(part: Int(part), salt: try Base64.decode(salt), payload: bytes)
      else {
        note("event \(sequence), part \(part): is not what was committed to")
        continue
      }
      if leaf.type == Self.erasure { learnErasure(bytes, sequence, &book) }
      if leaf.type == BundleRestore.type, part == 0 {
        book.restores.append(try BundleRestore(bytes, at: sequence))
      }
    }
    noteClosed(leaves, first: first, opened, &book)
  }

  private static var erasure: String { "subject.erased" }
  /// On the subject's own stream. The keys go soon after it, and long before the other one where a backup folder or a
  /// read model is away.
  private static var erasureRequest: String { "subject.erasure_requested" }

  private func learnErasure(_ payload: [UInt8], _ sequence: UInt64, _ book: inout BookCheck) {
    // Another part of the event may hold something else.
    guard let fields = try? JSON(parsing: payload) else { return }
    for id in fields["key_ids"]?.array ?? [] {
      guard let text = id.string, let keyID = try? Hex.decode(text) else { continue }
      book.erasedAt[keyID] = sequence
    }
  }

  private mutating func noteClosed(
    _ leaves: [BundleLeaf], first: UInt64, _ opened: Set<[UInt64]>, _ book: inout BookCheck
  ) {
    for (offset, leaf) in leaves.enumerated() {
      let sequence = first + UInt64(offset)
      for part in leaf.parts.indices where !opened.contains([sequence, UInt64(part)]) {
        if leaf.type == Self.erasure, part == 0 {
          note("event \(sequence): an erasure that does not say whose")
        }
        if leaf.type == BundleRestore.type, part == 0 {
          note("event \(sequence): a restore that does not say from what")
        }
        book.closed.append((sequence, part, leaf.parts[part].keyID))
      }
    }
  }

  /// Every part is opened, or a later event names its key as destroyed, or asks for that and is the last to speak of it.
  /// What was not asked for is counted.
  private mutating func checkClosedParts(_ book: BookCheck) {
    for (sequence, part, keyID) in book.closed {
      if let erasedAt = book.erasedAt[keyID], erasedAt > sequence {
        report.erasedPartCount += 1
      } else {
        report.withheldPartCount += 1
        if book.isComplete {
          note("event \(sequence), part \(part): is withheld; no erasure names its key")
        }
      }
    }
  }
}

// MARK: - Proofs and other heads

extension AuditBundle {
  mutating func checkProofs(_ verifier: NoteVerifier) throws {
    for name in fileNames().sorted()
    where name.hasPrefix("proofs/") && name.hasSuffix(".tlog-proof") {
      let stem = String(name.dropLast(".tlog-proof".count))
      let proof = try named(name) { try InclusionProof(text: try text(name)) }
      let leaf = try bytes(stem + ".leaf")
      report.proofCount += 1
      guard stem == "proofs/\(proof.index)", BundleLeaf(leaf)?.sequence == proof.index,
        try named(name, { try proof.isValid(for: leaf, verifier: verifier) })
      else {
        note("\(name): does not prove its leaf")
        continue
      }
    }
  }

  mutating func checkOlderHeads(_ verifier: NoteVerifier, _ head: Checkpoint) throws {
    for name in fileNames().sorted()
    where name.hasPrefix("since/") && name.hasSuffix(".checkpoint") {
      let stem = String(name.dropLast(".checkpoint".count))
      let older = try named(name) { try Checkpoint(text: try verifier.open(try text(name))) }
      let extend = try named(stem + ".extend") {
        try ConsistencyProof(text: try text(stem + ".extend"))
      }
      let newer = try named(stem + ".extend") {
        try Checkpoint(text: try verifier.open(extend.checkpoint))
      }
      report.olderHeadCount += 1
      let isConsistent = MerkleTree.isConsistent(
        old: older.size, oldRoot: older.root, new: head.size, newRoot: head.root,
        proof: extend.path)
      if !isConsistent || newer != head || extend.oldSize != older.size
        || stem != "since/\(older.size)" || older.origin != head.origin
      {
        note("\(stem): the head does not go on from this one")
      }
    }
  }

  /// The org's head is an entry of the instance log, which the same key signs under its own name.
  mutating func checkInstance(
    _ policy: BundlePolicy, _ verifier: NoteVerifier, _ head: Checkpoint
  ) throws {
    let name = "instance.tlog-proof"
    guard let key = policy.instanceKey else { return note("policy: names no instance log") }
    let instance = try NoteVerifier(verifierKey: key)
    let expected = NoteVerifier(
      name: verifier.name.components(separatedBy: "/org/")[0] + "/instance",
      publicKey: verifier.publicKey)
    if instance != expected { note("policy: the instance log has another key") }
    let proof = try named(name) { try InclusionProof(text: try text(name)) }
    guard try named(name, { try proof.isValid(for: Array(head.text.utf8), verifier: expected) })
    else { return note("\(name): does not prove the checkpoint") }
  }
}
