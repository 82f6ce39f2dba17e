import Domain
import JSON

extension Org.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "org.created"
    case smsConfigured = "org.sms_configured"
    case statusChanged = "org.status_changed"
    case clockAdvanced = "org.clock_advanced"
    case providerConfigured = "org.provider_configured"
    case postalAddressSet = "org.postal_address_set"
    case checkpointPublished = "org.checkpoint_published"
    case auditExported = "org.audit_exported"
    case historyRestored = "org.history_restored"
    case rateLimitSet = "org.rate_limit_set"
    case accessRefused = "org.access_refused"
    case sendingHalted = "org.sending_halted"
    case sendingResumed = "org.sending_resumed"
    case sendingRulesSet = "org.sending_rules_set"
    case priceSet = "org.price_set"
    case suppressed = "org.address_suppressed"
    case unsuppressed = "org.address_unsuppressed"
    case autoRechargeSet = "org.auto_recharge_set"
    case addressKeyDrawn = "org.address_key_drawn"
    case detailsChanged = "org.details_changed"
    case providerRemoved = "org.provider_removed"
    case letterWritten = "org.administrators_written_to"
    case clientAdded = "org.client_added"
    case requestHadNoEffect = "org.request_had_no_effect"
    case readModelOrdered = "org.read_model_ordered"
  }

  static var streamKind: Identifier.Kind { .org }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let name, let kind, let agency, let timeZone, let isTest, let clockOffsetMicros):
      payload.fields.field("name", name)
      payload.fields.field("kind", kind)
      payload.fields.optional("agency", agency)
      payload.fields.field("time_zone", timeZone)
      payload.fields.field("is_test", isTest)
      payload.fields.field("clock_offset_micros", clockOffsetMicros)
      return .created
    case .smsConfigured(let settings):
      payload.fields.field("from", settings.from)
      payload.fields.field("account_sid", settings.accountSID)
      payload.fields.field("base_url", settings.baseURL)
      payload.personal(settings.authToken, of: payload.org) { $1.field("auth_token", $0) }
      return .smsConfigured
    case .statusChanged(let status):
      payload.fields.field("status", status)
      return .statusChanged
    case .clockAdvanced(let byMicros):
      payload.fields.field("by_micros", byMicros)
      return .clockAdvanced
    case .providerConfigured(let settings):
      settings.write(to: &payload)
      return .providerConfigured
    case .postalAddressSet(let address):
      payload.fields.field("postal_address", address)
      return .postalAddressSet
    case .checkpointPublished(let size, let note):
      payload.fields.field("size", size)
      payload.fields.field("checkpoint", note)
      return .checkpointPublished
    case .auditExported(let record):
      payload.fields.field("export", record.id)
      payload.fields.field("scope", record.scope.kind)
      record.scope.write(to: &payload.fields)
      payload.fields.field("opens_credentials", record.opensCredentials)
      return .auditExported
    case .historyRestored(let restore):
      payload.fields.field("incarnation", restore.incarnation)
      payload.fields.field("reason", restore.reason)
      payload.fields.optional("restored_at_micros", restore.restoredAtMicros)
      payload.fields.optional("last_checkpoint", restore.lastCheckpoint)
      return .historyRestored
    case .rateLimitSet(let limit):
      limit?.write(to: &payload.fields)
      return .rateLimitSet
    case .accessRefused(let refusal):
      payload.fields.field("actor", refusal.actor)
      payload.fields.field("operation", refusal.operation)
      payload.fields.field("reason", refusal.reason)
      payload.personal(refusal.address, of: refusal.user ?? payload.org) {
        $1.field("address", $0)
      }
      return .accessRefused
    case .readModelOrdered(let order, let readModel):
      payload.fields.field("order", order)
      payload.fields.field("read_model", readModel)
      return .readModelOrdered
    case .sendingHalted(let scope, let mode, let reason, let by):
      payload.fields.field("scope", scope)
      payload.fields.field("reason", reason)
      payload.fields.field("by", by)
      // Older books know no other stop than that which lets things wait.
      if mode == .skip { payload.fields.field("mode", mode) }
      return .sendingHalted
    case .sendingResumed(let scope, let by):
      payload.fields.field("scope", scope)
      payload.fields.field("by", by)
      return .sendingResumed
    case .sendingRulesSet(let rules):
      rules.write(to: &payload.fields)
      return .sendingRulesSet
    case .priceSet(let price):
      payload.fields.field("resource", price.resource)
      payload.fields.optional("markup_percent", price.markupPercent.map(Int64.init))
      payload.fields.field("from_micros", price.fromMicros)
      if price.reach != .org { payload.fields.field("reach", price.reach) }
      return .priceSet
    case .suppressed(let suppression):
      suppression.write(to: &payload)
      return .suppressed
    case .unsuppressed(let suppression):
      suppression.write(to: &payload)
      return .unsuppressed
    case .autoRechargeSet(let settings):
      payload.fields.field("is_on", settings.isOn)
      payload.fields.field("threshold_micros", settings.thresholdMicros)
      payload.fields.field("amount_micros", settings.amountMicros)
      payload.fields.field("monthly_cap_micros", settings.monthlyCapMicros)
      return .autoRechargeSet
    case .addressKeyDrawn(let key):
      payload.personal(key, of: payload.org) { $1.field("key", $0) }
      return .addressKeyDrawn
    case .detailsChanged(let name, let timeZone):
      payload.fields.field("name", name)
      payload.fields.field("time_zone", timeZone)
      return .detailsChanged
    case .providerRemoved(let service, let isForgotten):
      payload.fields.field("service", service)
      payload.fields.field("is_forgotten", isForgotten)
      return .providerRemoved
    case .letterWritten(let letter):
      payload.fields.field("through_position", letter.throughPosition)
      payload.fields.field("recipients", letter.recipients)
      payload.fields.field("written_at_micros", letter.writtenAtMicros)
      return .letterWritten
    case .clientAdded(let client):
      payload.fields.field("client", client)
      return .clientAdded
    case .requestHadNoEffect(let subject):
      payload.fields.field("subject", subject)
      return .requestHadNoEffect
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      .created(
        name: try payload.fields.string("name"), kind: try payload.fields.word("kind"),
        agency: try payload.fields.optionalIdentifier("agency", .org),
        timeZone: try payload.fields.string("time_zone"),
        isTest: try payload.fields.bool("is_test"),
        clockOffsetMicros: try payload.fields.int64("clock_offset_micros"))
    case .smsConfigured:
      .smsConfigured(
        SMSSettings(
          from: try payload.fields.string("from"),
          accountSID: try payload.fields.string("account_sid"),
          baseURL: try payload.fields.string("base_url"),
          authToken: try payload.personal { part throws(CodecError) in
            try part.string("auth_token")
          }))
    case .statusChanged:
      .statusChanged(try payload.fields.word("status"))
    case .clockAdvanced:
      .clockAdvanced(byMicros: try payload.fields.int64("by_micros"))
    case .providerConfigured:
      .providerConfigured(try ProviderSettings.read(from: &payload))
    case .postalAddressSet:
      .postalAddressSet(try payload.fields.string("postal_address"))
    case .autoRechargeSet:
      .autoRechargeSet(
        AutoRecharge(
          isOn: try payload.fields.bool("is_on"),
          thresholdMicros: try payload.fields.int64("threshold_micros"),
          amountMicros: try payload.fields.int64("amount_micros"),
          monthlyCapMicros: try payload.fields.int64("monthly_cap_micros")))
    case .checkpointPublished:
      .checkpointPublished(
        size: try payload.fields.int64("size"), note: try payload.fields.string("checkpoint"))
    case .auditExported:
      .auditExported(
        AuditExportRecord(
          id: try payload.fields.identifier("export", .auditExport),
          scope: try AuditScope(from: &payload.fields),
          opensCredentials: try payload.fields.bool("opens_credentials")))
    case .historyRestored:
      .historyRestored(
        HistoryRestore(
          incarnation: try payload.fields.int64("incarnation"),
          reason: try payload.fields.string("reason"),
          restoredAtMicros: try payload.fields.optionalInt64("restored_at_micros"),
          lastCheckpoint: try payload.fields.optionalString("last_checkpoint")))
    case .rateLimitSet: .rateLimitSet(try RateLimit.optional(from: &payload.fields))
    case .accessRefused:
      .accessRefused(
        AccessRefusal(
          actor: try payload.fields.string("actor"),
          operation: try payload.fields.string("operation"),
          reason: try payload.fields.string("reason"),
          address: try payload.personal { part throws(CodecError) in
            try part.string("address")
          }))
    case .readModelOrdered:
      .readModelOrdered(
        try payload.fields.word("order"), readModel: try payload.fields.string("read_model"))
    case .sendingHalted:
      try readHalt(from: &payload.fields)
    case .sendingResumed:
      .sendingResumed(
        scope: try payload.fields.word("scope"), by: try payload.fields.string("by"))
    case .sendingRulesSet: .sendingRulesSet(try SendingRules.read(from: &payload.fields))
    case .priceSet:
      .priceSet(
        PriceOverride(
          resource: try payload.fields.word("resource"),
          markupPercent: try payload.fields.optionalInt64("markup_percent").map(Int.init),
          fromMicros: try payload.fields.int64("from_micros"),
          reach: try payload.fields.optionalWord("reach") ?? .org))
    case .suppressed: .suppressed(try Suppression.read(from: &payload))
    case .unsuppressed: .unsuppressed(try Suppression.read(from: &payload))
    case .addressKeyDrawn:
      .addressKeyDrawn(
        try payload.personal { part throws(CodecError) in try part.string("key") })
    case .detailsChanged:
      .detailsChanged(
        name: try payload.fields.string("name"), timeZone: try payload.fields.string("time_zone"))
    case .providerRemoved:
      .providerRemoved(
        try payload.fields.word("service"),
        isForgotten: try payload.fields.bool("is_forgotten"))
    case .letterWritten:
      .letterWritten(
        AdministratorLetter(
          throughPosition: try payload.fields.int64("through_position"),
          recipients: try payload.fields.identifiers("recipients", .user),
          writtenAtMicros: try payload.fields.int64("written_at_micros")))
    case .clientAdded: .clientAdded(try payload.fields.identifier("client", .org))
    case .requestHadNoEffect:
      .requestHadNoEffect(on: try payload.fields.identifier(ofAnyKind: "subject"))
    }
  }
}

