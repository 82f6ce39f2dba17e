package import Domain
package import EventCodec
internal import EventLog
package import JSON

extension RecordedDomainEvent {
  /// On the org's own clock.
  package var occurredAtMicros: Micros { context.occurredAtMicros }

  /// The position as a column.
  package var positionColumn: Int64 { Int64(position) }

  package var causeColumn: Int64? { context.causation.map { Int64($0) } }
}

extension Verdict {
  /// As the API and the read models show it.
  package var json: JSON {
    [
      "outcome": .string(outcome.name), "reason": JSON(outcome.reason?.rawValue),
      "until": JSON(outcome.untilMicros.map(Timestamp.text)), "rule_set": .string(ruleSet),
      "facts": facts.json,
    ]
  }
}

extension Verdict.Outcome {
  package var name: String {
    switch self {
    case .allowed: "allowed"
    case .held: "held"
    case .refused: "refused"
    }
  }

  package var reason: GateReason? {
    switch self {
    case .allowed: nil
    case .held(let reason, _), .refused(let reason): reason
    }
  }

  package var untilMicros: Micros? {
    switch self {
    case .held(_, let untilMicros): untilMicros
    case .allowed, .refused: nil
    }
  }
}

extension GateFacts {
  /// What a rule set did not ask for is not there: old verdicts look as they always did.
  package var json: JSON {
    var object = JSONObject([])
    for (name, value) in asked { object[name] = value }
    if !regions.isEmpty { object["regions"] = .array(regions.map { .string($0) }) }
    if let opensAtMicros { object["opens_at"] = .string(Timestamp.text(opensAtMicros)) }
    if !recentMicros.isEmpty {
      object["recent"] = .array(recentMicros.map { .string(Timestamp.text($0)) })
    }
    if let orgCap {
      object["org_cap"] = ["count": JSON(orgCap.count), "hours": JSON(orgCap.hours)]
    }
    if let registration { object["registration"] = .string(registration.rawValue) }
    if isSuppressed { object["suppressed"] = true }
    if let ending { object["ending"] = .string(ending.rawValue) }
    if let numberFault { object["number_fault"] = .string(numberFault.rawValue) }
    if let dailyBudgetMicros { object["daily_budget_micros"] = .int(dailyBudgetMicros) }
    if let spentTodayMicros { object["spent_today_micros"] = .int(spentTodayMicros) }
    return .object(object)
  }

  private var asked: [(String, JSON)] {
    [
      ("now", .string(Timestamp.text(nowMicros))), ("channel", .string(channel.rawValue)),
      ("purpose", .string(purpose.rawValue)), ("has_address", .bool(hasAddress)),
      ("account_status", .string(accountStatus)), ("consent", .string(consent.rawValue)),
      ("consent_purpose", JSON(consentPurpose?.rawValue)),
      ("address_opted_out", .bool(isAddressOptedOut)), ("is_reply", .bool(isReply)),
      ("zones", .array(zones.map(\.json))), ("price_micros", .int(priceMicros)),
      ("wallet_available_micros", .int(walletAvailableMicros)),
    ]
  }
}

extension ZoneTime {
  package var json: JSON {
    [
      "zone": .string(zone), "minute_of_day": JSON(minuteOfDay),
      "next_open": .string(Timestamp.text(nextOpenMicros)),
    ]
  }
}
