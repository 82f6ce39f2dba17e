/// Why a message waits or is not sent. Closed and versioned with the rule set; names never change.
package enum GateReason: String, Sendable, CaseIterable, Codable {
  case noConsent = "no_consent"
  case revoked
  case suppressed
  case bouncedBefore = "bounced_before"
  case complaint
  case quietHours = "quiet_hours"
  case frequencyCap = "frequency_cap"
  case duplicateContent = "duplicate_content"
  case noAddress = "no_address"
  case invalidAddress = "invalid_address"
  case landline
  case reassignedNumber = "reassigned_number"
  case carrierCap = "carrier_cap"
  case brandNotRegistered = "brand_not_registered"
  case templateError = "template_error"
  case missingField = "missing_field"
  case insufficientFunds = "insufficient_funds"
  case budget
  case paused
  case stale
  case holdout
  case testMode = "test_mode"
  case killSwitch = "kill_switch"
}

/// What the gate decided, by which rules and on which facts. Recorded with every intent.
package struct Verdict: Sendable, Equatable, Codable {
  package enum Outcome: Sendable, Equatable, Codable {
    case allowed
    case held(GateReason, untilMicros: Micros)
    case refused(GateReason)
  }

  package var outcome: Outcome
  /// The rule set's version, such as `2026-11-21`.
  package var ruleSet: String
  package var facts: GateFacts

  package init(outcome: Outcome, ruleSet: String, facts: GateFacts) {
    self.outcome = outcome
    self.ruleSet = ruleSet
    self.facts = facts
  }

  package var isAllowed: Bool { outcome == .allowed }
}

/// The answers that the gate judged by. Inputs: gathered outside, recorded as they were.
package struct GateFacts: Sendable, Equatable, Codable {
  package enum Consent: String, Sendable, CaseIterable, Codable {
    case none
    case optedIn = "opted_in"
    case optedOut = "opted_out"
    /// The person wrote what may be a revocation; a human has not decided yet.
    case suspected = "opt_out_suspected"
  }

  /// How an address came to its end, where nobody said no.
  package enum Ending: String, Sendable, CaseIterable, Codable {
    /// Mail to it came back for good.
    case bounced
    /// Its holder called our mail spam.
    case complained

    var reason: GateReason {
      switch self {
      case .bounced: .bouncedBefore
      case .complained: .complaint
      }
    }
  }

  /// What is wrong with a number, whoever carries it.
  package enum NumberFault: String, Sendable, CaseIterable, Codable {
    case landline, reassigned

    var reason: GateReason {
      switch self {
      case .landline: .landline
      case .reassigned: .reassignedNumber
      }
    }
  }

  package var nowMicros: Micros
  package var channel: Channel
  package var purpose: Purpose
  package var hasAddress: Bool
  /// `active`, `past_due`, `paused`, `archived`.
  package var accountStatus: String
  package var consent: Consent
  /// What the consent covers; nil without one.
  package var consentPurpose: Purpose?
  /// The address itself said no, whichever contact carries it.
  package var isAddressOptedOut: Bool
  /// Answers the person's own message of the last 24 hours.
  package var isReply: Bool
  /// Every zone the person may be in, with the local minute of day at `nowMicros`; empty: unknown.
  package var zones: [ZoneTime]
  package var priceMicros: Int64
  package var walletAvailableMicros: Int64
  /// Every region the person may be in: `US-FL`, `CA`, `US` for some state that nobody knows. Of other
  /// countries there is nothing to tell.
  package var regions: [String] = []
  /// The next moment at which the window of the rule set is open in every zone and region; nil where
  /// it is open now.
  package var opensAtMicros: Micros?
  /// When the latest marketing messages to this address were queued or handed out, within a day,
  /// oldest first.
  package var recentMicros: [Micros] = []
  /// The org's own cap, beside those of the regions.
  package var orgCap: FrequencyCap?
  package var registration: SendingRules.Registration?
  /// On one of the org's lists.
  package var isSuppressed = false
  /// What was spent on sending or set aside for it today (UTC), and what may be; nil where the org set no budget.
  package var spentTodayMicros: Int64?
  package var dailyBudgetMicros: Int64?
  /// nil where the address said no in words, or did not.
  package var ending: Ending?
  package var numberFault: NumberFault?
  /// From this moment on nobody wants it any more.
  package var expiresAtMicros: Micros?
  /// When the same text was queued for or handed out to this address last, within `duplicateHours`.
  package var sameTextMicros: Micros?
  /// How long the org keeps from saying the same again; nil: it does not.
  package var duplicateHours: Int?
  /// Of a campaign that keeps some people out.
  package var holdout: HoldoutDraw?
  /// nil: the account is no test.
  package var testReach: TestReach?
  /// The sending was stopped for good for what waits, and this waited, or it is still stopped.
  package var isKilled = false
  /// nil where no carrier counts: another channel, another country, or the org states no brand.
  package var carrier: CarrierUse?
  /// The contact is archived.
  package var isArchived = false

  package init(
    nowMicros: Micros, channel: Channel, purpose: Purpose, hasAddress: Bool, accountStatus: String,
    consent: Consent, consentPurpose: Purpose?, isAddressOptedOut: Bool, isReply: Bool,
    zones: [ZoneTime], priceMicros: Int64, walletAvailableMicros: Int64
  ) {
    self.nowMicros = nowMicros
    self.channel = channel
    self.purpose = purpose
    self.hasAddress = hasAddress
    self.accountStatus = accountStatus
    self.consent = consent
    self.consentPurpose = consentPurpose
    self.isAddressOptedOut = isAddressOptedOut
    self.isReply = isReply
    self.zones = zones
    self.priceMicros = priceMicros
    self.walletAvailableMicros = walletAvailableMicros
  }
}

/// A zone's wall clock: an answer of the time-zone database, so that no rule has to ask it again.
package struct ZoneTime: Sendable, Equatable, Codable {
  /// IANA name, such as `America/Chicago`.
  package var zone: String
  /// Minutes since local midnight, 0 to 1439.
  package var minuteOfDay: Int
  /// The next moments at which the local clock shows the window's start and end, after now.
  package var nextOpenMicros: Micros
  /// The local date as days since 1970-01-01; nil in verdicts of rule sets that did not ask.
  package var localDay: Int?

  package init(zone: String, minuteOfDay: Int, nextOpenMicros: Micros, localDay: Int? = nil) {
    self.zone = zone
    self.minuteOfDay = minuteOfDay
    self.nextOpenMicros = nextOpenMicros
    self.localDay = localDay
  }
}

/// At most so many messages to one person within so many hours.
package struct FrequencyCap: Sendable, Equatable, Codable {
  package var count: Int
  package var hours: Int

  package init(count: Int, hours: Int) {
    self.count = count
    self.hours = hours
  }
}
