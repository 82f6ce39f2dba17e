import Application
import Domain
import EventCodec
import EventLog
import HTTP
import JSON

/// Stopping and slowing down, the org's own rules, and its lists.
enum SendingRoutes {
  static let all =
    [
      Operation(
        "GET", "/api/sending", .scope("account:read"), "Read how the account sends",
        details:
          "Its `ETag` is the account's: `If-Match` with it is refused once anything of the account itself "
          + "changed.",
        answers: [.ok(SendingSchemas.sending)], handler: show),
      Operation(
        "POST", "/api/sending/halt", .scope("account:write"), "Stop all sending of the account",
        details:
          "Nothing is handed to a provider after this; calls that are under way end. What is "
          + "queued or held waits (`wait`), or is skipped with what comes until it is lifted, and "
          + "never goes out (`skip`).",
        parameters: [.ifMatch],
        body: .json(SendingSchemas.halt, example: ["reason": "wrong list"]),
        answers: [.ok(SendingSchemas.sending)], handler: halt),
      Operation(
        "POST", "/api/sending/resume", .scope("sending:write"), "Lift the account's own stop",
        details: "What waited passes the gate again. A stop by the operator stays.",
        parameters: [.ifMatch],
        answers: [.ok(SendingSchemas.sending)], handler: resume),
      Operation(
        "PUT", "/api/sending/rules", .scope("sending:write"), "Set how the account sends",
        details:
          "Replaces all of it: what is left out is not limited. Consent, opt-outs, hours and "
          + "what a mail has to say are no settings. By administrators, of the roles that every "
          + "account has.",
        parameters: [.ifMatch],
        body: .json(
          SendingSchemas.rules, example: ["frequency_cap": ["count": 2, "hours": 24]]),
        answers: [.ok(SendingSchemas.sending)], handler: setRules),
      Operation(
        "POST", "/api/operator/sending", .operation, "Stop or resume the sending of all accounts",
        body: .json(
          SendingSchemas.operatorHalt, example: ["halted": true, "reason": "provider incident"]),
        answers: [.ok(SendingSchemas.operatorHaltAnswer)], refuses: [404: ["not_found"]],
        handler: operate),
      Operation(
        "POST", "/api/suppressions", .scope("contacts:write"), "Put addresses on a list",
        details: "`suppression` stops everything to them, `do_not_call` stops marketing. "
          + "`landline` stops texts to a number, `reassigned_number` texts and calls: what the "
          + "carriers' deactivations or the Reassigned Numbers Database say.",
        body: .json(
          SendingSchemas.list,
          example: ["channel": "sms", "addresses": ["+12125550123"], "source": "letter"]),
        answers: [.ok(SendingSchemas.listed)], handler: suppress),
      Operation(
        "POST", "/api/suppressions/remove", .scope("suppressions:write"),
        "Take addresses off a list",
        details: "By administrators, of the roles that every account has. An opt-out by the person "
          + "stays: only they can lift that.",
        body: .json(
          SendingSchemas.list, example: ["channel": "sms", "addresses": ["+12125550123"]]),
        answers: [.ok(SendingSchemas.listed)],
        refuses: [400: ["opt_in_by_person_only"]], handler: unsuppress),
    ] + SuppressionReads.all + SuspectedOptOutRoutes.all + PriceRoutes.all

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let version: UInt64
    do {
      // Before the rest: what changes in between makes it stale, not new.
      version = try exchange.engine.version(of: exchange.org, in: exchange.org)
    } catch {
      throw APIError(error)
    }
    return exchange.respond(200, try await view(exchange), version: version)
  }

  /// What is so now and was not written by anybody comes along: the account's books say nothing of it later.
  private static func view(_ exchange: Exchange) async throws(APIError) -> JSON {
    let executor = try exchange.executor()
    do {
      let (settings, suspectedCount, isBalanceLow, nowMicros) = try await executor.read {
        workspace throws(CommandError) in
        (
          try workspace.sendingSettings(), workspace.suspectedOptOuts().count,
          workspace.isBalanceLow, workspace.nowMicros
        )
      }
      var object = view(settings, of: exchange.org, nowMicros: nowMicros)
      object["suspected_opt_outs"] = JSON(suspectedCount)
      object["alerts"] = isBalanceLow ? ["low_balance"] : []
      return .object(object)
    } catch {
      throw APIError(error)
    }
  }

  /// As the write left it: the same, whenever it is asked for again.
  private static func respond(
    _ receipt: WriteReceipt, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let account = try exchange.account(at: receipt)
    let view = view(account.state, of: exchange.org, nowMicros: account.updatedAtMicros)
    return exchange.respond(200, .object(view), receipt: receipt, version: account.version)
  }

  private static func view(
    _ settings: Org.State, of org: Identifier, nowMicros: Micros
  ) -> JSONObject {
    JSONObject([
      ("object", "sending"), ("account", .string(org.text)),
      ("halted_by", .array(settings.halts.map(\.rawValue).sorted().map { .string($0) })),
      ("waiting", .string((settings.kills.isEmpty ? HaltMode.wait : .skip).rawValue)),
      ("rules", rules(settings.sendingRules)),
      ("rule_set", .string(Gate.ruleSet(at: nowMicros).version)),
    ])
  }

  private static func rules(_ rules: SendingRules) -> JSON {
    var object = JSONObject([])
    if let count = rules.capCount, let hours = rules.capHours {
      object["frequency_cap"] = ["count": JSON(count), "hours": JSON(hours)]
    }
    if let rate = rules.messagesPerSecond { object["messages_per_second"] = JSON(rate) }
    if let micros = rules.dailyBudgetMicros { object["daily_budget"] = .int(micros) }
    if let micros = rules.lowBalanceMicros { object["low_balance"] = .int(micros) }
    if let registration = rules.registration {
      object["registration"] = .string(registration.rawValue)
    }
    if let calls = rules.concurrentCalls { object["concurrent_calls"] = JSON(calls) }
    if let hours = rules.duplicateHours { object["duplicate_hours"] = JSON(hours) }
    if let hours = rules.maxAgeHours { object["max_age_hours"] = JSON(hours) }
    if let brand = rules.brand { object["carrier_brand"] = .string(brand.rawValue) }
    if let keywords = keywords(rules.program) { object["keywords"] = keywords }
    if let text = rules.program.helpText { object["help_text"] = .string(text) }
    if let notice = rules.advertisementNotice { object["advertisement_notice"] = .string(notice) }
    return .object(object)
  }

  private static func keywords(_ program: MessagingProgram) -> JSON? {
    let lists = [
      ("opt_out", program.optOut), ("opt_in", program.optIn), ("help", program.help),
    ].filter { !$0.1.isEmpty }
    guard !lists.isEmpty else { return nil }
    return .object(JSONObject(lists.map { ($0.0, .array($0.1.map(JSON.string))) }))
  }

  private static func program(_ fields: inout Fields) -> MessagingProgram {
    var program = MessagingProgram(helpText: fields.string("help_text", limit: 1_000))
    guard let object = fields.value("keywords")?.object else { return program }
    var lists = Fields(object, prefix: "keywords.")
    program.optOut = lists.strings("opt_out") ?? []
    program.optIn = lists.strings("opt_in") ?? []
    program.help = lists.strings("help") ?? []
    fields.adopt(lists.finishNested())
    return program
  }

  private static func halt(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let reason = fields.string("reason", required: true, limit: 200) ?? ""
    let mode = fields.choice("waiting", HaltMode.self) ?? .wait
    try fields.finish()
    let written = try await exchange.write(about: exchange.org) { workspace throws(CommandError) in
      try workspace.haltSending(.org, mode, reason: reason)
    }
    return try respond(written.receipt, exchange)
  }

  private static func resume(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let written = try await exchange.write(about: exchange.org) { workspace throws(CommandError) in
      try workspace.resumeSending(.org)
    }
    return try respond(written.receipt, exchange)
  }

  private static func setRules(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    var rules = SendingRules()
    if let cap = fields.value("frequency_cap")?.object {
      rules.capCount = cap["count"]?.int.map { Int($0) }
      rules.capHours = cap["hours"]?.int.map { Int($0) }
    }
    rules.messagesPerSecond = fields.int("messages_per_second").map { Int($0) }
    rules.dailyBudgetMicros = fields.int("daily_budget")
    rules.lowBalanceMicros = fields.int("low_balance")
    rules.registration = fields.choice("registration", SendingRules.Registration.self)
    rules.concurrentCalls = fields.int("concurrent_calls").map { Int($0) }
    rules.duplicateHours = fields.int("duplicate_hours").map { Int($0) }
    rules.maxAgeHours = fields.int("max_age_hours").map { Int($0) }
    rules.brand = fields.choice("carrier_brand", BrandClass.self)
    rules.program = program(&fields)
    rules.advertisementNotice = fields.string("advertisement_notice")
    try fields.finish()
    let written = try await exchange.write(about: exchange.org) {
      [rules] workspace throws(CommandError) in
      try workspace.setSendingRules(rules)
    }
    return try respond(written.receipt, exchange)
  }

  private static func operate(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let isHalted = fields.bool("halted") ?? false
    let reason = fields.string("reason", limit: 200) ?? "by the operator"
    let account = fields.id("account", .org)
    let scope = fields.choice("scope", HaltScope.self) ?? .all
    let mode = fields.choice("waiting", HaltMode.self) ?? .wait
    try fields.finish()
    let call = Call(
      actor: "operator", origin: "operator", correlation: exchange.requestID,
      idempotencyKey: try exchange.idempotencyName())
    let order = SendingOrder(isHalted: isHalted, scope: scope, mode: mode, reason: reason)
    do {
      let executors = try exchange.engine.executors(of: account)
      // After a crash some have it and some have not: those carry it out now.
      let isReplay =
        try !executors.isEmpty
        && executors.allSatisfy { executor throws(APIError) in
          try exchange.isAnswered(call.idempotencyKey, in: executor.org)
        }
      if isReplay, exchange.isDryRun { try exchange.tellRepeated(call, in: executors[0].org) }
      try await exchange.tryOut(on: executors, call) { workspace throws(CommandError) in
        try order.apply(to: &workspace)
      }
      let count = try await exchange.engine.setSending(order, of: executors, call)
      var response = exchange.respond(200, ["halted": .bool(isHalted), "accounts": JSON(count)])
      if isReplay { response.headers.set("idempotent-replayed", "true") }
      return response
    } catch let error as CommandError {
      throw APIError(error)
    } catch let error as APIError {
      throw error
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
  }

  private struct Listing: Sendable {
    let list: Suppression.List
    let channel: Channel
    let addresses: [String]
    let source: String
  }

  private static func listing(_ exchange: Exchange) throws(APIError) -> Listing {
    var fields = try exchange.body()
    let list = fields.choice("list", Suppression.List.self) ?? .suppression
    let channel = fields.choice("channel", Channel.self, required: true)
    let addresses = fields.strings("addresses", required: true) ?? []
    let source = fields.string("source", limit: 200) ?? "api"
    if list.isOfNumbers, channel != .sms {
      fields.fail("channel", "invalid_value", "This list is of numbers: the channel is sms.")
    }
    try fields.finish()
    guard let channel else { preconditionFailure("finish refuses missing fields") }
    return Listing(list: list, channel: channel, addresses: addresses, source: source)
  }

  private static func suppress(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let listing = try listing(exchange)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.suppress(
        listing.addresses, on: listing.channel, list: listing.list, source: listing.source)
    }
    return try answer(written, exchange)
  }

  private static func unsuppress(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let listing = try listing(exchange)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.unsuppress(
        listing.addresses, on: listing.channel, list: listing.list, source: listing.source)
    }
    return try answer(written, exchange)
  }

  private static func answer(
    _ written: Written<Int>, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let changed =
      if let output = written.output { output } else { try listed(by: written.receipt, exchange) }
    return exchange.respond(
      200, ["object": "suppression_result", "changed": JSON(changed)], receipt: written.receipt)
  }

  /// How many addresses the first of equal requests put on a list or took off it.
  private static func listed(
    by receipt: WriteReceipt, _ exchange: Exchange
  ) throws(APIError) -> Int {
    let positions = receipt.events.compactMap(RecordedDomainEvent.position(ofEventID:))
    guard let first = positions.min(), let last = positions.max() else { return 0 }
    let filter = EventFilter(
      org: OrgID(exchange.org.value), types: ["org.address_suppressed", "org.address_unsuppressed"])
    var (count, reached) = (0, first - 1)
    do throws(EventLogError) {
      while reached < last {
        let page = try exchange.engine.log.read(after: reached, limit: 1_000, filter: filter)
        count += page.events.count { $0.position <= last }
        guard page.scannedTo > reached else { break }
        reached = page.scannedTo
      }
      return count
    } catch {
      throw APIError(.log(error))
    }
  }
}
