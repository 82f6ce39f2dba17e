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
  private static let formatVersion: UInt8 = 1
  private static let tables: [String: KeyKind] = [
    "orgs": .bytes, "keys": .bytes, "tombstones": .bytes, "state": .bytes,
  ]
  private static let epochKey = Array("epoch".utf8)
  /// About 500 bytes each, twice: 50 MB.
  private static let maxCachedCount = 50_000

  private struct OrgKeyName: Hashable {
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

  private let environment: Environment
  private let rootKey: any RootKey
  private let orgs: Table
  private let keys: Table
  private let tombstones: Table
  private let state: Table
  private let cache = Mutex(Cache())
  private let isClosed = Atomic<Bool>(false)

  /// Opens the vault in the existing directory `path`, creating it where there is none.
  package init(path: String, rootKey: any RootKey, mapBytes: Int = 1 << 30) throws(VaultError) {
    self.rootKey = rootKey
    environment = try storing { () throws(LMDBError) in
      try Environment.open(
        path: path, options: Environment.Options(mapBytes: mapBytes, tables: Self.tables))
    }
    orgs = environment.table("orgs")
    keys = environment.table("keys")
    tombstones = environment.table("tombstones")
    state = environment.table("state")
  }

  /// A second call does nothing.
  package func close() {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    cache.withLock { $0 = Cache() }
    environment.close()
  }
}

// MARK: - Looking up

extension Vault {
  /// Forgets what is in memory where keys were destroyed since, by this process or another one. Call
  /// it before each stretch of reading; costs one look-up.
  package func refresh() throws(VaultError) {
    let epoch = try reading { transaction throws in try Self.epoch(state, transaction) }
    cache.withLock { cache in
      guard cache.epoch != epoch else { return }
      cache = Cache()
      cache.epoch = epoch
    }
  }

  package func key(_ name: KeyName) throws(VaultError) -> KeyState {
    if let known = cache.withLock({ $0[name] }) { return .available(known) }
    return try reading { transaction throws in
      // An erased subject stays erased whatever else the vault holds, say after a restore.
      if try isErased(name, transaction) { return .erased }
      let record = try transaction.withValue(forKey: name.bytes, in: keys) { Self.copy($0) }
      guard let record else { return .missing }
      let key = try open(record, name, transaction)
      remember(key, name, epoch: try Self.epoch(state, transaction))
      return .available(key)
    }
  }

  private func remember(_ key: SubjectKey, _ name: KeyName, epoch: UInt64) {
    cache.withLock { cache in
      // A key read before an erasure must not enter the cache after it.
      guard cache.epoch == epoch else { return }
      cache.insert(key, name)
    }
  }

  private func isErased(
    _ name: KeyName, _ transaction: borrowing ReadTransaction
  ) throws -> Bool {
    try transaction.withValue(forKey: Array(name.bytes.prefix(32)), in: tombstones) { _ in true }
      ?? false
  }

  private func open(
    _ record: [UInt8], _ name: KeyName, _ transaction: borrowing ReadTransaction
  ) throws -> SubjectKey {
    guard record.count == 5 + KeyWrap.byteCount, record[0] == Self.formatVersion else {
      throw VaultError.damagedRecord
    }
    let version = record[1..<5].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let orgKey = try orgKey(OrgKeyName(org: name.org, version: version), transaction)
    let id = name.id
    let secret = KeyWrap.unwrap(
      Array(record.dropFirst(5)), under: orgKey,
      authenticating: Self.associated(name, id: id, version: version))
    guard let secret else { throw VaultError.damagedRecord }
    return SubjectKey(secret: secret, id: id)
  }

  /// Org ‖ key id ‖ version of the org's key.
  private static func associated(_ name: KeyName, id: [UInt8], version: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    appendBig(name.org, to: &bytes)
    bytes += id
    appendBig(version, to: &bytes)
    return bytes
  }

  private func orgKey(
    _ name: OrgKeyName, _ transaction: borrowing ReadTransaction
  ) throws -> [UInt8] {
    if let known = cache.withLock({ $0.orgKeys[name] }) { return known }
    let record = try transaction.withValue(forKey: Self.bytes(name), in: orgs) { span in
      Self.copy(span)
    }
    guard let record, record.count > 2, record[0] == Self.formatVersion,
      record.count == 2 + Int(record[1]) + KeyWrap.byteCount
    else { throw VaultError.damagedRecord }
    let key = try rootKey.unwrap(
      Array(record.suffix(KeyWrap.byteCount)), authenticating: Self.bytes(name))
    cache.withLock { $0.orgKeys[name] = key }
    return key
  }

  private static func bytes(_ name: OrgKeyName) -> [UInt8] {
    var bytes: [UInt8] = []
    appendBig(name.org, to: &bytes)
    appendBig(name.version, to: &bytes)
    return bytes
  }

