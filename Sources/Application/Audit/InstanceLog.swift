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
/// It only grows, by an entry an hour for every account that does something: what lies in memory is a hash of each 256 entries,
/// and of each account its last heads. The rest is read from the file where somebody asks for it.
///
///     <directory>/i<incarnation>/entries      uint16 length, text; one after the other (a C2SP entry bundle)
///                               checkpoint   the signed head; never ahead of `entries`
package struct InstanceLog: Sendable {
  package let directory: String
  package let signer: NoteSigner
  /// As many heads of an origin as are kept in mind: the newest, and those that an export shows beside it.
  static let keptHeadCount = 65

  /// What an origin gave out last.
  private struct Origin {
    var index: UInt64
    var text: String
    /// Where its last heads begin in `entries`, oldest first.
    var offsets: [Int]
  }

  private var frontier = Frontier()
  /// Of full tiles: their roots, and what lies above.
  private var tiles = SubtreeTable()
  /// Where each full tile begins in `entries`, and behind them the one in the making.
  private var tileOffsets = [0]
  /// The leaves of that one.
  private var open: [Digest] = []
  /// Of the entries that are whole. What is behind them a crash or a full disk has cut off.
  private var byteCount = 0
  private var origins: [String: Origin] = [:]
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

  private static let pieceByteCount = 1 << 20

  private mutating func load(_ signed: Checkpoint?) throws {
    if FileManager.default.fileExists(atPath: entriesPath) {
      let handle = try FileHandle(forReadingFrom: URL(filePath: entriesPath))
      defer { _ = try? handle.close() }
      var rest: [UInt8] = []
      while let piece = try handle.read(upToCount: Self.pieceByteCount), !piece.isEmpty {
        rest += piece
        var used = 0
        while let end = Self.end(ofEntryAt: used, in: rest) {
          add(String(decoding: rest[used + 2..<end], as: UTF8.self), byteCount: end - used)
          used = end
          if size == signed?.size, frontier.root != signed?.root {
            throw NotaryError.instanceLogDamaged
          }
        }
        // What no piece completes was never signed.
        rest.removeFirst(used)
      }
    }
    guard size >= signed?.size ?? 0 else { throw NotaryError.instanceLogDamaged }
  }

  /// nil where the entry is cut off.
  private static func end(ofEntryAt start: Int, in bytes: [UInt8]) -> Int? {
    guard start + 2 <= bytes.count else { return nil }
    let end = start + 2 + (Int(bytes[start]) << 8 | Int(bytes[start + 1]))
    return end <= bytes.count ? end : nil
  }

  /// Behind what is there.
  private mutating func add(_ text: String, byteCount added: Int) {
    let name = String(text.prefix { $0 != "\n" })
    var origin = origins.removeValue(forKey: name) ?? Origin(index: 0, text: "", offsets: [])
    origin.index = size
    origin.text = text
    if origin.offsets.count == Self.keptHeadCount { origin.offsets.removeFirst() }
    origin.offsets.append(byteCount)
    origins[name] = origin
    byteCount += added
    let leaf = MerkleTree.leafHash(Array(text.utf8))
    frontier.append(leaf)
    open.append(leaf)
    guard open.count == TilePath.leafCount else { return }
    tiles.append(Self.root(of: open[...]))
    tileOffsets.append(byteCount)
    open.removeAll(keepingCapacity: true)
  }

  private static func root(of leaves: ArraySlice<Digest>) -> Digest {
    var frontier = Frontier()
    for leaf in leaves { frontier.append(leaf) }
    return frontier.root
  }

  private mutating func sign() throws {
    checkpoint = try signer.sign(
      Checkpoint(origin: signer.name, size: size, root: frontier.root).text)
    try DurableFile.replace(directory + "/checkpoint", with: Array(checkpoint.utf8))
  }
}

extension InstanceLog {
  package var size: UInt64 { frontier.size }

  /// The head of `origin` that was given out last.
  package func newestHead(of origin: String) throws -> Checkpoint? {
    try origins[origin].map { try Checkpoint(text: $0.text) }
  }

