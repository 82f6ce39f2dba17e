// The vault: an LMDB environment of its own, so that it can be rewritten and backed up by other rules
// than the log. Byte layout: eventlog/README.md, "Vault".
//
//   root key  (outside; `RootKey`)
//    └ org key v1, v2 …   table `orgs`: org ‖ version (4)            -> format, root key id, wrapped key
//       └ subject key     table `keys`: org ‖ subject ‖ generation   -> format, org key version, wrapped key
//   table `tombstones`: org ‖ subject -> format, time

import Crypto
import LMDB
import Synchronization

package final class Vault: Sendable {
  static let formatVersion: UInt8 = 1
  private static let epochKey = Array("epoch".utf8)
  /// About 500 bytes each, twice: 16 MB. Another key costs a look-up and an unwrapping, some microseconds.
  private static let maxCachedCount = 16_384

  struct OrgKeyName: Hashable {
    let org: UInt128
    let version: UInt32
  }

  private struct Cache {
    var epoch: UInt64 = 0
    private var young: [KeyName: SubjectKey] = [:]
    private var old: [KeyName: SubjectKey] = [:]
    var orgKeys: [OrgKeyName: [UInt8]] = [:]

    subscript(name: KeyName) -> SubjectKey? { young[name] ?? old[name] }

    mutating func insert(_ key: SubjectKey, _ name: KeyName) {
      if young.count >= maxCachedCount {
        old = young
        young = [:]
      }
      young[name] = key
    }
  }

  private let folder: VaultFolder
  package let rootKey: any RootKey
  private let mapBytes: Int
  private let mayCreate: Bool
  private let opened: Mutex<VaultFile?>
  /// Whether a power cut may still give `current` its number of before.
  private let isNameInDoubt = Atomic<Bool>(false)
  private let cache = Mutex(Cache())

  /// Opens the vault in the existing directory `path`. `mayCreate`: also where there is none, and makes it then.
  package init(
    path: String, rootKey: any RootKey, mapBytes: Int = 1 << 30, mayCreate: Bool = true
  ) throws(VaultError) {
    self.rootKey = rootKey
    self.mapBytes = mapBytes
    self.mayCreate = mayCreate
    folder = VaultFolder(path: path)
    opened = Mutex(try VaultFile(folder: folder, mapBytes: mapBytes, mayCreate: mayCreate))
  }

  /// What the one writer does before it uses the vault: takes over what a killed one left, and deletes
  /// files that a rewriting has replaced.
  package func prepareForWriting() throws(VaultError) {
    let file = try currentFile()
    try storing { try file.environment.takeOverFromKilledWriter() }
    try folder.flushNames()
    try folder.removeGenerations(below: file.generation)
  }

  /// A second call does nothing.
  package func close() {
    cache.withLock { $0 = Cache() }
    let file = opened.withLock { opened in
      defer { opened = nil }
      return opened
    }
    file?.environment.close()
  }
}

/// The vault's file that is in use, and its tables.
struct VaultFile: Sendable {
  static let tables: [String: KeyKind] = [
    "orgs": .bytes, "keys": .bytes, "tombstones": .bytes, "state": .bytes,
  ]

  let generation: UInt64
  let environment: Environment
  let orgs: Table
  let keys: Table
  let tombstones: Table
  let state: Table

  init(folder: VaultFolder, mapBytes: Int, mayCreate: Bool) throws(VaultError) {
    (generation, environment) = try Self.open(folder, mapBytes: mapBytes, mayCreate: mayCreate)
    orgs = environment.table("orgs")
    keys = environment.table("keys")
    tombstones = environment.table("tombstones")
    state = environment.table("state")
  }

  private static func open(
    _ folder: VaultFolder, mapBytes: Int, mayCreate: Bool
  ) throws(VaultError) -> (UInt64, Environment) {
    var options = Environment.Options(mapBytes: mapBytes, tables: tables)
    while true {
      let current = try folder.currentGeneration()
      // Only the first file is made by opening it: a later one is there, or it is lost.
      options.mayCreate = mayCreate && current == 0
      do throws(VaultError) {
        return (
          current,
          try storing {
            try Environment.open(path: folder.path(ofGeneration: current), options: options)
          }
        )
      } catch {
        // A rewriting has put the next one in its place between the two lines.
        guard try folder.currentGeneration() != current else { throw error }
      }
    }
  }
}

// MARK: - Looking up