extension AuditScope {
  fileprivate func write(to fields: inout JSONWriter) {
    switch self {
    case .account: break
    case .contact(let id), .message(let id), .campaign(let id): fields.field("subject", id)
    case .number(let contacts): fields.field("contacts", contacts)
    case .period(let fromMicros, let untilMicros):
      fields.field("from_micros", fromMicros)
      fields.field("until_micros", untilMicros)
    }
  }

  fileprivate init(from fields: inout FieldReader) throws(CodecError) {
    let kind: Kind = try fields.word("scope")
    switch kind {
    case .account: self = .account
    case .contact: self = .contact(try fields.identifier("subject", .contact))
    case .message: self = .message(try fields.identifier("subject", .message))
    case .campaign: self = .campaign(try fields.identifier("subject", .campaign))
    case .number: self = .number(contacts: try fields.identifiers("contacts", .contact))
    case .period:
      self = .period(
        fromMicros: try fields.int64("from_micros"), untilMicros: try fields.int64("until_micros"))
    }
  }
}

extension ProviderSettings {
  fileprivate func write(to payload: inout PayloadWriter) {
    payload.fields.field("service", service)
    payload.fields.field("provider", provider)
    payload.fields.field("base_url", baseURL)
    payload.fields.pairs("options", options)
    payload.personal(secrets, of: payload.org) { $1.pairs("secrets", $0) }
  }

