import Crypto
import LMDB

// New keys in the place of old ones, while the vault is used. Subject keys stay what they are (salts would change); what
// wraps them changes: each org's key, and the root key above those. Every step is one transaction and can be done over:
// a rotation that was killed is completed by the next one.

extension Vault {
  /// Of an org's key that is there no more: the record goes on saying that the version was used.
  static let destroyedOrgKey: [UInt8] = [formatVersion, 0]
  private static let keysPerStep = 4096

  private struct OrgVersions {
    var live: [UInt32] = []
    var last: UInt32 = 0
  }

  /// Makes a new key for every org whose last rotation is complete.
  package func beginRotation() throws(VaultError) {
    try writing { file, transaction throws in
      for (org, versions) in try Self.orgVersions(file, transaction.reading)
      where versions.live.count == 1 {
        try putOrgKey(OrgKeyName(org: org, version: versions.last + 1), file, &transaction)
      }
    }
  }

  /// Wraps some keys anew, with their org's newest key; false once there are none left.
  package func rewrapSome() throws(VaultError) -> Bool {
    var count = 0
    try writing { file, transaction throws in
      let newest = try Self.orgVersions(file, transaction.reading).mapValues(\.last)
      var old: [(name: KeyName, record: [UInt8])] = []
      try transaction.reading.scan(file.keys) { key, value in
        guard old.count < Self.keysPerStep else { return }
        guard key.count == 36, value.byteCount == 5 + KeyWrap.byteCount else {
          throw VaultError.damagedRecord
        }
        let name = KeyName(key)
        let record = Self.copy(value)
        if Self.version(record) != newest[name.org] { old.append((name, record)) }
      }
      var cipher = AESGCM()
      for (name, record) in old {
        guard let version = newest[name.org] else { throw VaultError.damagedRecord }
        let secret = try secret(
          record, name, name.keyID, file, transaction.reading, &cipher)
        try put(name, secret: secret, version: version, file, &transaction)
      }
      count = old.count
    }
    return count > 0
  }

  /// Destroys the orgs' old keys, and every copy of them in the vault's file.
  package func endRotation() throws(VaultError) {
    try writing { file, transaction throws in
      for (org, versions) in try Self.orgVersions(file, transaction.reading) {
        for version in versions.live where version != versions.last {
          try transaction.put(
            Self.destroyedOrgKey, forKey: Self.bytes(OrgKeyName(org: org, version: version)),
            in: file.orgs)
        }
      }
    }
    forgetOrgKeys()
    try compact()
  }

  /// Wraps all orgs' keys with the root key's successor, which `installRoot` then puts in the root key's place.
  package func rewrapUnderNextRoot() throws(VaultError) {
    let next = try rootKey.successor()
    try writing { file, transaction throws in
      for (org, versions) in try Self.orgVersions(file, transaction.reading) {
        for version in versions.live {
          let name = OrgKeyName(org: org, version: version)
          let key = try orgKey(name, file, transaction.reading)
          try put(key, as: name, under: next, file, &transaction)
        }
      }
    }
  }

  /// Destroys the old root key, and every copy of what it wrapped in the vault's file.
  package func installRoot() throws(VaultError) {
    try rootKey.installSuccessor()
    try compact()
  }

  /// Whether the root key `id`, and no other one, wraps all orgs' keys: not while its successor takes over, nor where that was
  /// interrupted.
  package func isWrapped(byRoot id: String) throws(VaultError) -> Bool {
    try reading { file, transaction throws in
      var isWrapped = true
      try transaction.scan(file.orgs) { _, value in
        let record = Self.copy(value)
        guard record != Self.destroyedOrgKey else { return }
        guard record.count > 2, record.count == 2 + Int(record[1]) + KeyWrap.byteCount else {
          throw VaultError.damagedRecord
        }
        let wrapping = record[2..<2 + Int(record[1])]
        if !wrapping.elementsEqual(id.utf8) { isWrapped = false }
      }
      return isWrapped
    }
  }

  private static func orgVersions(
    _ file: VaultFile, _ transaction: borrowing ReadTransaction
  ) throws -> [UInt128: OrgVersions] {
    var found: [UInt128: OrgVersions] = [:]
    try transaction.scan(file.orgs) { key, value in
      guard key.count == 20 else { throw VaultError.damagedRecord }
      let org = key.prefix(16).reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
      let version = key.suffix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      found[org, default: OrgVersions()].last = version
      if Self.copy(value) != Self.destroyedOrgKey { found[org]?.live.append(version) }
    }
    return found
  }
}
