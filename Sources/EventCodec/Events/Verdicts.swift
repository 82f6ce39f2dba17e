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
    }
    object.field("price_micros", priceMicros)
    object.field("wallet_available_micros", walletAvailableMicros)
  }

  fileprivate static func read(from object: inout FieldReader) throws(CodecError) -> GateFacts {
    GateFacts(
      nowMicros: try object.int64("now_micros"), channel: try object.word("channel"),
      purpose: try object.word("purpose"), hasAddress: try object.bool("has_address"),
      accountStatus: try object.string("account_status"), consent: try object.word("consent"),
      consentPurpose: try object.optionalWord("consent_purpose"),
      isAddressOptedOut: try object.bool("is_address_opted_out"),
      isReply: try object.bool("is_reply"),
      zones: try object.objects("zones") { zone throws(CodecError) in
        ZoneTime(
          zone: try zone.string("zone"), minuteOfDay: try zone.int("minute_of_day"),
          nextOpenMicros: try zone.int64("next_open_micros"))
      },
      priceMicros: try object.int64("price_micros"),
      walletAvailableMicros: try object.int64("wallet_available_micros"))
  }
}
