import Application
import Domain
import HTTP
import JSON

/// Creating, launching and cancelling campaigns. Reading them is in `CampaignReads.swift`.
enum CampaignWrites {
  static let all: [Operation] = [
    Operation(
      "POST", "/api/campaigns", .scope("campaigns:write"), "Create a campaign",
      body: .json(
        CampaignSchemas.create,
        example: [
          "name": "Spring", "segment": "seg_01jd3x0000000000000000000a",
          "body": "Hi {{first_name|there}}, doors open at nine.",
        ], limitBytes: RequestBody.textBytes), answers: [.created(CampaignSchemas.campaign)],
      refuses: [
        400: ["deceptive_subject", "other_channel", "unknown_segment"], 404: ["not_found"],
        409: ["archived"],
      ],
      handler: create),
    Operation(
      "GET", "/api/campaigns/{id}/check", .scope("campaigns:read"),
      "See what a launch would come to",
      details: "Who is in the audience, whose fields are missing, and what carriers and mailbox "
        + "providers have against the words. Nothing is written.",
      answers: [.ok(CampaignSchemas.check)], refuses: [400: ["unknown_segment"]], handler: check),
    Operation(
      "PATCH", "/api/campaigns/{id}", .scope("campaigns:write"), "Change a draft",
      details: "What is not named stays. Nothing changes once it was launched.",
      body: .json(
        CampaignSchemas.update, example: ["name": "Early spring"],
        limitBytes: RequestBody.textBytes),
      answers: [.ok(CampaignSchemas.campaign)],
      refuses: [
        400: [
          "deceptive_subject", "other_channel", "required", "too_long", "unknown_segment",
          "unsupported_field",
        ], 409: ["archived", "not_allowed_now"],
      ], handler: update),
    Operation(
      "DELETE", "/api/campaigns/{id}", .scope("campaigns:write"), "Delete a campaign",
      details: "A running one is cancelled first. It is shown no more; what it sent stays on "
        + "record, in its history, in the audit and in the figures.",
      answers: [.ok(CampaignSchemas.campaign)], refuses: [409: ["not_allowed_now"]],
      handler: delete),
    Operation(
      "POST", "/api/campaigns/{id}/launch", .scope("campaigns:write"), "Launch a campaign",
      details: "Where recipients lack a field that the text needs, nobody gets anything, unless "
        + "`skip_missing` says to leave them out. `GET /api/campaigns/{id}/check` tells before.",
      body: .optionalJSON(CampaignSchemas.launch, example: ["skip_missing": false]),
      answers: [AnswerDefinition.ok(CampaignSchemas.campaign).or(CampaignSchemas.launchTrial)],
      refuses: [
        400: ["unknown_segment"], 409: ["already_launched", "not_allowed_now"],
        422: [
          "audience_too_large", "empty_audience", "sms_not_configured", "email_not_configured",
          "postal_address_missing", "missing_fields",
        ],
      ], idempotency: .required, handler: launch),
    Operation(
      "POST", "/api/campaigns/{id}/cancel", .scope("campaigns:write"),
      "Cancel what a campaign has not sent yet",
      details: "Nothing of it is handed to a provider after this; what waited becomes `cancelled`.",
      answers: [.ok(CampaignSchemas.campaign)],
      refuses: [409: ["not_allowed_now"]], handler: cancel),
    Operation(
      "POST", "/api/campaigns/{id}/pause", .scope("campaigns:write"), "Pause a campaign",
      details: "Nothing of it is planned or handed to a provider after this; what is queued waits.",
      answers: [.ok(CampaignSchemas.campaign)], refuses: [409: ["not_allowed_now"]],
      handler: pause),
    Operation(
      "POST", "/api/campaigns/{id}/resume", .scope("campaigns:write"), "Resume a campaign",
      details: "Goes on where it stood; every message passes the gate again.",
      answers: [.ok(CampaignSchemas.campaign)], refuses: [409: ["not_allowed_now"]],
      handler: resume),
    Operation(
      "POST", "/api/campaigns/{id}/pace", .scope("campaigns:write"), "Set a campaign's pace",
      details: "At most so many messages a minute from now on; `null` lifts it.",
      body: .json(SendingSchemas.pace, example: ["per_minute": 60]),
      answers: [.ok(CampaignSchemas.campaign)], refuses: [409: ["not_allowed_now"]],
      handler: setPace),
  ]

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let name = fields.string("name", required: true, limit: 200)
    let segment = fields.id("segment", .segment, required: true)
    let channel = fields.choice("channel", Channel.self) ?? .sms
    fields.pass("subject", "html", "voicemail", since: "channel")
    let purpose = fields.choice("purpose", Purpose.self) ?? .marketing
    let template = fields.id("template", .template)
    let body = fields.string(
      "body", required: template == nil, limit: channel == .email ? 500_000 : 6_400)
    let subject = channel == .email ? fields.string("subject", limit: 998) : nil
    let html = channel == .email ? fields.string("html", limit: 500_000) : nil
    let voicemail = channel == .voice ? fields.string("voicemail", limit: 4_000) : nil
    let holdoutPercent = fields.int("holdout_percent").map { Int($0) }
    try fields.finish()
    guard let name, let segment else { preconditionFailure("finish refuses missing fields") }
    let definition = CampaignDefinition(
      name: name, segment: segment, channel: channel, purpose: purpose, body: body ?? "",
      subject: subject, html: html, voicemail: voicemail,
      template: template.map { TemplateUse(id: $0, version: 0) }, holdoutPercent: holdoutPercent)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.createCampaign(definition)
    }
    return try answer(201, try ContactWrites.created(.campaign, written), written, exchange)
  }

  private static func update(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    var fields = try exchange.body()
    let change = CampaignChange(&fields)
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.updateCampaign(id) { change.apply(to: &$0) }
    }
    return try answer(200, id, written, exchange)
  }

  private static func delete(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.deleteCampaign(id)
    }
    return try answer(200, id, written, exchange)
  }

  private static func launch(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    var fields = try exchange.body()
    let skipsMissing = fields.bool("skip_missing") ?? false
    try fields.finish()
    let launch: @Sendable (inout Workspace) throws(CommandError) -> Void = {
      workspace throws(CommandError) in
      if !skipsMissing { try workspace.requireComplete(id) }
      try workspace.launchCampaign(id)
    }
    guard !exchange.isDryRun else { return try await tryLaunch(id, exchange, launch) }
    let written = try await exchange.write(launch)
    return try answer(200, id, written, exchange)
  }

  /// What would be written, and what would become of the messages.
  private static func tryLaunch(
    _ id: Identifier, _ exchange: Exchange,
    _ launch: @escaping @Sendable (inout Workspace) throws(CommandError) -> Void
  ) async throws(APIError) -> HTTPResponse {
    try exchange.tellRepeated(try exchange.call(), in: exchange.org)
    let trial = try await exchange.tried(in: try exchange.executor()) {
      workspace throws(CommandError) in
      try launch(&workspace)
      return try workspace.launchedForTrial(id)
    }
    let rehearsal: CampaignRehearsal
    do {
      rehearsal = try await exchange.executor().rehearse(
        trial.output, until: .now + trialLimit)
    } catch let error as CommandError {
      throw APIError(error)
    } catch let error as APIError {
      throw error
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
    return exchange.respond(
      200,
      Trial.json(
        trial.events,
        [
          ("planned", JSON(rehearsal.plannedCount)), ("judged", JSON(rehearsal.judgedCount)),
          ("is_whole", .bool(rehearsal.isWhole)),
          ("allowed", JSON(rehearsal.allowedCount)), ("held", counts(rehearsal.held)),
          ("skipped", counts(rehearsal.skipped)), ("cost", Money.json(rehearsal.costMicros)),
        ]))
  }

  /// So long a trial judges: a million recipients take about a minute, and nobody waits for that.
  private static let trialLimit = Duration.seconds(20)

  private static func counts(_ counts: [String: Int]) -> JSON {
    .object(
      JSONObject(counts.sorted { $0.key < $1.key }.map { (key: $0.key, value: JSON($0.value)) }))
  }

  private static func check(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    let executor = try exchange.executor()
    let found: CampaignCheck
    do {
      found = try await executor.read { workspace throws(CommandError) in
        try workspace.checkCampaign(id)
      }
    } catch {
      throw APIError(error)
    }
    let missing = found.missing.sorted { $0.key < $1.key }
    return exchange.respond(
      200,
      [
        "object": "campaign_check", "recipients": JSON(found.recipientCount),
        "incomplete": JSON(found.incompleteCount),
        "missing": .array(
          missing.map { ["field": .string($0.key), "recipients": JSON($0.value)] }),
        "findings": ContentFindingView.json(found.findings),
      ])
  }

  private static func cancel(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.cancelCampaign(id)
    }
    return try answer(200, id, written, exchange)
  }

  private static func pause(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.pauseCampaign(id)
    }
    return try answer(200, id, written, exchange)
  }

  private static func resume(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.resumeCampaign(id)
    }
    return try answer(200, id, written, exchange)
  }

  private static func setPace(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .campaign)
    var fields = try exchange.body()
    let perMinute = fields.int("per_minute").map { Int($0) }
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.setPace(of: id, perMinute: perMinute)
    }
    return try answer(200, id, written, exchange)
  }

  private static func answer<Output: Sendable>(
    _ status: Int, _ id: Identifier, _ written: Written<Output>, _ exchange: Exchange
  ) throws(APIError) -> HTTPResponse {
    let view = try view(id, version: written.receipt.version(of: id), exchange)
    return exchange.respond(status, view.json, receipt: written.receipt, version: view.version)
  }

  /// The campaign as it was at `version`.
  static func view(
    _ id: Identifier, version: UInt64, _ exchange: Exchange
  ) throws(APIError) -> CampaignView {
    let snapshot: Snapshot<Campaign.State>
    do {
      snapshot = try exchange.engine.campaign(id, of: exchange.org, version: version)
    } catch {
      throw APIError(error)
    }
    guard let view = CampaignView(id, exchange.org, snapshot) else { throw .notFound("campaign") }
    return view
  }
}