extension Vault {
  /// Forgets what is in memory where keys were destroyed since, by this process or another one. Call
  /// it before each stretch of reading; costs one look-up.
  package func refresh() throws(VaultError) {
    try takeOverNewFile()
    let epoch = try reading { file, transaction throws in
      try Self.epoch(file.state, transaction)
    }
    cache.withLock { cache in
      guard cache.epoch != epoch else { return }
      cache = Cache()
      cache.epoch = epoch
    }
  }

  /// Another process may have rewritten the vault: the old file, still mapped here, is not told of
  /// anything any more.
  private func takeOverNewFile() throws(VaultError) {
    let generation = try folder.currentGeneration()
    guard opened.withLock({ $0 })?.generation != generation else { return }
    let next = try VaultFile(folder: folder, mapBytes: mapBytes, mayCreate: false)
    let old = opened.withLock { opened -> VaultFile? in
      // Closed meanwhile, or another thread was first: the new one is not needed.
      guard let current = opened, current.generation < next.generation else { return next }
      opened = next
      return current
    }
    cache.withLock { $0 = Cache() }
    old?.environment.close()
  }

  package func key(_ name: KeyName) throws(VaultError) -> KeyState {
    if let known = cache.withLock({ $0[name] }) { return .available(known) }
    return try lookUp([name])[0]
  }

  /// What `key` says of each of `names`, in their order, for less than one by one.
  package func keys(_ names: [KeyName]) throws(VaultError) -> [KeyState] {
    var unknown: [Int] = []
    var states: [KeyState] = []
    states.reserveCapacity(names.count)
    cache.withLock { cache in
      for (index, name) in names.enumerated() {
        let known = cache[name]
        if known == nil { unknown.append(index) }
        states.append(known.map { .available($0) } ?? .missing)
      }
    }
    guard !unknown.isEmpty else { return states }
    let found = try lookUp(unknown.map { names[$0] })
    for (index, state) in zip(unknown, found) { states[index] = state }
    return states
  }

  /// As the file says, in one transaction. What is there is remembered.
  private func lookUp(_ names: [KeyName]) throws(VaultError) -> [KeyState] {
    try reading { file, transaction throws in
      var cipher = AESGCM()
      let states = try names.map { try state(of: $0, file, transaction, &cipher) }
      remember(zip(names, states), epoch: try Self.epoch(file.state, transaction))
      return states
    }
  }

  private func state(
    of name: KeyName, _ file: VaultFile, _ transaction: borrowing ReadTransaction,
    _ cipher: inout AESGCM
  ) throws -> KeyState {
    // An erased subject stays erased whatever else the vault holds, say after a restore.
    if try Self.isErased(name, file, transaction) { return .erased }
    let record = try transaction.withValue(forKey: name.bytes, in: file.keys) { Self.copy($0) }
    guard let record else { return .missing }
    let id = name.keyID
    let secret = try secret(record, name, id, file, transaction, &cipher)
    return .available(SubjectKey(secret: secret, id: id))
  }

  private func remember(_ states: some Sequence<(KeyName, KeyState)>, epoch: UInt64) {
    cache.withLock { cache in
      // A key read before an erasure must not enter the cache after it.
      guard cache.epoch == epoch else { return }
      for case (let name, .available(let key)) in states { cache.insert(key, name) }
    }
  }

  private static func isErased(
    _ name: KeyName, _ file: VaultFile, _ transaction: borrowing ReadTransaction
  ) throws -> Bool {
    try transaction.withValue(forKey: Array(name.bytes.prefix(32)), in: file.tombstones) { _ in true
    }
      ?? false
  }

  /// The version of the org's key that wraps a record of the table `keys`.
  static func version(_ record: [UInt8]) -> UInt32 {
    record[1..<5].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
  }

  func secret(
    _ record: [UInt8], _ name: KeyName, _ id: KeyID, _ file: VaultFile,
    _ transaction: borrowing ReadTransaction, _ cipher: inout AESGCM
  ) throws -> [UInt8] {
    guard record.count == 5 + KeyWrap.byteCount, record[0] == Self.formatVersion else {
      throw VaultError.damagedRecord
    }
    let version = Self.version(record)
    let orgKey = try orgKey(OrgKeyName(org: name.org, version: version), file, transaction)
    let secret = KeyWrap.unwrap(
      Array(record.dropFirst(5)), under: orgKey,
      authenticating: Self.associated(name, id, version: version), &cipher)
    guard let secret else { throw VaultError.damagedRecord }
    return secret
  }

