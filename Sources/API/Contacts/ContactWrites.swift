import Application
import Domain
import HTTP
import JSON

/// Writing contacts. Reading them is in `ContactReads.swift`.
enum ContactWrites {
  static let all = [
    Operation(
      "POST", "/api/contacts", .scope("contacts:write"), "Create a contact",
      details: "At least one of name, company, email and phone.",
      body: .json(
        ContactSchemas.create,
        example: [
          "first_name": "Ann", "phone": "(415) 555-2671", "tags": ["vip"],
          "consents": [
            [
              "channel": "sms", "method": "web_form", "source": "https://example.com/join",
              "wording": "Text me offers. Reply STOP to end.",
            ]
          ],
        ]), answers: [.created(ContactSchemas.contact)],
      refuses: [400: ["opt_in_by_person_only", "too_many"], 409: ["duplicate_contact"]],
      handler: create),
    Operation(
      "PUT", "/api/contacts", .scope("contacts:write"), "Create or change the contact with a key",
      details:
        "200 where the contact was there: fields that are named change, but for the key's own, tags are added; "
        + "201 where it is new. Its consents are recorded either way. With `If-Match` it has to be there.",
      parameters: [
        .query(
          "key", .pattern("^(email:.*@.*|phone:.+)$", 7...300),
          "`email:ann@example.com` or `phone:+14155552671`.",
          required: true), .ifMatch,
      ],
      body: .json(ContactSchemas.upsert, example: ["first_name": "Ann", "tags": ["vip"]]),
      answers: [.ok(ContactSchemas.contact), .created(ContactSchemas.contact)],
      refuses: [
        400: [
          "invalid_key", "key_mismatch", "nothing_to_identify", "no_address",
          "opt_in_by_person_only", "too_many",
        ], 409: ["duplicate_contact"],
      ], handler: upsert),
    Operation(
      "PATCH", "/api/contacts/{id}", .scope("contacts:write"), "Change a contact",
      details:
        "What is not named stays; `null` clears. `tags` are all that the contact has then: to add or take away "
        + "one there are paths of their own.",
      body: .json(
        ContactSchemas.update, example: ["company": "Northwind", "tags": ["vip", "spring"]]),
      answers: [.ok(ContactSchemas.contact)],
      refuses: [
        400: ["nothing_to_identify", "too_many"], 404: ["erased"], 409: ["duplicate_contact"],
      ], handler: update),
    Operation(
      "DELETE", "/api/contacts/{id}", .scope("contacts:write"), "Archive a contact",
      details:
        "Out of lists, segments and audiences, and what waits for it is not sent (`suppressed`). "
        + "Nothing is forgotten: it can still be read by its id, consents and opt-outs stay, and what "
        + "the person writes comes in. To forget a person, order an erasure.",
      answers: [.ok(ContactSchemas.contact)], refuses: [404: ["erased"]],
      handler: { exchange throws(APIError) in try await setArchived(true, exchange) }),
    Operation(
      "POST", "/api/contacts/{id}/restore", .scope("contacts:write"), "Restore an archived contact",
      details: "An upsert, a lead or an import with its address does the same.",
      answers: [.ok(ContactSchemas.contact)], refuses: [404: ["erased"]],
      handler: { exchange throws(APIError) in try await setArchived(false, exchange) }),
    Operation(
      "POST", "/api/contacts/{id}/tags", .scope("contacts:write"), "Add tags to a contact",
      body: .json(ContactSchemas.tags, example: ["tags": ["vip"]]),
      answers: [.ok(ContactSchemas.contact)], refuses: [404: ["erased"]], handler: addTags),
    Operation(
      "DELETE", "/api/contacts/{id}/tags/{tag}", .scope("contacts:write"),
      "Remove a tag from a contact", answers: [.ok(ContactSchemas.contact)],
      refuses: [404: ["erased"]], handler: removeTag),
    Operation(
      "POST", "/api/contacts/{id}/consents", .scope("contacts:write"), "Record a consent",
      body: .json(
        ContactSchemas.consentInput,
        example: [
          "channel": "sms", "method": "verbal", "source": "call of 3 March",
          "wording": "May we text you offers?",
        ]), answers: [.ok(ContactSchemas.contact)],
      refuses: [400: ["no_address", "opt_in_by_person_only"], 404: ["erased"]],
      handler: recordConsent),
    Operation(
      "POST", "/api/contacts/{id}/opt-outs", .scope("contacts:write"), "Record an opt-out",
      details: "What was queued or held for the address is skipped in the same commit.",
      body: .json(ContactSchemas.optOut, example: ["channel": "sms", "method": "call"]),
      answers: [.ok(ContactSchemas.contact)],
      refuses: [400: ["no_address"], 404: ["erased"]], handler: optOut),
  ]

