import Domain
import JSON

extension Verdict {
  /// The field `verdict`.
  func write(to fields: inout JSONWriter) {
    fields.object("verdict") { object in
      switch outcome {
      case .allowed:
        object.field("outcome", "allowed")
      case .held(let reason, let untilMicros):
        object.field("outcome", "held")
        object.field("reason", reason)
        object.field("until_micros", untilMicros)
      case .refused(let reason):
        object.field("outcome", "refused")
        object.field("reason", reason)
      }
      object.field("rule_set", ruleSet)
      object.object("facts") { facts.write(to: &$0) }
    }
  }

  static func read(from fields: inout FieldReader) throws(CodecError) -> Verdict {
    try fields.object("verdict") { object throws(CodecError) in
      Verdict(
        outcome: try readOutcome(from: &object), ruleSet: try object.string("rule_set"),
        facts: try object.object("facts", GateFacts.read))
    }
  }

  private static func readOutcome(
    from object: inout FieldReader
  ) throws(CodecError) -> Outcome {
    switch try object.string("outcome") {
    case "allowed": .allowed
    case "held":
      .held(try object.word("reason"), untilMicros: try object.int64("until_micros"))
    case "refused": .refused(try object.word("reason"))
    default: throw object.error("outcome")
    }
  }
}

extension GateFacts {
  fileprivate func write(to object: inout JSONWriter) {
    object.field("now_micros", nowMicros)
    object.field("channel", channel)
    object.field("purpose", purpose)
    object.field("has_address", hasAddress)
    object.field("account_status", accountStatus)
    object.field("consent", consent)
    object.optional("consent_purpose", consentPurpose)
    object.field("is_address_opted_out", isAddressOptedOut)
    object.field("is_reply", isReply)
    object.objects("zones", zones) { zone, object in
      object.field("zone", zone.zone)
      object.field("minute_of_day", zone.minuteOfDay)
      object.field("next_open_micros", zone.nextOpenMicros)
      object.optional("local_day", zone.localDay.map(Int64.init))
    }
    object.field("price_micros", priceMicros)
    object.field("wallet_available_micros", walletAvailableMicros)
    if !regions.isEmpty { object.field("regions", regions) }
    object.optional("opens_at_micros", opensAtMicros)
    if !recentMicros.isEmpty { object.field("recent_micros", recentMicros) }
    if let orgCap {
      object.object("org_cap") { cap in
        cap.field("count", orgCap.count)
        cap.field("hours", orgCap.hours)
      }
    }
    object.optional("registration", registration)
    if isSuppressed { object.field("is_suppressed", true) }
    object.optional("spent_today_micros", spentTodayMicros)
    object.optional("daily_budget_micros", dailyBudgetMicros)
    object.optional("ending", ending)
    object.optional("number_fault", numberFault)
    object.optional("expires_at_micros", expiresAtMicros)
    object.optional("same_text_micros", sameTextMicros)
    object.optional("duplicate_hours", duplicateHours.map(Int64.init))
    if let holdout {
      object.object("holdout") { draw in
        draw.field("percent", holdout.percent)
        draw.field("lot", holdout.lot)
      }
    }
    object.optional("test_reach", testReach)
    if isKilled { object.field("is_killed", true) }
    carrier?.write(to: &object)
    if isArchived { object.field("is_archived", true) }
  }

  fileprivate static func read(from object: inout FieldReader) throws(CodecError) -> GateFacts {
    var facts = GateFacts(
      nowMicros: try object.int64("now_micros"), channel: try object.word("channel"),
      purpose: try object.word("purpose"), hasAddress: try object.bool("has_address"),
      accountStatus: try object.string("account_status"), consent: try object.word("consent"),
      consentPurpose: try object.optionalWord("consent_purpose"),
      isAddressOptedOut: try object.bool("is_address_opted_out"),
      isReply: try object.bool("is_reply"),
      zones: try object.objects("zones") { zone throws(CodecError) in
        ZoneTime(
          zone: try zone.string("zone"), minuteOfDay: try zone.int("minute_of_day"),
          nextOpenMicros: try zone.int64("next_open_micros"),
          localDay: try zone.optionalInt64("local_day").map(Int.init))
      },
      priceMicros: try object.int64("price_micros"),
      walletAvailableMicros: try object.int64("wallet_available_micros"))
    facts.regions = try object.optionalStrings("regions") ?? []
    facts.opensAtMicros = try object.optionalInt64("opens_at_micros")
    facts.recentMicros = try object.optionalInt64s("recent_micros") ?? []
    facts.orgCap = try object.optionalObject("org_cap") { cap throws(CodecError) in
      FrequencyCap(count: try cap.int("count"), hours: try cap.int("hours"))
    }
    facts.registration = try object.optionalWord("registration")
    facts.isSuppressed = try object.isSet("is_suppressed")
    facts.spentTodayMicros = try object.optionalInt64("spent_today_micros")
    facts.dailyBudgetMicros = try object.optionalInt64("daily_budget_micros")
    facts.ending = try object.optionalWord("ending")
    facts.numberFault = try object.optionalWord("number_fault")
    facts.expiresAtMicros = try object.optionalInt64("expires_at_micros")
    facts.sameTextMicros = try object.optionalInt64("same_text_micros")
    facts.duplicateHours = try object.optionalInt64("duplicate_hours").map(Int.init)
    facts.holdout = try object.optionalObject("holdout") { draw throws(CodecError) in
      HoldoutDraw(percent: try draw.int("percent"), lot: try draw.int("lot"))
    }
    facts.testReach = try object.optionalWord("test_reach")
    facts.isKilled = try object.isSet("is_killed")
    facts.carrier = try object.optionalObject("carrier", CarrierUse.read)
    facts.isArchived = try object.isSet("is_archived")
    return facts
  }
}

extension CarrierUse {
  fileprivate func write(to object: inout JSONWriter) {
    object.object("carrier") { use in
      use.field("brand", brand)
      use.field("segment_count", segmentCount)
      use.field("used_count", usedCount)
      use.field("resets_at_micros", resetsAtMicros)
    }
  }

  fileprivate static func read(from object: inout FieldReader) throws(CodecError) -> Self {
    CarrierUse(
      brand: try object.word("brand"), segmentCount: try object.int("segment_count"),
      usedCount: try object.int("used_count"),
      resetsAtMicros: try object.int64("resets_at_micros"))
  }
}
