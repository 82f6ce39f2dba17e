// Which errors follow from a definition: from the shapes that it asks for, from the rules beside them and from the
// parameters that it takes. What a handler or a command refuses on its own is in the definition's `refuses`.

extension Schema {
  /// The codes that a value of the wrong shape, or one that a rule refuses, is answered with.
  var faultCodes: Set<String> {
    var codes = shape.faultCodes
    for rule in rules { codes.formUnion(rule.codes) }
    return codes
  }
}

extension Schema.Shape {
  fileprivate var faultCodes: Set<String> {
    switch self {
    case .anything: []
    case .boolean, .number(nil): ["invalid_type"]
    case .integer, .number: ["invalid_type", "out_of_range"]
    case .text(let rule): rule.faultCodes
    case .array(let item, let count):
      item.faultCodes.union(
        ["invalid_type", "too_many"] + (count.lowerBound > 0 ? ["required"] : []))
    case .object(let properties, let others):
      properties.reduce(into: others.faultCodes) { codes, property in
        codes.formUnion(property.schema.faultCodes)
        if property.isRequired { codes.insert("required") }
      }
    case .either(let schemas): schemas.reduce(into: []) { $0.formUnion($1.faultCodes) }
    }
  }
}

extension Schema.Others {
  fileprivate var faultCodes: Set<String> {
    switch self {
    case .refused: ["invalid_type", "unknown_parameter"]
    case .ignored: ["invalid_type"]
    case .each(let schema): schema.faultCodes.union(["invalid_type"])
    }
  }
}

extension Schema.TextRule {
  /// No text may hold the character NUL: `invalid_value`.
  fileprivate var faultCodes: Set<String> {
    switch self {
    case .length(let length), .format(_, let length):
      Set(
        ["invalid_type", "invalid_value", "too_long"] + (length.lowerBound > 0 ? ["required"] : []))
    case .choice: ["invalid_type", "invalid_value"]
    case .id: ["invalid_type", "invalid_value", "invalid_id"]
    case .time: ["invalid_type", "invalid_value", "invalid_time"]
    }
  }
}

extension Parameter {
  var faultCodes: Set<String> {
    var codes = schema.faultCodes.union(["repeated_parameter"])
    if isRequired, place == .query { codes.insert("required") }
    if style == .json { codes.insert("invalid_json") }
    codes.formUnion(Self.meant[name] ?? [])
    return codes
  }

  /// What those that many operations share refuse beyond their shape.
  private static let meant: [String: [String]] = [
    asOf.name: ["invalid_as_of"],
    filter.name: ["invalid_filter"],
    expand([]).name: ["answer_too_large", "out_of_range", "too_many", "unknown_parameter"],
    minPosition.name: ["invalid_position", "position_in_future"],
    ifMatch.name: ["invalid_version"],
    apiVersion.name: ["invalid_api_version"],
    idempotencyKey(required: false).name: ["out_of_range"],
  ]
}

extension Operation {
  /// What a malformed request is answered with.
  static func faultCodes(
    _ method: String, _ parameters: [Parameter], _ body: RequestBody?,
    _ idempotency: IdempotencyRule
  ) -> [String] {
    // Of parameters that nobody knows, of a body that nobody wants.
    var codes: Set<String> = [
      "unknown_parameter", "repeated_parameter", "invalid_json", "malformed_request",
    ]
    for parameter in parameters { codes.formUnion(parameter.faultCodes) }
    if let body {
      for content in body.contents { codes.formUnion(content.schema.faultCodes) }
      if body.isRequired { codes.insert("required") }
    } else {
      codes.insert("unexpected_body")
    }
    if idempotency == .required { codes.insert("idempotency_key_required") }
    if method != "GET" { codes.insert("unsupported_header") }
    return codes.sorted()
  }
}