  private static func copy(_ span: RawSpan) -> [UInt8] {
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
  /// event that they seal is stored. Returns the names of erased subjects, which get none.
  package func provide(_ names: Set<KeyName>) throws(VaultError) -> Set<KeyName> {
    let unknown = cache.withLock { cache in names.filter { cache[$0] == nil } }
    guard !unknown.isEmpty else { return [] }
    var erased: Set<KeyName> = []
    var missing: [KeyName] = []
    try reading { transaction throws in
      for name in unknown {
        if try isErased(name, transaction) {
          erased.insert(name)
        } else if try transaction.withValue(forKey: name.bytes, in: keys, { _ in true }) == nil {
          missing.append(name)
        }
      }
    }
    if !missing.isEmpty { try make(missing) }
    return erased
  }

  private func make(_ names: [KeyName]) throws(VaultError) {
    var made: [(KeyName, SubjectKey)] = []
    var epoch: UInt64 = 0
    try writing { transaction throws in
      made.removeAll()
      var versions: [UInt128: UInt32] = [:]
      // In the order of the table, so that neighbours share pages.
      for name in names.sorted(by: { ($0.org, $0.subject) < ($1.org, $1.subject) }) {
        let version = try versions[name.org] ?? provideOrgKey(name.org, &transaction)
        versions[name.org] = version
        let secret = Random.bytes(32)
        try put(name, secret: secret, version: version, &transaction)
        made.append((name, SubjectKey(secret: secret, id: name.id)))
      }
      epoch = try Self.epoch(state, transaction.reading)
    }
    for (name, key) in made { remember(key, name, epoch: epoch) }
  }

  private func put(
    _ name: KeyName, secret: [UInt8], version: UInt32, _ transaction: inout WriteTransaction
  ) throws {
    let orgKey = try orgKey(
      OrgKeyName(org: name.org, version: version), transaction.reading)
    var record = [Self.formatVersion]
    appendBig(version, to: &record)
    record += try KeyWrap.wrap(
      secret, under: orgKey,
      authenticating: Self.associated(name, id: name.id, version: version))
    try transaction.put(record, forKey: name.bytes, in: keys)
  }

  /// The version of the org's current key, made where the org has none.
  private func provideOrgKey(
    _ org: UInt128, _ transaction: inout WriteTransaction
  ) throws -> UInt32 {
    var version: UInt32 = 0
    while try transaction.reading.withValue(
      forKey: Self.bytes(OrgKeyName(org: org, version: version + 1)), in: orgs, { _ in true })
      != nil
    { version += 1 }
    if version > 0 { return version }
    try putOrgKey(OrgKeyName(org: org, version: 1), &transaction)
    return 1
  }

  private func putOrgKey(
    _ name: OrgKeyName, _ transaction: inout WriteTransaction
  ) throws {
    let id = Array(rootKey.id.utf8)
    precondition((1...64).contains(id.count), "a root key's id has 1 to 64 bytes")
    let key = Random.bytes(32)
    let wrapped = try rootKey.wrap(key, authenticating: Self.bytes(name))
    precondition(wrapped.count == KeyWrap.byteCount, "a wrapped key has 60 bytes")
    try transaction.put(
      [Self.formatVersion, UInt8(id.count)] + id + wrapped, forKey: Self.bytes(name), in: orgs)
  }
}

// MARK: - Destroying keys

extension Vault {
  /// Destroys all keys of `subjects` and leaves tombstones, durably, in one transaction. Nothing makes
  /// a key for them again. A second call changes nothing.
  ///
  /// The bytes are gone from the file after `compact`; until then they are unreachable.
  package func erase(_ subjects: Set<UInt128>, org: UInt128, atMicros: Int64) throws(VaultError) {
    precondition(!subjects.contains(0), "the org's own key is not a subject's")
    try writing { transaction throws in
      for subject in subjects {
        var generation: UInt32 = 0
        while try transaction.remove(
          KeyName(org: org, subject: subject, generation: generation).bytes, from: keys)
        { generation += 1 }
        let tombstone = Array(KeyName(org: org, subject: subject).bytes.prefix(32))
        if try transaction.reading.withValue(forKey: tombstone, in: tombstones, { _ in true })
          == nil
        {
          var record = [Self.formatVersion]
          appendBig(atMicros, to: &record)
          try transaction.put(record, forKey: tombstone, in: tombstones)
        }
      }
      var next: [UInt8] = []
      appendBig(try Self.epoch(state, transaction.reading) + 1, to: &next)
      try transaction.put(next, forKey: Self.epochKey, in: state)
    }
    try refresh()
  }

  /// Whether `subject` was erased.
  package func isErased(_ subject: UInt128, org: UInt128) throws(VaultError) -> Bool {
    try reading { transaction throws in
      try isErased(KeyName(org: org, subject: subject), transaction)
    }
  }

  /// A copy without deleted bytes, into the empty directory `path`.
  package func copyCompacting(to path: String) throws(VaultError) {
    try storing { try environment.copyCompacting(to: path) }
  }
}

// MARK: - Transactions

extension Vault {
  private func reading<Result>(
    _ body: (borrowing ReadTransaction) throws -> Result
  ) throws(VaultError) -> Result {
    guard !isClosed.load(ordering: .acquiring) else { throw .closed }
    return try storing { try environment.read(body) }
  }

  private func writing(_ body: (inout WriteTransaction) throws -> Void) throws(VaultError) {
    guard !isClosed.load(ordering: .acquiring) else { throw .closed }
    while true {
      do throws(VaultError) {
        return try storing { try environment.write(body) }
      } catch {
        guard case .storage(let cause) = error else { throw error }
        // A full map grows and the transaction is done over; after a failed flush LMDB refuses to go
        // on until it is opened again.
        if cause.isMapFull {
          try storing { try environment.grow() }
        } else {
          try storing { try environment.reopen() }
          throw error
        }
      }
    }
  }
}

/// Runs `body` and turns what LMDB throws into the vault's own error.
private func storing<Result>(_ body: () throws -> Result) throws(VaultError) -> Result {
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
