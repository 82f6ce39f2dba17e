import Crypto
import Glibc
import JSON
import Vault

// A backup folder. Everything in it is written once under the name of its hash, or replaced whole:
//
//   log                      the id of the log whose backup it is, in hex: without it nothing is told to the folder
//   lock                     flock(2): one backup, restore or rewriting at a time
//   incarnation.lock         flock(2): one at a time takes a number
//   chunks/<SHA-256>         a MiB of a copy of log/data.mdb, shared by all snapshots that have it
//   vault/<INCARNATION>-<MICROS>-<SHA-256>
//                            of each history the newest copy of vault/data.mdb, and no older one. Rewritten without the
//                            keys of whoever is erased
//   tombstones               "ORG SUBJECT MICROS" a line, in hex and decimal: everybody erased, also since the last copy
//   incarnation              the highest number that a log restored from here, or from another folder of this log, was given
//   snapshots/<MICROS>.json  what a snapshot is made of, and on a second line the SHA-256 of the first
//
// A log that was restored has another incarnation and goes on in the same folder, and so may the one that it was restored
// from: neither has the other's keys, so that each has a vault of its own here.
//
// MICROS say when, and what is newer: where the clock was put back, the one after the last name instead.

/// What one `daybook backup` made.
package struct BackupSnapshot: Sendable, Equatable {
  struct Book: Sendable, Equatable {
    let org: OrgID
    let size: UInt64
    let root: String
  }

  /// When it was begun, microseconds since 1970: its name.
  package let createdAtMicros: Int64
  package let incarnation: UInt32
  /// The last event that it surely holds; it may hold later ones.
  package let head: UInt64
  /// When the log took that event.
  package let recordedAtMicros: Int64
  let chunks: [String]
  /// Of format 1: its vault's SHA-256. Since format 2 the folder knows the vault of each history.
  let vaultSum: String?
  /// Small files beside the log, by name.
  package let files: [String: [UInt8]]
  let books: [Book]
  /// The log's other backup folders: they hear of erasures and of new histories, also from a log that is restored from this one.
  let otherFolders: [String]

  package var name: String { Self.name(createdAtMicros) }

  /// Twenty digits: names sort by time.
  static func name(_ micros: Int64) -> String {
    let digits = String(micros)
    return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
  }

  var json: JSON {
    [
      "format": .int(Self.format), "created_at_micros": .int(createdAtMicros),
      "incarnation": JSON(Int(incarnation)),
      "head": .int(Int64(head)), "recorded_at_micros": .int(recordedAtMicros),
      "chunks": .array(chunks.map(JSON.string)),
      "files": .object(
        JSONObject(
          files.sorted { $0.key < $1.key }.map { ($0.key, .string(Base64.encode($0.value))) })),
      "books": .array(
        books.map {
          [
            "org": .string(String($0.org.value, radix: 16)), "size": .int(Int64($0.size)),
            "root": .string($0.root),
          ]
        }), "other_folders": .array(otherFolders.map(JSON.string)),
    ]
  }

  private static let format: Int64 = 2

  init(
    createdAtMicros: Int64, incarnation: UInt32, head: UInt64, recordedAtMicros: Int64,
    chunks: [String], vaultSum: String? = nil, files: [String: [UInt8]], books: [Book],
    otherFolders: [String] = []
  ) {
    self.createdAtMicros = createdAtMicros
    self.incarnation = incarnation
    self.head = head
    self.recordedAtMicros = recordedAtMicros
    self.chunks = chunks
    self.vaultSum = vaultSum
    self.files = files
    self.books = books
    self.otherFolders = otherFolders
  }

  init?(_ json: JSON) {
    guard let format = json["format"]?.int, format == Self.format || format == 1,
      let created = json["created_at_micros"]?.int,
      let incarnation = json["incarnation"]?.int.flatMap(UInt32.init(exactly:)),
      let head = json["head"]?.int.flatMap(UInt64.init(exactly:)),
      let recorded = json["recorded_at_micros"]?.int,
      let chunks = json["chunks"]?.array?.map(\.string), let books = json["books"]?.array,
      let files = json["files"]?.object
    else { return nil }
    let vaultSum = json["vault"]?.string
    guard (vaultSum != nil) == (format == 1) else { return nil }
    self.init(
      createdAtMicros: created, incarnation: incarnation, head: head, recordedAtMicros: recorded,
      chunks: chunks.compactMap { $0 }, vaultSum: vaultSum,
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
      }, otherFolders: (json["other_folders"]?.array ?? []).compactMap(\.string))
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
  private var logIDPath: String { path + "/log" }
  private var lockPath: String { path + "/lock" }

  // MARK: Whose it is

  /// Makes what is missing, for the log `id`.
  ///
  /// - Throws: `.storage` where it is another log's: each keeps the keys of its own log alone.
  func create(for id: UInt128) throws(EventLogError) {
    try inFolder { () throws(EventLogError) in
      try PlainFiles.makeFolder(path)
      // Two that begin at once would write the same file.
      try locked { () throws(EventLogError) in try createContent(for: id) }
    }
  }

  private func createContent(for id: UInt128) throws(EventLogError) {
    for folder in [chunksPath, vaultPath, snapshotsPath] {
      try PlainFiles.makeFolder(folder)
    }
    guard let found = try logID() else {
      guard try names().isEmpty else {
        throw .backupDamaged(
          reason: "the file that says whose backup it is is missing: \(logIDPath)")
      }
      return try PlainFiles.write(Array(Self.text(id).utf8), to: logIDPath)
    }
    guard found == Self.text(id) else {
      throw .storage(
        reason:
          "it is the backup of another log (\(found), not \(Self.text(id))): choose another folder"
      )
    }
  }

  /// - Throws: `.storage` unless it is there and the log `id`'s: an empty folder in its place, where a disk is not mounted,
  ///   would take everything and keep nothing of it.
  func requireLog(_ id: UInt128) throws(EventLogError) {
    guard try logID() == Self.text(id) else {
      throw .storage(reason: "the backup of this log is not there")
    }
  }

  func logID() throws(EventLogError) -> String? {
    try PlainFiles.read(logIDPath).map {
      String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
  }

  private static func text(_ id: UInt128) -> String { String(id, radix: 16) }

  /// Runs `body` and gives what goes wrong the folder's name.
  func inFolder<Value>(
    _ body: () throws(EventLogError) -> Value
  ) throws(EventLogError) -> Value {
    do throws(EventLogError) {
      return try body()
    } catch .storage(let reason) {
      throw .storage(reason: "\(path): \(reason)")
    }
  }

  // MARK: One at a time

  /// Of a command, which can wait for a large backup.
  static let patienceMillis = 600_000

  /// Runs `body` while nobody else changes the folder or restores from it.
  ///
  /// - Throws: `.storage` where somebody else does for longer than `waitMillis`.
  func locked<Value>(
    waitMillis: Int = patienceMillis, _ body: () throws(EventLogError) -> Value
  ) throws(EventLogError) -> Value {
    let lock = try lock(waitMillis: waitMillis)
    defer { Glibc.close(lock) }
    return try body()
  }

  /// The same until the descriptor is closed.
  func lock(waitMillis: Int = patienceMillis) throws(EventLogError) -> Int32 {
    try lock(lockPath, waitMillis: waitMillis)
  }

  func lock(_ path: String, waitMillis: Int) throws(EventLogError) -> Int32 {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("open") }
    var waitedMillis = 0
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let isTaken = errno == EWOULDBLOCK || errno == EINTR
      guard isTaken, waitedMillis < waitMillis else {
        let failure: EventLogError =
          isTaken
          ? .storage(reason: "a backup or a restore goes on there: try again once it is done")
          : .system("flock")
        Glibc.close(descriptor)
        throw failure
      }
      usleep(50_000)
      waitedMillis += 50
    }
    return descriptor
  }

  // MARK: Content

  /// Its name, and whether it was new. Durable once a snapshot is added.
  func addChunk(_ bytes: [UInt8]) throws(EventLogError) -> (name: String, isNew: Bool) {
    let name = Hex.encode(SHA256.hash(bytes))
    // One that was cut off, or is damaged, or cannot be read, is written anew: the snapshots that have it are whole again.
    if (try? PlainFiles.read("\(chunksPath)/\(name)")) == bytes { return (name, false) }
    try PlainFiles.writeUnflushed(bytes, to: "\(chunksPath)/\(name)")
    return (name, true)
  }

  func chunk(_ name: String) throws(EventLogError) -> [UInt8] {
    try content("\(chunksPath)/\(name)", sum: name)
  }

  private func content(_ path: String, sum: String) throws(EventLogError) -> [UInt8] {
    var bytes: [UInt8] = []
    try forEachPiece(of: path, sum: sum) { bytes += $0 }
    return bytes
  }

  /// - Throws: after the last piece where they are not those of `sum`: nothing of them may be used then.
  private func forEachPiece(
    of path: String, sum: String, _ body: ([UInt8]) throws(EventLogError) -> Void
  ) throws(EventLogError) {
    var hash = SHA256()
    let isThere = try PlainFiles.forEachPiece(of: path) { piece throws(EventLogError) in
      hash.update(piece)
      try body(piece)
    }
    guard isThere else { throw .backupDamaged(reason: "a file is missing: \(path)") }
    guard Hex.encode(hash.finalize()) == sum else {
      throw .backupDamaged(reason: "a file fails its checksum: \(path)")
    }
  }

  // MARK: Keys

  /// The newest vault of the history `incarnation`: the older keys are in it too, but for those of people erased since.
  /// Large: its bytes are never in memory all together.
  private func vault(of incarnation: UInt32) throws(EventLogError) -> (path: String, sum: String) {
    guard let name = try vaultNames(of: incarnation).last,
      let sum = name.split(separator: "-").last
    else { throw .backupDamaged(reason: "the keys of incarnation \(incarnation) are missing") }
    return ("\(vaultPath)/\(name)", String(sum))
  }

  /// The keys for `snapshot`.
  private func vault(
    for snapshot: BackupSnapshot
  ) throws(EventLogError) -> (path: String, sum: String) {
    guard snapshot.vaultSum != nil else { return try vault(of: snapshot.incarnation) }
    // The newest one's, whatever the snapshot, and no other is there.
    let newest = try names().last.map { name throws(EventLogError) in try self.snapshot(name) }
    guard let sum = newest?.vaultSum else {
      throw .backupDamaged(reason: "snapshots of two formats are in one folder")
    }
    return ("\(vaultPath)/\(sum)", sum)
  }

  /// Writes the keys for `snapshot` into the file `path`, compared with their checksum.
  func copyVault(for snapshot: BackupSnapshot, to path: String) throws(EventLogError) {
    try copy(try vault(for: snapshot), to: path)
  }

  /// The same of the history `incarnation`.
  func copyVault(of incarnation: UInt32, to path: String) throws(EventLogError) {
    try copy(try vault(of: incarnation), to: path)
  }

  private func copy(
    _ vault: (path: String, sum: String), to path: String
  ) throws(EventLogError) {
    let file = try GrowingFile(path + ".new")
    try forEachPiece(of: vault.path, sum: vault.sum) { piece throws(EventLogError) in
      try file.append(piece)
    }
    try file.move(to: path)
    try PlainFiles.flushFolder(PlainFiles.folder(of: path))
  }

  /// Reads the keys for `snapshot`, compares them with their checksum, and returns how many bytes they are.
  func checkVault(for snapshot: BackupSnapshot) throws(EventLogError) -> Int {
    let vault = try vault(for: snapshot)
    var byteCount = 0
    try forEachPiece(of: vault.path, sum: vault.sum) { byteCount += $0.count }
    return byteCount
  }

  /// Puts what `body` writes in the place of the vault before it. Durable when this returns: how many bytes it is.
  func replaceVault(
    of incarnation: UInt32, atMicros micros: Int64,
    _ body: (GrowingFile) throws(EventLogError) -> Void
  ) throws(EventLogError) -> Int {
    // Its name says what is in it: known once all of it is written.
    let file = try GrowingFile("\(vaultPath)/copy.new")
    try body(file)
    let older = try vaultNames(of: incarnation).last
    let moment = Self.moment(micros, after: older?.split(separator: "-").dropFirst().first)
    let name = "\(incarnation)-\(BackupSnapshot.name(moment))-\(file.digest)"
    try file.move(to: "\(vaultPath)/\(name)")
    try PlainFiles.flushFolder(vaultPath)
    try removeOlderVaults(of: incarnation)
    return file.byteCount
  }

  /// Those that a crash has left too: they hold keys of people who were erased since. Durable when this returns.
  func removeOlderVaults(of incarnation: UInt32) throws(EventLogError) {
    try removeVaults(try vaultNames(of: incarnation).dropLast())
  }

  /// Of a copy that was ended: also where it was the first one.
  func removeUnfinishedVaults() throws(EventLogError) {
    try removeVaults(try PlainFiles.names(in: vaultPath).filter { $0.hasSuffix(".new") })
  }

  private func removeVaults(_ names: some Collection<String>) throws(EventLogError) {
    guard !names.isEmpty else { return }
    for name in names { try PlainFiles.remove("\(vaultPath)/\(name)") }
    try PlainFiles.flushFolder(vaultPath)
  }

  /// Oldest first: between making one and removing the one before it there are two.
  private func vaultNames(of incarnation: UInt32) throws(EventLogError) -> [String] {
    try PlainFiles.names(in: vaultPath).filter {
      $0.hasPrefix("\(incarnation)-") && !$0.hasSuffix(".new")
    }
  }

  func vaultIncarnations() throws(EventLogError) -> [UInt32] {
    let numbers = try PlainFiles.names(in: vaultPath)
      .compactMap { $0.split(separator: "-").first.flatMap { UInt32($0) } }
    return Array(Set(numbers)).sorted()
  }

  // MARK: Snapshots

  /// When a snapshot that is begun at `micros` was made, as its name says.
  func momentOfNext(_ micros: Int64) throws(EventLogError) -> Int64 {
    Self.moment(micros, after: try names().last)
  }

  /// The last name is the newest, also where the clock was ahead once: the keys that are older go, and must not be those that
  /// were just copied.
  private static func moment(_ micros: Int64, after name: (some StringProtocol)?) -> Int64 {
    guard let last = name.flatMap({ Int64($0) }) else { return micros }
    return max(micros, last + 1)
  }

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
    var incarnations: Set<UInt32> = []
    for name in try self.names() {
      let snapshot = try snapshot(name)
      chunks.formUnion(snapshot.chunks)
      incarnations.insert(snapshot.incarnation)
    }
    for name in try PlainFiles.names(in: chunksPath) where !chunks.contains(name) {
      try PlainFiles.remove("\(chunksPath)/\(name)")
    }
    for incarnation in try vaultIncarnations() where !incarnations.contains(incarnation) {
      for name in try vaultNames(of: incarnation) { try PlainFiles.remove("\(vaultPath)/\(name)") }
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
}