/// A campaign as the API shows it: planned = sent + failed + skipped + cancelled + pending.
struct CampaignView {
  var id: Identifier
  var org: Identifier
  var name: String
  var segment: Identifier
  var channel: String
  var purpose: String
  var body: String
  var subject: String?
  var html: String?
  var voicemail: String?
  var template: Identifier?
  var templateVersion: Int64?
  var holdoutPercent: Int64?
  var perMinute: Int64?
  var status: String
  var isDeleted = false
  var plannedCount: Int64
  var sentCount: Int64 = 0
  var failedCount: Int64 = 0
  var skippedCount: Int64 = 0
  var cancelledCount: Int64 = 0
  var version: UInt64
  var createdAtMicros: Micros
  var updatedAtMicros: Micros

  var json: JSON {
    let pending = plannedCount - sentCount - failedCount - skippedCount - cancelledCount
    return .object(
      JSONObject([
        ("id", .string(id.text)), ("object", "campaign"), ("name", .string(name)),
        ("segment", .string(segment.text)), ("channel", .string(channel)),
        ("purpose", .string(purpose)), ("body", .string(body)), ("subject", JSON(subject)),
        ("html", JSON(html)), ("voicemail", JSON(voicemail)), ("template", JSON(template?.text)),
        ("template_version", JSON(templateVersion)), ("holdout_percent", JSON(holdoutPercent)),
        ("per_minute", JSON(perMinute)), ("status", .string(status)),
        ("planned", .int(plannedCount)), ("sent", .int(sentCount)), ("failed", .int(failedCount)),
        ("skipped", .int(skippedCount)), ("cancelled", .int(cancelledCount)),
        ("pending", .int(pending)), ("deleted", .bool(isDeleted)),
        ("version", .int(Int64(version))),
        ("account", .string(org.text)),
        ("created_at", .string(Timestamp.text(createdAtMicros))),
        ("updated_at", .string(Timestamp.text(updatedAtMicros))),
      ]))
  }
}