  /// Org ‖ key id ‖ version of the org's key.
  private static func associated(_ name: KeyName, _ id: KeyID, version: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(36)
    appendBig(name.org, to: &bytes)
    id.append(to: &bytes)
    appendBig(version, to: &bytes)
    return bytes
  }

  func orgKey(
    _ name: OrgKeyName, _ file: VaultFile, _ transaction: borrowing ReadTransaction
  ) throws -> [UInt8] {
    if let known = cache.withLock({ $0.orgKeys[name] }) { return known }
    let record = try transaction.withValue(forKey: Self.bytes(name), in: file.orgs) { span in
      Self.copy(span)
    }
    guard let record, record.count > 2, record[0] == Self.formatVersion,
      record.count == 2 + Int(record[1]) + KeyWrap.byteCount
    else { throw VaultError.damagedRecord }
    let key = try rootKey.unwrap(
      Array(record.suffix(KeyWrap.byteCount)),
      wrappedBy: String(decoding: record[2..<2 + Int(record[1])], as: UTF8.self),
      authenticating: Self.bytes(name))
    cache.withLock { $0.orgKeys[name] = key }
    return key
  }

  static func bytes(_ name: OrgKeyName) -> [UInt8] {
    var bytes: [UInt8] = []
    appendBig(name.org, to: &bytes)
    appendBig(name.version, to: &bytes)
    return bytes
  }

  static func copy(_ span: RawSpan) -> [UInt8] {
    unsafe span.withUnsafeBytes { unsafe Array($0) }
  }

  private static func epoch(
    _ state: Table, _ transaction: borrowing ReadTransaction
  ) throws -> UInt64 {
    let bytes = try transaction.withValue(forKey: epochKey, in: state) { copy($0) }
    return (bytes ?? []).reduce(0) { $0 << 8 | UInt64($1) }
  }
}

// MARK: - Making keys

extension Vault {
  /// Makes the keys among `names` that are not there yet, durably, in one transaction: before any
  /// event that they seal is stored. `erased` are the names of erased subjects, which get none; `unreadable` those whose
  /// record, or whose org's, does not open.
  /// `mayMake` is given those that are missing, and gives back which of them are made.
  package func provide(
    _ names: [KeyName], mayMake: ([KeyName]) throws -> [KeyName] = { $0 }
  ) throws -> (erased: Set<KeyName>, unreadable: [KeyName: VaultError], madeCount: Int) {
    let unknown = cache.withLock { cache in Set(names.filter { cache[$0] == nil }) }
    guard !unknown.isEmpty else { return ([], [:], 0) }
    var erased: Set<KeyName> = []
    var unreadable: [KeyName: VaultError] = [:]
    var missing: [KeyName] = []
    try reading { file, transaction throws in
      (erased, unreadable, missing) = ([], [:], [])
      var found: [(KeyName, KeyState)] = []
      var cipher = AESGCM()
      for name in unknown {
        do {
          let state = try state(of: name, file, transaction, &cipher)
          found.append((name, state))
          if case .erased = state { erased.insert(name) }
          guard case .missing = state else { continue }
          // It is made under its org's key.
          let version = try Self.orgVersion(name.org, file, transaction)
          if version > 0 {
            _ = try orgKey(OrgKeyName(org: name.org, version: version), file, transaction)
          }
          missing.append(name)
        } catch let error as VaultError where error.isOfOneRecord {
          unreadable[name] = error
        }
      }
      remember(found, epoch: try Self.epoch(file.state, transaction))
    }
    if !missing.isEmpty { missing = try mayMake(missing) }
    if !missing.isEmpty { try make(missing) }
    return (erased, unreadable, missing.count)
  }

  /// Whether there is no key at all.
  package func isEmpty() throws(VaultError) -> Bool {
    try reading { file, transaction throws in try transaction.entryCount(in: file.orgs) == 0 }
  }

  private func make(_ names: [KeyName]) throws(VaultError) {
    var made: [(KeyName, KeyState)] = []
    var epoch: UInt64 = 0
    try writing { file, transaction throws in
      made.removeAll()
      var versions: [UInt128: UInt32] = [:]
      // In the order of the table, so that neighbours share pages.
      for name in names.sorted(by: { ($0.org, $0.subject) < ($1.org, $1.subject) }) {
        let version = try versions[name.org] ?? provideOrgKey(name.org, file, &transaction)
        versions[name.org] = version
        let secret = Random.bytes(32)
        try put(name, secret: secret, version: version, file, &transaction)
        made.append((name, .available(SubjectKey(secret: secret, id: name.keyID))))
      }
      epoch = try Self.epoch(file.state, transaction.reading)
    }
    remember(made, epoch: epoch)
  }

