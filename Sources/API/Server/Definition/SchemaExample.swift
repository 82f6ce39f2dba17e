import Domain
import JSON

extension Schema {
  /// A value that fits, made of what each part says of itself: what an answer looks like.
  var example: JSON { example(of: "", depth: 0) }

  private func example(of name: String, depth: Int) -> JSON {
    if let telling = Self.telling[name], problems(in: telling, at: "").isEmpty { return telling }
    switch shape {
    case .anything: return .object(JSONObject())
    case .boolean: return true
    case .integer(let range): return .int(min(max(1, range.lowerBound), range.upperBound))
    case .number(let range):
      return .double(range.map { min(max(1, $0.lowerBound), $0.upperBound) } ?? 1)
    case .text(let rule): return .string(rule.example)
    case .array(let item, let count):
      // What holds itself ends here.
      guard depth < Self.exampleDepth || count.lowerBound > 0 else { return [] }
      guard count.upperBound > 0 else { return [] }
      return .array(
        Array(repeating: item.example(of: name, depth: depth + 1), count: max(1, count.lowerBound)))
    case .object(let properties, let others):
      return Self.example(properties, others, depth: depth)
    case .either(let schemas):
      return schemas.first?.example(of: name, depth: depth + 1) ?? .null
    }
  }

  private static func example(
    _ properties: [Property], _ others: Others, depth: Int
  ) -> JSON {
    var object = JSONObject()
    for property in properties where property.isRequired || depth < exampleDepth {
      let isDeep = depth >= exampleDepth && property.schema.isNullable
      object[property.name] =
        isDeep ? .null : property.schema.example(of: property.name, depth: depth + 1)
    }
    if case .each(let schema) = others, depth < exampleDepth {
      object["name"] = schema.example(of: "", depth: depth + 1)
    }
    return .object(object)
  }

  private static let exampleDepth = 6

  /// Values that say more than a text would, by the names of fields; taken where they fit.
  private static let telling: [String: JSON] = [
    "first_name": "Ann", "last_name": "Lee", "company": "Northwind", "email": "ann@example.com",
    "phone": "+14155552671", "raw_phone": "(415) 555-2671", "tags": ["vip"],
    "source": "pricing page", "name": "Spring", "subject": "Doors open at nine",
    "body": "Hi Ann, doors open at nine.", "from": "+13125558000", "to": "+14155552671",
    "url": "https://example.com/hook", "types": ["message.*"], "type": "contact.created",
    "actor": "user:usr_01jd3x0000000000000000000a", "origin": "api", "role": "developer",
    "correlation": "req_01jd3x0000000000000000000a", "time_zone": "America/Chicago",
    "scopes": ["contacts:*"], "custom": ["plan": "gold"], "has_more": false, "next": nil,
    "previous": nil, "dry_run": true, "error_code": nil, "code": "ok", "steps": [],
    "filter": ["field": "tags", "op": "contains", "value": "vip"], "erased": false,
    "archived": false, "currency": "usd",
  ]
}

extension Schema.TextRule {
  fileprivate var example: String {
    switch self {
    case .choice(let values): values.first ?? ""
    case .id(let kind): "\(kind.rawValue)_01jd3x0000000000000000000a"
    case .time: "2026-11-21T08:00:00.000Z"
    case .format("email", _): "ann@example.com"
    case .format("uri", _): "https://example.com"
    case .format(_, let length), .length(let length): Self.text(length)
    }
  }

  private static func text(_ length: ClosedRange<Int>) -> String {
    let word = "text"
    let filled = word + String(repeating: "x", count: max(0, length.lowerBound - word.count))
    return String(filled.prefix(length.upperBound))
  }
}
