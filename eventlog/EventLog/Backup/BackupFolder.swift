import Crypto
import JSON
import Vault

// A backup folder. Everything in it is written once under the name of its hash, or replaced whole:
//
//   chunks/<SHA-256>         a MiB of a copy of log/data.mdb, shared by all snapshots that have it
//   vault/<SHA-256>          the newest copy of vault/data.mdb, and no older one: what was erased is in none
//   tombstones               "ORG SUBJECT MICROS" a line, in hex and decimal: everybody erased, also since the last copy
//   incarnation              the highest number that a log restored from here was given
//   snapshots/<MICROS>.json  what a snapshot is made of, and on a second line the SHA-256 of the first

/// What one `daybook backup` made.
package struct BackupSnapshot: Sendable, Equatable {
  struct Book: Sendable, Equatable {
    let org: OrgID
    let size: UInt64
    let root: String
  }

  /// When it was made, microseconds since 1970: its name.
  package let createdAtMicros: Int64
  package let incarnation: UInt32
  /// The last event that it surely holds; it may hold later ones.
  package let head: UInt64
  /// When the log took that event.
  package let recordedAtMicros: Int64
  let chunks: [String]
  let vault: String
  /// Small files beside the log, by name.
  package let files: [String: [UInt8]]
  let books: [Book]

  package var name: String { Self.name(createdAtMicros) }

  /// Twenty digits: names sort by time.
  static func name(_ micros: Int64) -> String {
    let digits = String(micros)
    return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
  }

  var json: JSON {
    [
      "format": 1, "created_at_micros": .int(createdAtMicros),
      "incarnation": JSON(Int(incarnation)),
      "head": .int(Int64(head)), "recorded_at_micros": .int(recordedAtMicros),
      "chunks": .array(chunks.map(JSON.string)), "vault": .string(vault),
      "files": .object(
        JSONObject(
          files.sorted { $0.key < $1.key }.map { ($0.key, .string(Base64.encode($0.value))) })),
      "books": .array(
        books.map {
          [
            "org": .string(String($0.org.value, radix: 16)), "size": .int(Int64($0.size)),
            "root": .string($0.root),
          ]
        }),
    ]
  }

  init(
    createdAtMicros: Int64, incarnation: UInt32, head: UInt64, recordedAtMicros: Int64,
    chunks: [String], vault: String, files: [String: [UInt8]], books: [Book]
  ) {
    self.createdAtMicros = createdAtMicros
    self.incarnation = incarnation
    self.head = head
    self.recordedAtMicros = recordedAtMicros
    self.chunks = chunks
    self.vault = vault
    self.files = files
    self.books = books
  }

  init?(_ json: JSON) {
    guard json["format"]?.int == 1, let created = json["created_at_micros"]?.int,
      let incarnation = json["incarnation"]?.int.flatMap(UInt32.init(exactly:)),
      let head = json["head"]?.int.flatMap(UInt64.init(exactly:)),
      let recorded = json["recorded_at_micros"]?.int, let vault = json["vault"]?.string,
      let chunks = json["chunks"]?.array?.map(\.string), let books = json["books"]?.array,
      let files = json["files"]?.object
    else { return nil }
    self.init(
      createdAtMicros: created, incarnation: incarnation, head: head, recordedAtMicros: recorded,
      chunks: chunks.compactMap { $0 }, vault: vault,
      files: Dictionary(
        uniqueKeysWithValues: files.fields.compactMap { field in
          field.value.string.flatMap { try? Base64.decode($0) }.map { (field.key, $0) }
        }),
      books: books.compactMap { book in
        guard let org = book["org"]?.string.flatMap({ UInt128($0, radix: 16) }),
          let size = book["size"]?.int.flatMap(UInt64.init(exactly:)),
          let root = book["root"]?.string
        else { return nil }
        return Book(org: OrgID(org), size: size, root: root)
      })
    guard self.chunks.count == chunks.count, self.books.count == books.count,
      self.files.count == files.fields.count
    else { return nil }
  }
}

extension EventLogError {
  static func backupDamaged(reason: String) -> EventLogError {
    .storage(reason: "the backup: \(reason)")
  }
}

/// The files of a backup folder.
struct BackupFolder {
  static let chunkByteCount = 1 << 20

  let path: String

  private var chunksPath: String { path + "/chunks" }
  private var vaultPath: String { path + "/vault" }
  private var snapshotsPath: String { path + "/snapshots" }
  private var tombstonesPath: String { path + "/tombstones" }
  private var incarnationPath: String { path + "/incarnation" }

  func create() throws(EventLogError) {
    for folder in [path, chunksPath, vaultPath, snapshotsPath] {
      try PlainFiles.makeFolder(folder)
    }
  }

  // MARK: Content

  /// Its name, and whether it was new. Durable once a snapshot is added.
  func addChunk(_ bytes: [UInt8]) throws(EventLogError) -> (name: String, isNew: Bool) {
    try add(bytes, to: chunksPath)
  }

  func addVault(_ bytes: [UInt8]) throws(EventLogError) -> String {
    try add(bytes, to: vaultPath).name
  }

