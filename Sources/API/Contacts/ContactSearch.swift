import HTTP
import JSON

/// The list of contacts for conditions that are too long for a query: the same parameters, as a body.
enum ContactSearch {
  static func operation(over contacts: Operation) -> Operation {
    guard let definition = contacts.list else { preconditionFailure("contacts are a list") }
    let parameters = contacts.parameters.filter {
      $0.place == .query && $0.name != Parameter.wait.name
    }
    return Operation(
      "POST", "/api/contacts/search", .scope("contacts:read"), "Search contacts",
      details:
        "What `GET /api/contacts` takes as parameters, as a body: the same answer, and the same lines. Where that "
        + "takes several words between commas, a list of them will do. The next page is the same body with `next` as "
        + "`after`. Nothing is written.",
      parameters: [.minPosition, .wait],
      body: .json(
        Schema.input(
          "ContactSearch",
          parameters.map { .optional($0.name, $0.bodySchema, $0.description) }
        ).stating(["not": ["required": ["after", "before"]]]),
        example: [
          "filter": ["all": [["field": "tags", "op": "contains", "value": "vip"]]],
          "sort": "-created_at,id", "limit": 50,
        ]), answers: contacts.answers,
      refuses: [
        400: [
          "cursor_expired", "invalid_as_of", "invalid_cursor", "invalid_filter", "invalid_phone",
        ],
        503: [
          "read_model_behind", "read_model_unavailable", "read_timeout", "client_gone",
          "segment_recomputing",
        ],
      ], idempotency: .ignored,
      search: { exchange throws(APIError) in try request(exchange, parameters) }
    ) { exchange throws(APIError) in
      try await ListReader(exchange: exchange, definition: definition).answer()
    }
  }

  /// The request with the fields of its body as parameters.
  private static func request(
    _ exchange: Exchange, _ parameters: [Parameter]
  ) throws(APIError) -> HTTPRequest {
    var fields = try exchange.body()
    var request = exchange.request
    for parameter in parameters {
      guard let value = fields.value(parameter.name) else { continue }
      let text = parameter.text(value)
      if parameter.takesWords { fields.adopt(parameter.problems(in: text)) }
      request.query.append(QueryItem(name: parameter.name, value: text))
    }
    try fields.finish()
    return request
  }
}

extension Parameter {
  /// Whether it is several words between commas.
  fileprivate var takesWords: Bool {
    switch style {
    case .commas, .order: true
    case .plain, .json: false
    }
  }

  /// What a body holds in its place.
  fileprivate var bodySchema: Schema {
    guard takesWords else { return schema }
    let length = 1...7_000
    guard case .array(let item, _) = schema.shape, case .text(.choice(let words)) = item.shape
    else {
      return .either([.string(length), schema])
    }
    let word = "(\(words.joined(separator: "|")))"
    return .either([.pattern("^\(word)(,\(word))*$", length), schema])
  }

  /// The value of a body as the text of a query.
  fileprivate func text(_ value: JSON) -> String {
    if takesWords, let words = value.array {
      return words.map { $0.string ?? $0.text }.joined(separator: ",")
    }
    return value.string ?? value.text
  }
}