  fileprivate static func read(from payload: inout PayloadReader) throws(CodecError) -> Self {
    ProviderSettings(
      service: try payload.fields.word("service"),
      provider: try payload.fields.string("provider"),
      baseURL: try payload.fields.string("base_url"),
      options: try payload.fields.pairs("options"),
      secrets: try payload.personal { part throws(CodecError) in try part.pairs("secrets") })
  }
}

extension Org.Event {
  fileprivate static func readHalt(from fields: inout FieldReader) throws(CodecError) -> Self {
    let scope: HaltScope = try fields.word("scope")
    let reason = try fields.string("reason")
    let by = try fields.string("by")
    return .sendingHalted(
      scope: scope, mode: try fields.optionalWord("mode") ?? .wait, reason: reason, by: by)
  }
}

extension SendingRules {
  fileprivate func write(to fields: inout JSONWriter) {
    fields.optional("cap_count", capCount.map(Int64.init))
    fields.optional("cap_hours", capHours.map(Int64.init))
    fields.optional("messages_per_second", messagesPerSecond.map(Int64.init))
    fields.optional("daily_budget_micros", dailyBudgetMicros)
    fields.optional("low_balance_micros", lowBalanceMicros)
    fields.optional("registration", registration)
    fields.optional("concurrent_calls", concurrentCalls.map(Int64.init))
    fields.optional("duplicate_hours", duplicateHours.map(Int64.init))
    fields.optional("max_age_hours", maxAgeHours.map(Int64.init))
    fields.optional("brand", brand)
    if !program.optOut.isEmpty { fields.field("opt_out_keywords", program.optOut) }
    if !program.optIn.isEmpty { fields.field("opt_in_keywords", program.optIn) }
    if !program.help.isEmpty { fields.field("help_keywords", program.help) }
    fields.optional("help_text", program.helpText)
    fields.optional("advertisement_notice", advertisementNotice)
  }