  func put(
    _ name: KeyName, secret: [UInt8], version: UInt32, _ file: VaultFile,
    _ transaction: inout WriteTransaction
  ) throws {
    let orgKey = try orgKey(
      OrgKeyName(org: name.org, version: version), file, transaction.reading)
    var record = [Self.formatVersion]
    appendBig(version, to: &record)
    record += try KeyWrap.wrap(
      secret, under: orgKey,
      authenticating: Self.associated(name, name.keyID, version: version))
    try transaction.put(record, forKey: name.bytes, in: file.keys)
  }

  /// The version of the org's current key, made where the org has none.
  private func provideOrgKey(
    _ org: UInt128, _ file: VaultFile, _ transaction: inout WriteTransaction
  ) throws -> UInt32 {
    let version = try Self.orgVersion(org, file, transaction.reading)
    if version > 0 { return version }
    try putOrgKey(OrgKeyName(org: org, version: 1), file, &transaction)
    return 1
  }

  /// Of the org's current key; 0 where it has none.
  private static func orgVersion(
    _ org: UInt128, _ file: VaultFile, _ transaction: borrowing ReadTransaction
  ) throws -> UInt32 {
    var version: UInt32 = 0
    while try transaction.withValue(
      forKey: bytes(OrgKeyName(org: org, version: version + 1)), in: file.orgs, { _ in true })
      != nil
    { version += 1 }
    return version
  }

  func putOrgKey(
    _ name: OrgKeyName, _ file: VaultFile, _ transaction: inout WriteTransaction
  ) throws {
    try put(Random.bytes(32), as: name, under: rootKey, file, &transaction)
  }

  func put(
    _ key: [UInt8], as name: OrgKeyName, under rootKey: any RootKey, _ file: VaultFile,
    _ transaction: inout WriteTransaction
  ) throws {
    let id = Array(rootKey.id.utf8)
    precondition((1...64).contains(id.count), "a root key's id has 1 to 64 bytes")
    let wrapped = try rootKey.wrap(key, authenticating: Self.bytes(name))
    precondition(wrapped.count == KeyWrap.byteCount, "a wrapped key has 60 bytes")
    try transaction.put(
      [Self.formatVersion, UInt8(id.count)] + id + wrapped, forKey: Self.bytes(name), in: file.orgs)
  }

  /// The next use reads what the vault holds.
  func forgetOrgKeys() { cache.withLock { $0.orgKeys = [:] } }
}

// MARK: - Destroying keys

extension Vault {
  /// Destroys all keys of `subjects` and leaves tombstones, durably, in one transaction. Nothing makes
  /// a key for them again. A second call changes nothing.
  ///
  /// The bytes are gone from the file after `compact`; until then they are unreachable.
  package func erase(_ subjects: Set<UInt128>, org: UInt128, atMicros: Int64) throws(VaultError) {
    precondition(!subjects.contains(0), "the org's own key is not a subject's")
    try writing { file, transaction throws in
      for subject in subjects {
        var generation: UInt32 = 0
        while try transaction.remove(
          KeyName(org: org, subject: subject, generation: generation).bytes, from: file.keys)
        { generation += 1 }
        let tombstone = Array(KeyName(org: org, subject: subject).bytes.prefix(32))
        if try transaction.reading.withValue(forKey: tombstone, in: file.tombstones, { _ in true })
          == nil
        {
          var record = [Self.formatVersion]
          appendBig(atMicros, to: &record)
          try transaction.put(record, forKey: tombstone, in: file.tombstones)
        }
      }
      var next: [UInt8] = []
      appendBig(try Self.epoch(file.state, transaction.reading) + 1, to: &next)
      try transaction.put(next, forKey: Self.epochKey, in: file.state)
    }
    try refresh()
  }

  /// Flushes something: throws where the disk does not take writes.
  package func probe() throws(VaultError) {
    try writing { file, transaction throws in
      var epoch: [UInt8] = []
      appendBig(try Self.epoch(file.state, transaction.reading), to: &epoch)
      try transaction.put(epoch, forKey: Self.epochKey, in: file.state)
    }
  }

  /// Whether `subject` was erased.
  package func isErased(_ subject: UInt128, org: UInt128) throws(VaultError) -> Bool {
    try reading { file, transaction throws in
      try Self.isErased(KeyName(org: org, subject: subject), file, transaction)
    }
  }

