/// What an export opens. The leaves of the whole book are in every export, so that nothing can be left
/// out unseen; only what is asked for is opened.
package enum AuditScope: Sendable, Equatable {
  /// Every event of the account.
  case account
  /// The contact's own events and its messages and runs.
  case contact(Identifier)
  /// The message's events and what its contact agreed to and took back.
  case message(Identifier)
  /// The campaign's events and its messages.
  case campaign(Identifier)
  /// Everybody who has or had a number. The number itself is personal and stays out of the record.
  case number(contacts: [Identifier])
  /// What was recorded from one moment until before another.
  case period(fromMicros: Micros, untilMicros: Micros)

  package enum Kind: String, Sendable, CaseIterable {
    case account, contact, message, campaign, number, period
  }

  package var kind: Kind {
    switch self {
    case .account: .account
    case .contact: .contact
    case .message: .message
    case .campaign: .campaign
    case .number: .number
    case .period: .period
    }
  }
}

/// That somebody took a copy of the book: who and when is in the event's context.
package struct AuditExportRecord: Sendable, Equatable {
  package var id: Identifier
  package var scope: AuditScope
  /// Whether tokens, secrets and password hashes are opened too.
  package var opensCredentials: Bool

  package init(id: Identifier, scope: AuditScope, opensCredentials: Bool) {
    self.id = id
    self.scope = scope
    self.opensCredentials = opensCredentials
  }
}
