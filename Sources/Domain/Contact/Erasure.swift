/// The erasure of a person: who asked, why, and how far it is. Its events stand on the contact's own stream
/// under the name `subject`, and are the last ones there. None of them holds personal data.
package struct Erasure: Sendable, Equatable, Codable {
  /// On what ground (GDPR, article 17(1)). Closed: a free text would be the one place left with a name in it.
  package enum Reason: String, Sendable, CaseIterable, Codable {
    case personAsked = "person_asked"
    case consentWithdrawn = "consent_withdrawn"
    case objection
    case noLongerNeeded = "no_longer_needed"
    case unlawful
    case legalObligation = "legal_obligation"
    /// The log is older than the erasure: it was restored from a backup, and the keys stay destroyed.
    case restored
  }

  /// In their order. A reader shows nothing from the first one on.
  package enum Status: String, Sendable, CaseIterable {
    case requested
    case keysDestroyed = "keys_destroyed"
    /// Sealed parts, keys and the free pages that held them are gone from log and vault.
    case rewritten
    case rowsPurged = "rows_purged"
    /// On record with the ids of the keys: whole books can be exported again.
    case erased
  }

  package var reason: Reason
  /// The actor of the request.
  package var by: String
  package var requestedAtMicros: Micros
  package var rewrittenAtMicros: Micros?
  package var purgedAtMicros: Micros?
  package var erasedAtMicros: Micros?
  package var keyIDs: [String] = []

  package var status: Status {
    if erasedAtMicros != nil { return .erased }
    return rewrittenAtMicros == nil ? .requested : .rewritten
  }
}

/// What stays of an address: a keyed hash, so that who said no is not written to again.
package struct KeyedAddress: Sendable, Equatable {
  package var channel: Channel
  /// HMAC-SHA-256 under the org's own key, in hex.
  package var hash: String
  /// False: an earlier erasure left a no, and the person has said yes since.
  package var isOptedOut: Bool
  /// It says nothing of a no: the address stands on a list of the account's, which shows the hash from now on.
  package var isListed: Bool

  package init(channel: Channel, hash: String, isOptedOut: Bool, isListed: Bool = false) {
    self.channel = channel
    self.hash = hash
    self.isOptedOut = isOptedOut
    self.isListed = isListed
  }
}

package struct ErasureRequest: Sendable, Equatable {
  package var reason: Erasure.Reason
  package var by: String
  package var atMicros: Micros
  /// Sealed under a key of the org's, which outlives the person's.
  package var addresses: Personal<[KeyedAddress]>

  package init(
    reason: Erasure.Reason, by: String, atMicros: Micros, addresses: Personal<[KeyedAddress]>
  ) {
    self.reason = reason
    self.by = by
    self.atMicros = atMicros
    self.addresses = addresses
  }
}

/// What was destroyed, and when which step was done.
package struct ErasureRecord: Sendable, Equatable {
  /// As leaves show them, in hex.
  package var keyIDs: [String]
  package var reason: Erasure.Reason
  package var requestedAtMicros: Micros
  package var rewrittenAtMicros: Micros
  package var purgedAtMicros: Micros
  package var erasedAtMicros: Micros

  package init(
    keyIDs: [String], reason: Erasure.Reason, requestedAtMicros: Micros,
    rewrittenAtMicros: Micros, purgedAtMicros: Micros, erasedAtMicros: Micros
  ) {
    self.keyIDs = keyIDs
    self.reason = reason
    self.requestedAtMicros = requestedAtMicros
    self.rewrittenAtMicros = rewrittenAtMicros
    self.purgedAtMicros = purgedAtMicros
    self.erasedAtMicros = erasedAtMicros
  }
}

// MARK: - Decide and evolve

extension Contact {
  /// What may still be said of a person who is being erased; nil for commands that nobody carries out any
  /// more.
  static func decideErasure(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event]? {
    switch command {
    case .requestErasure(let request):
      return state.erasure == nil ? [.erasureRequested(request)] : []
    case .recordDestruction(let atMicros):
      guard let erasure = state.erasure else { throw .erasureOutOfOrder }
      return erasure.rewrittenAtMicros == nil ? [.dataDestroyed(atMicros: atMicros)] : []
    case .recordErasure(let keyIDs, let purgedAtMicros, let atMicros):
      guard let erasure = state.erasure, let rewrittenAtMicros = erasure.rewrittenAtMicros else {
        throw .erasureOutOfOrder
      }
      guard erasure.erasedAtMicros == nil else { return [] }
      return [
        .erased(
          ErasureRecord(
            keyIDs: keyIDs, reason: erasure.reason, requestedAtMicros: erasure.requestedAtMicros,
            rewrittenAtMicros: rewrittenAtMicros, purgedAtMicros: purgedAtMicros,
            erasedAtMicros: atMicros))
      ]
    case .create, .update, .addTags, .removeTags, .setTags, .optOut, .optIn, .suspectOptOut,
      .dismissOptOut, .captureLead, .archive, .restore:
      return nil
    }
  }

  /// Nothing of what was known is left, whether the key is still there or not.
  static func forgotten(_ request: ErasureRequest) -> State {
    var state = State()
    state.exists = true
    state.isErased = true
    state.erasure = Erasure(
      reason: request.reason, by: request.by, requestedAtMicros: request.atMicros)
    return state
  }
}