  /// Everybody who was erased.
  package func tombstones() throws(VaultError) -> [Tombstone] {
    try reading { file, transaction throws in
      var tombstones: [Tombstone] = []
      try transaction.scan(file.tombstones) { key, record in
        guard key.count == 32, record.byteCount == 9, record.load(at: 0) == Self.formatVersion
        else {
          throw VaultError.damagedRecord
        }
        let micros = (1..<9).reduce(UInt64(0)) { $0 << 8 | UInt64(record.load(at: $1)) }
        tombstones.append(
          Tombstone(
            org: key.prefix(16).reduce(0) { $0 << 8 | UInt128($1) },
            subject: key.suffix(16).reduce(0) { $0 << 8 | UInt128($1) },
            atMicros: Int64(bitPattern: micros)))
      }
      return tombstones
    }
  }

  /// Rewrites the vault without the bytes of destroyed keys, which LMDB keeps in free pages and in the slack of
  /// others, and deletes the old file. Only the writer may call it, and nothing writes meanwhile. Other processes
  /// take over the new file at their next `refresh`.
  ///
  /// A crash leaves the old file in use, or the new one: the name that counts is changed by rename(2). So does a failure,
  /// and the next writing goes on with the one that counts.
  package func compact() throws(VaultError) {
    try takeOverNewFile()
    let old = try currentFile()
    let next = old.generation + 1
    do throws(VaultError) {
      try folder.makeGeneration(next)
      try storing {
        try old.environment.copyCompacting(to: folder.path(ofGeneration: next))
      }
      isNameInDoubt.store(true, ordering: .releasing)
      try folder.setCurrent(next)
      isNameInDoubt.store(false, ordering: .releasing)
    } catch {
      // The room that it takes is needed. What cannot be removed now is removed before the next rewriting.
      if (try? folder.currentGeneration()) == old.generation {
        _ = try? folder.removeGeneration(next)
      }
      throw error
    }
    try takeOverNewFile()
    try folder.removeGenerations(below: next)
  }
}

// MARK: - Transactions

extension Vault {
  private func currentFile() throws(VaultError) -> VaultFile {
    guard let file = opened.withLock({ $0 }) else { throw .closed }
    return file
  }

  func reading<Result>(
    _ body: (VaultFile, borrowing ReadTransaction) throws -> Result
  ) throws(VaultError) -> Result {
    try withFile { file throws in
      try file.environment.read { transaction throws in try body(file, transaction) }
    }
  }

  func withFile<Result>(
    _ body: (VaultFile) throws -> Result
  ) throws(VaultError) -> Result {
    while true {
      let file = try currentFile()
      do throws(VaultError) {
        return try storing { try body(file) }
      } catch {
        // The file was exchanged between the two lines above, by this process (`closed`) or another one, which has deleted the
        // old one: once more, with the new one. Not a copy that has begun.
        guard case .storage(let cause) = error, !cause.isOfCopy,
          try folder.currentGeneration() != file.generation
        else { throw error }
        try takeOverNewFile()
      }
    }
  }

  /// In the file that counts, for good: keys in another one would be lost, and with them what they seal.
  func writing(
    _ body: (VaultFile, inout WriteTransaction) throws -> Void
  ) throws(VaultError) {
    try takeOverNewFile()
    if isNameInDoubt.load(ordering: .acquiring) {
      try folder.flushNames()
      isNameInDoubt.store(false, ordering: .releasing)
    }
    let file = try currentFile()
    while true {
      do throws(VaultError) {
        return try storing {
          try file.environment.write { transaction throws in try body(file, &transaction) }
        }
      } catch {
        // An org's key that was made in a transaction which was not committed must never wrap anything.
        cache.withLock { $0.orgKeys = [:] }
        guard case .storage(let cause) = error else { throw error }
        // A full map grows and the transaction is done over; after a failed flush LMDB refuses to go
        // on until it is opened again.
        if cause.isMapFull {
          try storing { try file.environment.grow() }
        } else {
          if file.environment.isBroken { try storing { try file.environment.reopen() } }
          throw error
        }
      }
    }
  }
}

/// Runs `body` and turns what LMDB throws into the vault's own error.
func storing<Result>(_ body: () throws -> Result) throws(VaultError) -> Result {
  do {
    return try body()
  } catch let error as VaultError {
    throw error
  } catch let error as LMDBError {
    throw .storage(error)
  } catch let error as CryptoError {
    throw .crypto(error)
  } catch {
    preconditionFailure("a vault's transaction throws the errors named above, not \(error)")
  }
}
