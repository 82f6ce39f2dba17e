import Application
import Domain
import HTTP
import JSON
import ProjectionRuntime

/// Templates and their versions.
enum TemplateRoutes {
  static let all: [Operation] = [
    Operation.list(
      "/api/templates", "messages:read", "List templates, newest first",
      of: TemplateSchemas.template, sorts: ["-created_at", "name"], rows: list),
    Operation(
      "POST", "/api/templates", .scope("messages:write"), "Create a template",
      body: .json(
        TemplateSchemas.input,
        example: [
          "name": "Welcome", "channel": "email", "subject": "Welcome, {{first_name|friend}}",
          "body": "Hello {{first_name|friend}}",
        ], limitBytes: RequestBody.textBytes), answers: [.created(TemplateSchemas.template)],
      refuses: [400: ["invalid_merge_field", "unsupported_field"]], handler: create),
    Operation(
      "GET", "/api/templates/{id}", .scope("messages:read"), "Read a template",
      answers: [.ok(TemplateSchemas.template)], handler: show),
    Operation(
      "PUT", "/api/templates/{id}", .scope("messages:write"), "Write a template's next version",
      body: .json(
        TemplateSchemas.revision, example: ["name": "Welcome", "body": "Hi {{first_name|there}}"],
        limitBytes: RequestBody.textBytes),
      answers: [.ok(TemplateSchemas.template)],
      refuses: [400: ["invalid_merge_field", "unsupported_field"], 409: ["archived"]],
      handler: revise),
    Operation(
      "DELETE", "/api/templates/{id}", .scope("messages:write"), "Delete a template",
      details: "The same as archiving it: nobody uses it any more, and what was sent from it still "
        + "leads to its versions.", answers: [.ok(TemplateSchemas.template)], handler: archive),
    Operation(
      "POST", "/api/templates/{id}/archive", .scope("messages:write"), "Archive a template",
      answers: [.ok(TemplateSchemas.template)], handler: archive),
    Operation(
      "POST", "/api/templates/{id}/restore", .scope("messages:write"),
      "Take an archived template back into use", answers: [.ok(TemplateSchemas.template)],
      handler: restore),
    Operation(
      "POST", "/api/templates/{id}/preview", .scope("messages:read"),
      alsoNeeds: ["contacts:read"],
      "See what a person would get", details: "Nothing is written.",
      body: .json(
        TemplateSchemas.preview, example: ["contact": "con_01jd3x0000000000000000000a"]),
      answers: [.ok(TemplateSchemas.rendered)],
      refuses: [
        404: ["erased"], 409: ["archived"],
        422: ["sms_not_configured", "email_not_configured", "postal_address_missing"],
      ],
      idempotency: .ignored, handler: preview),
  ]

  @Sendable
  private static func list(
    _ exchange: Exchange, _ list: ListRequest
  ) async throws(APIError) -> ListRows {
    try await .of({ $0.templates }, list, exchange) { id throws(APIError) in
      try exchange.template(id)
    }
  }

