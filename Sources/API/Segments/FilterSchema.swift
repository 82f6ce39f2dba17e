import Application
import Domain
import EventCodec
import JSON

/// The grammar of filters as JSON Schema. The parser of filters (`FilterGrammar`) checks it, and names the place of a
/// fault.
enum FilterSchema {
  /// About contacts: their fields, and what happened to them.
  static let people = Schema.map(.anything).named("ContactFilter").stating(
    grammar(of: "ContactFilter", conditions: contactConditions + [happened]))

  /// About the fields of a list's objects, which differ by the list.
  static let rows = Schema.map(.anything).named("ListFilter").stating(
    grammar(
      of: "ListFilter",
      conditions: [
        condition(on: ["type": "string"], operators { _ in true }, anyValue),
        condition(on: ["type": "string"], [.exists], ["type": "boolean"]),
      ]))

  private static func grammar(of name: String, conditions: [JSON]) -> JSON {
    let itself: JSON = ["$ref": .string("#/components/schemas/\(name)")]
    let groups = ["all", "any"].map { one($0, ["type": "array", "items": itself]) }
    return Schema.exactlyOne(groups + [one("not", itself)] + conditions)
  }

  private static func one(_ name: String, _ schema: JSON) -> JSON {
    [
      "required": [.string(name)], "properties": Schema.one(name, schema),
      "additionalProperties": false,
    ]
  }

  private static func condition(
    on field: JSON, _ operators: [Filter.Condition.Operator], _ value: JSON
  ) -> JSON {
    let named = JSON.array(operators.map { .string($0.rawValue) })
    return [
      "required": operators == [.exists] ? ["field", "op"] : ["field", "op", "value"],
      "properties": ["field": field, "op": ["enum": named], "value": value],
      "additionalProperties": false,
    ]
  }

  private static func operators(
    _ isWanted: (Filter.Condition.Operator) -> Bool
  ) -> [Filter.Condition.Operator] {
    Filter.Condition.Operator.allCases.filter(isWanted).filter { $0 != .exists }
  }

  private static let anyValue: JSON = ["type": ["string", "number", "boolean"]]
  private static let duration: JSON = ["type": "string", "pattern": "^[0-9]{1,7}[dhm]$"]

  private static var contactConditions: [JSON] {
    let standard = words(Filter.standardFields.sorted())
    let custom: JSON = ["type": "string", "pattern": #"^custom\.[^\x00]+$"#]
    let consents = words(Filter.consentFields.sorted())
    let createdAt = words([Filter.createdAtField])
    return [
      condition(on: words(["tags"]), [.contains], anyValue),
      condition(on: consents, [.equals, .notEquals], words(["opted_in", "opted_out", "none"])),
      condition(
        on: createdAt, [.greater, .greaterOrEqual, .less, .lessOrEqual],
        ["type": "string", "format": "date-time"]),
      condition(on: createdAt, [.inLast, .olderThan], duration),
      condition(
        on: ["anyOf": [standard, custom]], operators { !$0.isRelative }, anyValue),
      condition(on: custom, operators { $0.isRelative }, duration),
      condition(
        on: ["anyOf": [words(["tags"]), standard, custom]], [.exists], ["type": "boolean"]),
    ]
  }

  private static var happened: JSON {
    [
      "required": ["event"],
      "properties": [
        "event": words(Activity.Kind.allCases.map(\.rawValue)),
        "op": words(operators { $0.isOfNumbers }.map(\.rawValue)),
        "count": [
          "type": "integer", "minimum": 0, "maximum": JSON(Activity.countLimit),
        ],
        "within": duration,
      ],
      "additionalProperties": false,
    ]
  }

  private static func words(_ words: [String]) -> JSON {
    ["enum": .array(words.map(JSON.string))]
  }
}