  private static func create(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let request = ContactInput.request(&fields)
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      let id = try workspace.createContact(request)
      return try workspace.newContact(id)
    }
    guard let new = written.output else {
      let id = try first(.contact, of: written.receipt)
      return try exchange.contactResponse(201, id, written)
    }
    let view = ContactView(
      id: new.id, org: exchange.org, state: new.state,
      consentSinceMicros: new.state.consents.mapValues { _ in new.atMicros },
      version: written.receipt.version(of: new.id), createdAtMicros: new.atMicros,
      updatedAtMicros: new.atMicros)
    return exchange.respond(201, view, written.receipt)
  }

  private static func upsert(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let key = try key(exchange)
    var fields = try exchange.body()
    var request = ContactInput.request(&fields)
    let changes = ContactInput.changes(&fields)
    try fields.finish()
    switch key {
    case .email(let email): request.details.email = request.details.email ?? email
    case .phone(let phone): request.details.phone = request.details.phone ?? phone
    }
    try exchange.require("contacts:write", "create")
    let guarded = try await guarded(key, exchange)
    let written = try await exchange.write(about: guarded) {
      [request] workspace throws(CommandError) in
      try workspace.putContact(key, request, changes: changes)
    }
    let id = try created(.contact, written)
    return try exchange.contactResponse(
      try exchange.created(id, by: written.receipt) ? 201 : 200, id, written)
  }

  /// The contact that `If-Match` is about: the one that has the key. nil where nobody asks.
  private static func guarded(
    _ key: ContactKey, _ exchange: Exchange
  ) async throws(APIError) -> Identifier? {
    guard exchange.request.headers["if-match"] != nil else { return nil }
    let executor = try exchange.executor()
    let holder: Identifier?
    do {
      holder = try await executor.read { workspace throws(CommandError) in
        try workspace.contact(with: key)
      }
    } catch {
      throw APIError(error)
    }
    if holder == nil, try !exchange.isAnswered(exchange.idempotencyName(), in: exchange.org) {
      throw APIError(
        412, "conflict", "version_mismatch",
        "No contact has this key. Without If-Match it is created.")
    }
    return holder
  }

  private static func key(_ exchange: Exchange) throws(APIError) -> ContactKey {
    let text = exchange.query("key") ?? ""
    let parts = text.split(separator: ":", maxSplits: 1)
    switch (parts.first, parts.last) {
    case ("email", let email?) where email.contains("@"): return .email(String(email))
    case ("phone", let phone?): return .phone(String(phone))
    default:
      throw .invalid("key", "invalid_key", "key is email:ann@example.com or phone:+14155552671.")
    }
  }

  /// The object that a write created: its output, or, the second time, its first stream.
  static func created(
    _ kind: Identifier.Kind, _ written: Written<Identifier>
  ) throws(APIError) -> Identifier {
    if let id = written.output { return id }
    return try first(kind, of: written.receipt)
  }

  private static func first(
    _ kind: Identifier.Kind, of receipt: WriteReceipt
  ) throws(APIError) -> Identifier {
    guard let first = receipt.versions.first else {
      throw APIError(500, "internal", "internal", "The first answer cannot be found.")
    }
    return Identifier(kind, first.stream)
  }

  private static func update(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .contact)
    var fields = try exchange.body()
    let changes = ContactInput.changes(&fields)
    let tags = fields.strings("tags")
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.updateContact(id, changes)
      if let tags { try workspace.setTags(tags, of: id) }
    }
    return try exchange.contactResponse(200, id, written)
  }

  private static func setArchived(
    _ isArchived: Bool, _ exchange: Exchange
  ) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .contact)
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.setContact(id, archived: isArchived)
    }
    return try exchange.contactResponse(200, id, written)
  }

  private static func addTags(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .contact)
    var fields = try exchange.body()
    let tags = fields.strings("tags", required: true)
    if tags?.isEmpty == true { fields.fail("tags", "required", "Name at least one tag.") }
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.addTags(tags ?? [], to: id)
    }
    return try exchange.contactResponse(200, id, written)
  }

  private static func removeTag(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .contact)
    let tag = exchange.path["tag"] ?? ""
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.removeTags([tag], from: id)
    }
    return try exchange.contactResponse(200, id, written)
  }

  private static func recordConsent(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .contact)
    var fields = try exchange.body()
    let request = ContactInput.consent(&fields)
    try fields.finish()
    guard let request else { preconditionFailure("finish refuses missing fields") }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.recordConsent(request, of: id)
    }
    return try exchange.contactResponse(200, id, written)
  }

  private static func optOut(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let id = try exchange.id("id", .contact)
    var fields = try exchange.body()
    let channel = fields.choice("channel", Channel.self, required: true)
    let method = fields.choice("method", OptOut.Method.self) ?? .staff
    try fields.finish()
    guard let channel else { preconditionFailure("finish refuses missing fields") }
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.recordOptOut(id, channel: channel, method: method)
    }
    return try exchange.contactResponse(200, id, written)
  }
}