  private static func show(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    exchange.respond(200, try exchange.template(try exchange.id("id", .template)))
  }

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let channel = fields.choice("channel", Channel.self, required: true)
    let (name, content) = input(&fields)
    try fields.finish()
    guard let channel else { preconditionFailure("finish refuses missing fields") }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.createTemplate(name: name, channel: channel, content)
    }
    let id = try ContactWrites.created(.template, written)
    return exchange.respond(
      201, try exchange.template(id, version: written.receipt.version(of: id)),
      receipt: written.receipt)
  }

  private static func input(_ fields: inout Fields) -> (name: String, TemplateContent) {
    let name = fields.string("name", required: true, limit: 200) ?? ""
    let body = fields.string("body", required: true, limit: 500_000) ?? ""
    return (
      name,
      TemplateContent(
        body: body, subject: fields.string("subject", limit: 998),
        html: fields.string("html", limit: 500_000),
        voicemail: fields.string("voicemail", limit: 4_000))
    )
  }

  private static func revise(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .template)
    var fields = try exchange.body()
    let (name, content) = input(&fields)
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.reviseTemplate(id, name: name, content)
    }
    return exchange.respond(
      200, try exchange.template(id, version: written.receipt.version(of: id)),
      receipt: written.receipt)
  }

  private static func archive(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .template)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.archiveTemplate(id)
    }
    return exchange.respond(
      200, try exchange.template(id, version: written.receipt.version(of: id)),
      receipt: written.receipt)
  }

  private static func restore(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .template)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.restoreTemplate(id)
    }
    return exchange.respond(
      200, try exchange.template(id, version: written.receipt.version(of: id)),
      receipt: written.receipt)
  }

  private static func preview(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .template)
    var fields = try exchange.body()
    let contact = fields.id("contact", .contact, required: true)
    let purpose = fields.choice("purpose", Purpose.self) ?? .marketing
    let version = Int(fields.int("version") ?? 0)
    try fields.finish()
    guard let contact else { preconditionFailure("finish refuses missing fields") }
    let state = try exchange.templateState(id)
    guard let channel = state.channel,
      let content = state.content(ofVersion: version == 0 ? nil : version)
    else { throw .notFound("template version") }
    var request = MessageRequest(contact: contact, body: "", purpose: purpose, channel: channel)
    request.template = TemplateUse(id: id, version: version)
    if channel == .voice {
      request.voice = VoicePlan(
        maxMinutes: 1, isRecorded: false, isVoicemailDrop: content.voicemail != nil)
    }
    return exchange.respond(200, try await rendered(request, content, exchange))
  }

  private static func rendered(
    _ request: MessageRequest, _ content: TemplateContent, _ exchange: Exchange
  ) async throws(APIError) -> JSON {
    do {
      return try await exchange.executor().read { workspace throws(CommandError) in
        let missing = try workspace.missingFields(of: content, for: request.contact)
        var object = JSONObject([
          ("object", "template_preview"), ("missing", .array(missing.map(JSON.string))),
        ])
        guard missing.isEmpty else { return .object(object) }
        let planned = try workspace.previewMessage(request)
        let content = planned.plan.content.value
        object["subject"] = JSON(content?.subject)
        object["body"] = JSON(content?.body)
        object["html"] = JSON(content?.html)
        object["voicemail"] = JSON(content?.voicemail)
        object["segments"] = JSON(planned.plan.segmentCount)
        object["encoding"] = .string(planned.plan.encoding)
        object["price"] = Money.json(planned.priceMicros)
        object["verdict"] = planned.verdict.json
        return .object(object)
      }
    } catch let error as CommandError {
      throw APIError(error)
    } catch let error as APIError {
      throw error
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
  }
}

extension Exchange {
  func templateState(_ id: Identifier) throws(APIError) -> Template.State {
    do {
      return try engine.template(id, of: org).state
    } catch {
      throw APIError(error)
    }
  }

  func template(_ id: Identifier, version: UInt64 = .max) throws(APIError) -> JSON {
    let snapshot: Snapshot<Template.State>
    do {
      snapshot = try engine.template(id, of: org, version: version)
    } catch {
      throw APIError(error)
    }
    let state = snapshot.state
    guard let channel = state.channel, let content = state.content() else {
      throw .notFound("template")
    }
    var fields: [String] = []
    for (_, text) in content.texts {
      // Checked when it was written.
      for name in (try? MergeFields.fields(of: text)) ?? [] where !fields.contains(name) {
        fields.append(name)
      }
    }
    let versions = state.versions.enumerated().map { index, content in
      content.json(adding: [("version", JSON(index + 1))])
    }
    return content.json(adding: [
      ("id", .string(id.text)), ("object", "template"), ("name", .string(state.name)),
      ("channel", .string(channel.rawValue)), ("archived", .bool(state.isArchived)),
      ("fields", .array(fields.map(JSON.string))), ("versions", .array(versions)),
      ("findings", ContentFindingView.json(ContentCheck.findings(in: content, on: channel))),
      ("latest_version", JSON(state.versions.count)),
      ("version", .int(Int64(snapshot.version))), ("account", .string(org.text)),
      ("created_at", .string(Timestamp.text(snapshot.createdAtMicros))),
      ("updated_at", .string(Timestamp.text(snapshot.updatedAtMicros))),
    ])
  }
}

extension TemplateContent {
  fileprivate func json(adding more: [(String, JSON)]) -> JSON {
    .object(
      JSONObject(
        more.map { (key: $0.0, value: $0.1) } + [
          ("subject", JSON(subject)), ("body", .string(body)), ("html", JSON(html)),
          ("voicemail", JSON(voicemail)),
        ]))
  }
}
