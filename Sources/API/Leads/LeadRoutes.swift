import Application
import Domain
import EventCodec
import EventLog
import HTTP
import JSON

/// Enquiries from web forms.
enum LeadRoutes {
  static let all = [
    Operation(
      "POST", "/api/leads/intake", .scope("leads:write"), "Take in a lead from a web form",
      details: """
        `lead.created` on the contact with the same phone or email, whose empty fields are filled and of whom nothing
        is replaced; else on a new contact. 201 where the contact is new, 200 where it was there. With an
        `Idempotency-Key`, a form that is sent twice is one lead.
        """,
      body: .json(
        LeadSchemas.input,
        example: [
          "first_name": "Ann", "email": "ann@example.com", "phone": "(415) 555-2671",
          "source": "pricing page", "page": "https://example.com/pricing",
          "utm": ["source": "google", "medium": "cpc", "campaign": "spring"],
          "consents": [
            [
              "channel": "sms", "wording": "Text me offers. Reply STOP to end.",
              "source": "https://example.com/pricing", "ip": "203.0.113.7",
            ]
          ],
        ]), answers: [.ok(LeadSchemas.lead), .created(LeadSchemas.lead)],
      refuses: [400: ["too_many"]], handler: intake)
  ]

  private static func intake(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    var fields = try exchange.body()
    let request = request(&fields)
    try fields.finish()
    let written = try await exchange.write { workspace throws(CommandError) in
      try workspace.captureLead(request)
    }
    let contact = try ContactWrites.created(.contact, written)
    let lead = try lead(written.receipt, exchange)
    return exchange.respond(
      lead["is_new_contact"]?.bool == true ? 201 : 200,
      [
        "object": "lead", "event": JSON(written.receipt.events.last?.text),
        "contact": .string(contact.text), "account": .string(exchange.org.text),
        "source": lead["source"] ?? .null, "is_new_contact": lead["is_new_contact"] ?? .null,
        "unrecorded_consents": lead["unrecorded_consents"] ?? .array([]),
      ], receipt: written.receipt)
  }

  /// What the lead's own event says: the same, whenever it is asked for again.
  private static func lead(
    _ receipt: WriteReceipt, _ exchange: Exchange
  ) throws(APIError) -> JSON {
    do {
      guard let last = receipt.events.last,
        let position = RecordedDomainEvent.position(ofEventID: last),
        let event = try exchange.engine.log.read(
          after: position - 1, limit: 1, filter: EventFilter(org: OrgID(exchange.org.value))
        ).events.first
      else { throw CommandError.unreadable(reason: "a lead without its event") }
      return try EventJSON.data(of: event)
    } catch let error as CommandError {
      throw APIError(error)
    } catch let error as EventLogError {
      throw APIError(.log(error))
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
  }

  private static func request(_ fields: inout Fields) -> LeadRequest {
    let page = fields.string("page")
    let source = fields.string("source", limit: 200)
    var utm = LeadOrigin.Campaign()
    if let object = fields.value("utm")?.object {
      // The schema has seen to the types.
      utm = LeadOrigin.Campaign(
        source: object["source"]?.string, medium: object["medium"]?.string,
        campaign: object["campaign"]?.string, term: object["term"]?.string,
        content: object["content"]?.string)
    }
    let origin = LeadOrigin(
      utm: utm, page: page, referrer: fields.string("referrer"), ip: fields.string("ip", limit: 45))
    var consents: [ConsentRequest] = []
    for (index, item) in (fields.value("consents")?.array ?? []).enumerated() {
      guard let object = item.object else { continue }
      var consent = Fields(object, prefix: "consents[\(index)].")
      let form = source ?? page ?? "web form"
      if let request = LeadRoutes.consent(&consent, form: form) { consents.append(request) }
      fields.adopt(consent.finishNested())
    }
    var contact = ContactInput.person(&fields)
    contact.source = source ?? "web form"
    contact.consents = consents
    return LeadRequest(contact: contact, origin: origin)
  }

  private static func consent(_ fields: inout Fields, form: String) -> ConsentRequest? {
    let channel = fields.choice("channel", Channel.self, required: true)
    let purpose = fields.choice("purpose", Purpose.self) ?? .marketing
    let wording = fields.string("wording", required: true, limit: 5_000)
    let source = fields.string("source", limit: 500) ?? form
    let ip = fields.string("ip", limit: 45)
    guard let channel, let wording else { return nil }
    return ConsentRequest(
      channel: channel, purpose: purpose, method: .webForm, source: source, wording: wording,
      ip: ip)
  }
}
