import HTTP
import JSON

/// The list of contacts for conditions that are too long for a query: the same parameters, as a body.
enum ContactSearch {
  static func operation(over contacts: Operation) -> Operation {
    guard let definition = contacts.list else { preconditionFailure("contacts are a list") }
    let parameters = contacts.parameters.filter {
      $0.place == .query && !notInBody.contains($0.name)
    }
    let names = parameters.map(\.name)
    return Operation(
      "POST", "/api/contacts/search", .scope("contacts:read"), "Search contacts",
      details:
        "What `GET /api/contacts` takes as parameters, as a body: the same answer. The next page is the same body "
        + "with `next` as `after`. Nothing is written.",
      parameters: [.minPosition, .wait],
      body: .json(
        Schema.input(
          "ContactSearch",
          parameters.map { .optional($0.name, $0.schema, $0.description) }),
        example: [
          "filter": ["all": [["field": "tags", "op": "contains", "value": "vip"]]],
          "sort": "-created_at", "limit": 50,
        ]), answers: [.ok(.list(of: ContactSchemas.contact))],
      refuses: [
        400: [
          "cursor_expired", "invalid_as_of", "invalid_cursor", "invalid_filter", "invalid_phone",
        ],
        503: [
          "read_model_behind", "read_model_unavailable", "read_timeout", "segment_recomputing",
        ],
      ], idempotency: .ignored
    ) { exchange throws(APIError) in
      var fields = try exchange.body()
      var request = exchange.request
      for name in names {
        guard let value = fields.value(name) else { continue }
        request.query.append(QueryItem(name: name, value: value.string ?? value.text))
      }
      try fields.finish()
      return try await ListReader(exchange: exchange.with(request), definition: definition).answer()
    }
  }

  /// About the request, or about how an answer to a GET is shown.
  private static let notInBody = [Parameter.wait.name, "fields", "expand"]
}
