import Crypto
import Foundation
import Merkle

/// The log of the orgs' heads: an RFC 6962 tree whose entries are the texts of org checkpoints, in the
/// order in which they were given out. Witnesses need to follow this one log only. After a restore another one begins, and
/// its first entry is the last checkpoint of the one before.
///
/// It lies outside the event log on purpose: what was signed once is remembered here also after somebody
/// puts an older event log back.
///
///     <directory>/i<incarnation>/entries      uint16 length, text; one after the other (a C2SP entry bundle)
///                               checkpoint   the signed head; never ahead of `entries`
package struct InstanceLog: Sendable {
  package let directory: String
  package let signer: NoteSigner
  private var tree = SubtreeTable()
  private var texts: [String] = []
  /// Of the entries that are whole. What is behind them a crash or a full disk has cut off.
  private var byteCount = 0
  /// Where each origin's heads are, oldest first.
  private var places: [String: [Int]] = [:]
  /// The signed head.
  package private(set) var checkpoint: String

  /// Opens the log in `directory`, which is made where it is missing.
  ///
  /// - Throws: `NotaryError.instanceLogDamaged` where the entries are not those of the signed head.
  package init(directory: String, signer: NoteSigner) throws {
    self.directory = directory
    self.signer = signer
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    checkpoint = ""
    try load(try Self.signedHead(directory, signer))
    try sign()
  }

  /// What the log of a history that has ended gave out; changes nothing. Empty where its entries are not here.
  ///
  /// - Throws: As the other initializer.
  init(reading directory: String, signer: NoteSigner) throws {
    self.directory = directory
    self.signer = signer
    checkpoint = ""
    guard FileManager.default.fileExists(atPath: entriesPath) else { return }
    try load(try Self.signedHead(directory, signer))
  }

  private var entriesPath: String { directory + "/entries" }

  /// The head of the log in `directory` that was signed last; nil where there is none.
  static func signedHead(_ directory: String, _ signer: NoteSigner) throws -> Checkpoint? {
    guard let data = FileManager.default.contents(atPath: directory + "/checkpoint") else {
      return nil
    }
    let note = String(decoding: data, as: UTF8.self)
    return try Checkpoint(text: signer.verifier.open(note))
  }

  private mutating func load(_ signed: Checkpoint?) throws {
    let bytes = FileManager.default.contents(atPath: entriesPath).map { [UInt8]($0) } ?? []
    while byteCount + 2 <= bytes.count {
      let end = byteCount + 2 + (Int(bytes[byteCount]) << 8 | Int(bytes[byteCount + 1]))
      // It was never signed.
      guard end <= bytes.count else { break }
      add(String(decoding: bytes[byteCount + 2..<end], as: UTF8.self))
      byteCount = end
      if tree.size == signed?.size, tree.root != signed?.root {
        throw NotaryError.instanceLogDamaged
      }
    }
    guard tree.size >= signed?.size ?? 0 else { throw NotaryError.instanceLogDamaged }
  }

  private mutating func add(_ text: String) {
    tree.append(MerkleTree.leafHash(Array(text.utf8)))
    let origin = String(text.prefix { $0 != "\n" })
    places[origin, default: []].append(texts.count)
    texts.append(text)
  }

  private mutating func sign() throws {
    checkpoint = try signer.sign(
      Checkpoint(origin: signer.name, size: tree.size, root: tree.root).text)
    try DurableFile.replace(directory + "/checkpoint", with: Array(checkpoint.utf8))
  }
}

extension InstanceLog {
  package var size: UInt64 { tree.size }

  /// The heads of `origin` that were given out, oldest first.
  package func heads(of origin: String) throws -> [Checkpoint] {
    try (places[origin] ?? []).map { try Checkpoint(text: texts[$0]) }
  }

  /// The head of each origin that was given out last.
  func newestHeads() throws -> [Checkpoint] {
    try places.values.compactMap(\.last).map { try Checkpoint(text: texts[$0]) }
  }

  /// Adds `text`, durably, and signs the new head. Nothing where it is its origin's last one already.
  package mutating func append(_ text: String) throws {
    let origin = String(text.prefix { $0 != "\n" })
    if let last = places[origin]?.last, texts[last] == text { return }
    let bytes = Array(text.utf8)
    precondition(bytes.count <= Int(UInt16.max), "a checkpoint's text is short")
    let entry = [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
    try DurableFile.append(entry, to: entriesPath, after: byteCount)
    byteCount += entry.count
    add(text)
    try sign()
  }

  /// That the newest head of `origin` is in this log.
  package func proof(of origin: String) throws -> InclusionProof? {
    guard let index = places[origin]?.last else { return nil }
    let path = try MerkleTree.inclusionProof(
      index: UInt64(index), size: tree.size, tree.subtree)
    return InclusionProof(index: UInt64(index), path: path, checkpoint: checkpoint)
  }

  /// The first `width` entries of the entry bundle `index` of c2sp.org/tlog-tiles; nil before they are there.
  package func entryBundle(_ index: UInt64, width: Int) -> [UInt8]? {
    let start = index.multipliedReportingOverflow(by: UInt64(TilePath.leafCount))
    guard !start.overflow, start.partialValue < UInt64(texts.count),
      Int(start.partialValue) + width <= texts.count
    else { return nil }
    var bytes: [UInt8] = []
    for text in texts[Int(start.partialValue)..<Int(start.partialValue) + width] {
      bytes += [UInt8(text.utf8.count >> 8), UInt8(text.utf8.count & 255)]
      bytes += text.utf8
    }
    return bytes
  }
}

/// Files that are on disk when the call returns.
enum DurableFile {
  /// In the place of whatever is behind the first `byteCount` bytes.
  static func append(_ bytes: [UInt8], to path: String, after byteCount: Int) throws {
    if !FileManager.default.fileExists(atPath: path) {
      guard FileManager.default.createFile(atPath: path, contents: nil) else {
        throw AuditError.unreadable(file: path, reason: "cannot be created")
      }
    }
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    defer { _ = try? handle.close() }
    try handle.truncate(atOffset: UInt64(byteCount))
    try handle.write(contentsOf: Data(bytes))
    try handle.synchronize()
  }

  /// The whole file or the one before, also after a crash.
  static func replace(_ path: String, with bytes: [UInt8]) throws {
    let next = path + ".next"
    guard FileManager.default.createFile(atPath: next, contents: nil) else {
      throw AuditError.unreadable(file: path, reason: "cannot be created")
    }
    let handle = try FileHandle(forWritingTo: URL(filePath: next))
    defer { _ = try? handle.close() }
    try handle.write(contentsOf: Data(bytes))
    try handle.synchronize()
    guard unsafe rename(next, path) == 0 else {
      throw AuditError.unreadable(file: path, reason: "cannot be replaced")
    }
  }
}