  /// The heads of `origin` that were given out, oldest first: the last `keptHeadCount` of them.
  package func heads(of origin: String) throws -> [Checkpoint] {
    guard let offsets = origins[origin]?.offsets else { return [] }
    return try withEntries { handle in
      try offsets.map { offset in
        let length = try Self.read(handle, offset..<offset + 2)
        let end = offset + 2 + (Int(length[0]) << 8 | Int(length[1]))
        return try Checkpoint(
          text: String(decoding: try Self.read(handle, offset + 2..<end), as: UTF8.self))
      }
    }
  }

  /// The head of each origin that was given out last.
  func newestHeads() throws -> [Checkpoint] {
    try origins.values.map { try Checkpoint(text: $0.text) }
  }

  /// Adds `text`, durably, and signs the new head. Nothing where it is its origin's last one already.
  package mutating func append(_ text: String) throws {
    if origins[String(text.prefix { $0 != "\n" })]?.text == text { return }
    let bytes = Array(text.utf8)
    precondition(bytes.count <= Int(UInt16.max), "a checkpoint's text is short")
    let entry = [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
    try DurableFile.append(entry, to: entriesPath, after: byteCount)
    add(text, byteCount: entry.count)
    try sign()
  }

  /// That the newest head of `origin` is in this log.
  package func proof(of origin: String) throws -> InclusionProof? {
    guard let index = origins[origin]?.index else { return nil }
    // Those below a full tile's root: of one tile, that of the entry.
    var known: (tile: UInt64, leaves: [Digest])?
    let path = try MerkleTree.inclusionProof(index: index, size: size) { level, index in
      let height = TilePath.leafCount.trailingZeroBitCount
      guard level < height else {
        return tiles.subtree(level: level - height, index: index)
      }
      let first = index << UInt64(level)
      let tile = first / UInt64(TilePath.leafCount)
      let leaves: [Digest]
      if let known, known.tile == tile {
        leaves = known.leaves
      } else {
        leaves = try self.leaves(of: tile)
      }
      known = (tile, leaves)
      let start = Int(first % UInt64(TilePath.leafCount))
      return Self.root(of: leaves[start..<start + 1 << level])
    }
    return InclusionProof(index: index, path: path, checkpoint: checkpoint)
  }

  /// The first `width` entries of the entry bundle `index` of c2sp.org/tlog-tiles; nil before they are there.
  package func entryBundle(_ index: UInt64, width: Int) throws -> [UInt8]? {
    guard index < UInt64(tileOffsets.count), let bytes = try bundle(Int(index)) else { return nil }
    var end = 0
    for _ in 0..<width {
      guard let next = Self.end(ofEntryAt: end, in: bytes) else { return nil }
      end = next
    }
    return Array(bytes[..<end])
  }

  /// All entries of a tile, as they are stored.
  private func bundle(_ tile: Int) throws -> [UInt8]? {
    let start = tileOffsets[tile]
    let end = tile + 1 < tileOffsets.count ? tileOffsets[tile + 1] : byteCount
    guard end > start else { return nil }
    return try withEntries { try Self.read($0, start..<end) }
  }

  private func leaves(of tile: UInt64) throws -> [Digest] {
    guard tile < tiles.size else { return open }
    let bytes = try bundle(Int(tile)) ?? []
    var leaves: [Digest] = []
    var start = 0
    while let end = Self.end(ofEntryAt: start, in: bytes) {
      leaves.append(MerkleTree.leafHash(Array(bytes[start + 2..<end])))
      start = end
    }
    // Not what it was when it was read first.
    guard Self.root(of: leaves[...]) == tiles.subtree(level: 0, index: tile) else {
      throw NotaryError.instanceLogDamaged
    }
    return leaves
  }

  private func withEntries<Value>(_ body: (FileHandle) throws -> Value) throws -> Value {
    let handle = try FileHandle(forReadingFrom: URL(filePath: entriesPath))
    defer { _ = try? handle.close() }
    return try body(handle)
  }

  private static func read(_ handle: FileHandle, _ range: Range<Int>) throws -> [UInt8] {
    try handle.seek(toOffset: UInt64(range.lowerBound))
    guard let data = try handle.read(upToCount: range.count), data.count == range.count else {
      throw NotaryError.instanceLogDamaged
    }
    return [UInt8](data)
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
