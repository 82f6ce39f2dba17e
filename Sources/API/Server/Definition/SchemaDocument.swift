import Domain
import JSON

extension Schema {
  /// As JSON Schema 2020-12. Named schemas are collected in `components` and referred to.
  func document(_ components: inout [String: JSON]) -> JSON {
    guard let name else { return inline(&components) }
    if components[name] == nil {
      // Stands first, so that a schema that contains itself ends.
      components[name] = .null
      components[name] = bare.inline(&components)
    }
    let reference: JSON = ["$ref": .string("#/components/schemas/\(name)")]
    guard isNullable || !description.isEmpty else { return reference }
    var object = JSONObject()
    if !description.isEmpty { object["description"] = .string(description) }
    if isNullable {
      object["anyOf"] = [reference, ["type": "null"]]
    } else {
      object["allOf"] = [reference]
    }
    return .object(object)
  }

  private func inline(_ components: inout [String: JSON]) -> JSON {
    var object = shape.document(&components)
    if !description.isEmpty { object["description"] = .string(description) }
    if isNullable {
      if let type = object["type"] {
        object["type"] = [type, "null"]
        if let values = object["enum"]?.array { object["enum"] = .array(values + [.null]) }
      } else if let any = object["anyOf"]?.array {
        object["anyOf"] = .array(any + [["type": "null"]])
      }
    }
    for statement in rules.flatMap(\.statements) + statements { object.state(statement()) }
    if isText, object["pattern"] == nil { object["pattern"] = .string(TextPattern.text) }
    return .object(object)
  }

  /// Whether it is any text of ours; a file is none.
  private var isText: Bool {
    switch shape {
    case .text(.length(let length)), .text(.format(_, let length)): length.upperBound < Int.max
    case .text, .anything, .boolean, .integer, .number, .array, .object, .either: false
    }
  }
}

extension Schema.Shape {
  fileprivate func document(_ components: inout [String: JSON]) -> JSONObject {
    switch self {
    case .anything: return JSONObject()
    case .boolean: return JSONObject([("type", "boolean")])
    case .number(nil): return JSONObject([("type", "number")])
    case .number(let range?):
      return JSONObject([
        ("type", "number"), ("minimum", .double(range.lowerBound)),
        ("maximum", .double(range.upperBound)),
      ])
    case .integer(let range):
      var object = JSONObject([("type", "integer"), ("format", "int64")])
      object["minimum"] = .int(range.lowerBound)
      object["maximum"] = .int(range.upperBound)
      return object
    case .text(let rule): return rule.document
    case .array(let item, let count):
      var object = JSONObject([("type", "array"), ("items", item.document(&components))])
      if count.lowerBound > 0 { object["minItems"] = JSON(count.lowerBound) }
      if count.upperBound < 10_000 { object["maxItems"] = JSON(count.upperBound) }
      return object
    case .object(let properties, let others):
      return Self.document(properties, others, &components)
    case .either(let schemas):
      return JSONObject([("anyOf", .array(schemas.map { $0.document(&components) }))])
    }
  }

  private static func document(
    _ properties: [Schema.Property], _ others: Schema.Others, _ components: inout [String: JSON]
  ) -> JSONObject {
    var object = JSONObject([("type", "object")])
    if !properties.isEmpty {
      object["properties"] = .object(
        JSONObject(
          properties.map { (key: $0.name, value: $0.schema.document(&components)) }))
    }
    let required = properties.filter(\.isRequired).map { JSON.string($0.name) }
    if !required.isEmpty { object["required"] = .array(required) }
    switch others {
    case .refused: object["additionalProperties"] = false
    case .ignored: break
    case .each(let schema): object["additionalProperties"] = schema.document(&components)
    }
    return object
  }
}

extension Schema.TextRule {
  fileprivate var document: JSONObject {
    var object = JSONObject([("type", "string")])
    switch self {
    case .length(let length): Self.add(length, to: &object)
    case .format(let format, let length):
      object["format"] = .string(format)
      Self.add(length, to: &object)
    case .choice(let values): object["enum"] = .array(values.map(JSON.string))
    case .id(let kind):
      object["pattern"] = .string("^\(kind.rawValue)_\(TextPattern.idBody)$")
    case .time: object["format"] = "date-time"
    }
    return object
  }

  private static func add(_ length: ClosedRange<Int>, to object: inout JSONObject) {
    if length.lowerBound > 0 { object["minLength"] = JSON(length.lowerBound) }
    if length.upperBound < Int.max { object["maxLength"] = JSON(length.upperBound) }
  }
}
