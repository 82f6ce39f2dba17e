import Crypto
import Merkle
import Vault

/// What a cache of an org's events, kept outside of the log, is bound to and sealed with. Whoever keeps one compares
/// identity, root and count of erasures before every use, and throws the cache away where one differs.
package protocol CacheAnchor: EventReader, LogProver {
  var identity: LogIdentity { get }

  /// How many people of each org were erased so far; orgs without any are not named. Only grows: what was derived
  /// from events at a lower count may hold somebody who is gone by now.
  func erasedCounts() throws(EventLogError) -> [OrgID: UInt64]

  /// 32 bytes to seal with what is derived from the org's events, from the org's own key and `salt`, another one for
  /// each cache; nil where the org has no key.
  func cacheKey(of org: OrgID, salt: [UInt8]) throws(EventLogError) -> [UInt8]?
}

extension LMDBEventLog: CacheAnchor {
  package func erasedCounts() throws(EventLogError) -> [OrgID: UInt64] {
    try store.erasedCounts()
  }

  package func cacheKey(of org: OrgID, salt: [UInt8]) throws(EventLogError) -> [UInt8]? {
    try store.cacheKey(of: org, salt: salt)
  }
}

extension LMDBLogReader: CacheAnchor {
  package func erasedCounts() throws(EventLogError) -> [OrgID: UInt64] {
    try store.erasedCounts()
  }

  package func cacheKey(of org: OrgID, salt: [UInt8]) throws(EventLogError) -> [UInt8]? {
    try store.cacheKey(of: org, salt: salt)
  }
}

extension LogStore {
  private static let cacheLabel = Array("daybook/cache/v1\0".utf8)

  func erasedCounts() throws(EventLogError) -> [OrgID: UInt64] {
    try mappingErrors {
      try vault.refresh()
      return try vault.tombstones().reduce(into: [:]) { $0[OrgID($1.org), default: 0] += 1 }
    }
  }

  func cacheKey(of org: OrgID, salt: [UInt8]) throws(EventLogError) -> [UInt8]? {
    try mappingErrors {
      try vault.refresh()
      guard case .available(let key) = try vault.key(.org(org.value)) else { return nil }
      return key.salt.authenticate(Self.cacheLabel + salt)
    }
  }
}