  fileprivate static func read(from fields: inout FieldReader) throws(CodecError) -> Self {
    SendingRules(
      capCount: try fields.optionalInt64("cap_count").map(Int.init),
      capHours: try fields.optionalInt64("cap_hours").map(Int.init),
      messagesPerSecond: try fields.optionalInt64("messages_per_second").map(Int.init),
      dailyBudgetMicros: try fields.optionalInt64("daily_budget_micros"),
      lowBalanceMicros: try fields.optionalInt64("low_balance_micros"),
      registration: try fields.optionalWord("registration"),
      concurrentCalls: try fields.optionalInt64("concurrent_calls").map(Int.init),
      duplicateHours: try fields.optionalInt64("duplicate_hours").map(Int.init),
      maxAgeHours: try fields.optionalInt64("max_age_hours").map(Int.init),
      brand: try fields.optionalWord("brand"),
      program: MessagingProgram(
        optOut: try fields.optionalStrings("opt_out_keywords") ?? [],
        optIn: try fields.optionalStrings("opt_in_keywords") ?? [],
        help: try fields.optionalStrings("help_keywords") ?? [],
        helpText: try fields.optionalString("help_text")),
      advertisementNotice: try fields.optionalString("advertisement_notice"))
  }
}

extension Suppression {
  fileprivate func write(to payload: inout PayloadWriter) {
    payload.fields.field("list", list)
    payload.fields.field("channel", channel)
    payload.fields.field("source", source)
    payload.personal(address, of: payload.org) { $1.field("address", $0) }
  }

  fileprivate static func read(from payload: inout PayloadReader) throws(CodecError) -> Self {
    Suppression(
      list: try payload.fields.word("list"), channel: try payload.fields.word("channel"),
      source: try payload.fields.string("source"),
      address: try payload.personal { part throws(CodecError) in try part.string("address") })
  }
}
