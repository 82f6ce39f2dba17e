import Domain

/// What has happened to an account and is told to its administrators for as long as it is news, however much has
/// happened since.
package struct OrgNews: Sendable, Codable, Equatable {
  /// What somebody tried in vain, the newest of it in words.
  package struct Refusals: Sendable, Codable, Equatable {
    package fileprivate(set) var operation = ""
    package fileprivate(set) var reason = ""
    package fileprivate(set) var atMicros: Micros = 0
    /// By the hour.
    fileprivate var counts: [Int64: Int] = [:]
  }

  /// A head of the account's book that was signed.
  package struct Head: Sendable, Codable, Equatable {
    package let size: Int64
    package let note: String
    package let atMicros: Micros
  }

  /// For so long an attempt is news: of the first hour of it all.
  private static let hours: Int64 = 24
  private static let hourMicros: Int64 = 3_600_000_000

  /// By actor.
  private var refusals: [String: Refusals] = [:]
  package private(set) var head: Head?
  package private(set) var haltedAtMicros: Micros?

  mutating func apply(_ event: Org.Event, atMicros: Micros) {
    switch event {
    case .accessRefused(let refusal): note(refusal, atMicros: atMicros)
    case .checkpointPublished(let size, let note):
      head = Head(size: size, note: note, atMicros: atMicros)
    case .sendingHalted: haltedAtMicros = atMicros
    case .created, .detailsChanged, .smsConfigured, .providerConfigured, .providerRemoved,
      .clientAdded, .readModelOrdered,
      .postalAddressSet, .autoRechargeSet, .statusChanged, .clockAdvanced, .sendingResumed,
      .sendingRulesSet, .priceSet, .auditExported, .suppressed, .unsuppressed, .historyRestored,
      .rateLimitSet, .requestHadNoEffect, .addressKeyDrawn, .letterWritten:
      break
    }
  }

  private mutating func note(_ refusal: AccessRefusal, atMicros: Micros) {
    let hour = atMicros / Self.hourMicros
    var attempts = refusals[refusal.actor] ?? Refusals()
    if attempts.counts[hour] == nil {
      attempts.counts = attempts.counts.filter { hour - $0.key <= Self.hours }
      refusals = refusals.filter { hour - $0.value.atMicros / Self.hourMicros <= Self.hours }
    }
    attempts.counts[hour, default: 0] += 1
    attempts.operation = refusal.operation
    attempts.reason = refusal.reason
    attempts.atMicros = atMicros
    refusals[refusal.actor] = attempts
  }

  /// Who tried what is not theirs within the last day, by actor.
  package func refusals(
    nowMicros: Micros
  ) -> [(actor: String, refusals: Refusals, count: Int)] {
    let oldestMicros = nowMicros - Self.hours * Self.hourMicros
    return refusals.filter { $0.value.atMicros >= oldestMicros }.sorted { $0.key < $1.key }.map {
      let count = $0.value.counts.reduce(0) { sum, hour in
        hour.key >= oldestMicros / Self.hourMicros ? sum + hour.value : sum
      }
      return ($0.key, $0.value, count)
    }
  }
}