  private func add(
    _ bytes: [UInt8], to folder: String
  ) throws(EventLogError) -> (name: String, isNew: Bool) {
    let name = Hex.encode(SHA256.hash(bytes))
    guard !PlainFiles.exists("\(folder)/\(name)") else { return (name, false) }
    try PlainFiles.writeUnflushed(bytes, to: "\(folder)/\(name)")
    return (name, true)
  }

  func chunk(_ name: String) throws(EventLogError) -> [UInt8] {
    try content(name, of: chunksPath)
  }

  func vault(_ name: String) throws(EventLogError) -> [UInt8] { try content(name, of: vaultPath) }

  private func content(_ name: String, of folder: String) throws(EventLogError) -> [UInt8] {
    guard let bytes = try PlainFiles.read("\(folder)/\(name)") else {
      throw .backupDamaged(reason: "a file is missing")
    }
    guard Hex.encode(SHA256.hash(bytes)) == name else {
      throw .backupDamaged(reason: "a file fails its checksum")
    }
    return bytes
  }

  // MARK: Snapshots

  func add(_ snapshot: BackupSnapshot) throws(EventLogError) {
    // Once for all chunks: each flush of a folder is one that the writer's own wait for.
    for folder in [chunksPath, vaultPath] { try PlainFiles.flushFolder(folder) }
    let line = snapshot.json.text
    let sum = Hex.encode(SHA256.hash(Array(line.utf8)))
    try PlainFiles.write(
      Array("\(line)\n\(sum)\n".utf8), to: "\(snapshotsPath)/\(snapshot.name).json")
  }

  /// Oldest first.
  func names() throws(EventLogError) -> [String] {
    try PlainFiles.names(in: snapshotsPath).filter { $0.hasSuffix(".json") }
      .map { String($0.dropLast(".json".count)) }
  }

  func snapshot(_ name: String) throws(EventLogError) -> BackupSnapshot {
    guard let bytes = try PlainFiles.read("\(snapshotsPath)/\(name).json") else {
      throw .backupDamaged(reason: "there is no such snapshot")
    }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard lines.count == 2, Hex.encode(SHA256.hash(Array(lines[0].utf8))) == lines[1],
      let json = try? JSON(parsing: String(lines[0])), let snapshot = BackupSnapshot(json)
    else { throw .backupDamaged(reason: "a snapshot fails its checksum") }
    return snapshot
  }

  /// Deletes all but the newest `count` snapshots, and what no snapshot needs any more.
  func prune(keeping count: Int) throws(EventLogError) {
    let names = try names()
    for name in names.dropLast(max(1, count)) {
      try PlainFiles.remove("\(snapshotsPath)/\(name).json")
    }
    var chunks: Set<String> = []
    var vault: String?
    for name in try self.names() {
      let snapshot = try snapshot(name)
      chunks.formUnion(snapshot.chunks)
      vault = snapshot.vault
    }
    for name in try PlainFiles.names(in: chunksPath) where !chunks.contains(name) {
      try PlainFiles.remove("\(chunksPath)/\(name)")
    }
    // Older vaults hold keys of people who were erased since.
    for name in try PlainFiles.names(in: vaultPath) where name != vault {
      try PlainFiles.remove("\(vaultPath)/\(name)")
    }
  }

  // MARK: Erasures

  func tombstones() throws(EventLogError) -> Set<Tombstone> {
    guard let bytes = try PlainFiles.read(tombstonesPath) else { return [] }
    var tombstones: Set<Tombstone> = []
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count == 3, let org = UInt128(fields[0], radix: 16),
        let subject = UInt128(fields[1], radix: 16), let micros = Int64(fields[2])
      else {
        // The last line may be torn: whoever wrote it was not told that it is there.
        if line.endIndex == line.base.endIndex { continue }
        throw .backupDamaged(reason: "a tombstone cannot be read")
      }
      tombstones.insert(Tombstone(org: org, subject: subject, atMicros: micros))
    }
    return tombstones
  }

  func add(_ tombstones: some Sequence<Tombstone>) throws(EventLogError) {
    var text = ""
    for each in tombstones {
      text +=
        "\(String(each.org, radix: 16)) \(String(each.subject, radix: 16)) \(each.atMicros)\n"
    }
    guard !text.isEmpty else { return }
    // A newline first: after a torn line.
    try PlainFiles.append(Array(("\n" + text).utf8), toFile: tombstonesPath)
  }

  // MARK: Incarnations

  /// A number that no log from here has had, stored before anything uses it: two restores of one snapshot are two
  /// histories.
  func nextIncarnation(after incarnation: UInt32) throws(EventLogError) -> UInt32 {
    let stored = try PlainFiles.read(incarnationPath)
    let text = String(decoding: stored ?? [], as: UTF8.self)
    guard let last = stored == nil ? 0 : UInt32(text) else {
      throw .backupDamaged(reason: "the incarnation cannot be read")
    }
    let next = max(last, incarnation) + 1
    try PlainFiles.write(Array(String(next).utf8), to: incarnationPath)
    return next
  }
}