extension CampaignView {
  /// From the campaign's own stream, as the answer to a write; nil where it has none.
  init?(_ id: Identifier, _ org: Identifier, _ snapshot: Snapshot<Campaign.State>) {
    guard let definition = snapshot.state.definition, let status = snapshot.state.status else {
      return nil
    }
    self.init(
      id: id, org: org, name: definition.name, segment: definition.segment,
      channel: definition.channel.rawValue, purpose: definition.purpose.rawValue,
      body: definition.body, subject: definition.subject, html: definition.html,
      voicemail: definition.voicemail, template: definition.template?.id,
      templateVersion: definition.template.map { Int64($0.version) },
      holdoutPercent: definition.holdoutPercent.map(Int64.init),
      perMinute: snapshot.state.pacePerMinute.map(Int64.init), status: status.rawValue,
      plannedCount: Int64(snapshot.state.plannedCount), version: snapshot.version,
      createdAtMicros: snapshot.createdAtMicros, updatedAtMicros: snapshot.updatedAtMicros)
    isDeleted = snapshot.state.isDeleted
    guard let outcome = snapshot.state.outcome else { return }
    sentCount = Int64(outcome.sentCount)
    failedCount = Int64(outcome.failedCount)
    skippedCount = Int64(outcome.skippedCount)
    cancelledCount = Int64(outcome.cancelledCount)
  }
}
