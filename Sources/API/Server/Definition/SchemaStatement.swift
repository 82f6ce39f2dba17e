import Application
import Domain
import JSON

// What the document says of a value beyond its shape: keywords of JSON Schema 2020-12 that tell beforehand what a rule
// or a handler refuses. The server itself never reads them.
//
// They are `if`, `pattern` and the like, which generators of clients pass over. An `anyOf` stands behind an `if` that
// always holds: of one beside `properties` they make a union of types, one for each of its parts. Patterns are ECMA 262 without looking around, so that other
// engines (RE2, Rust's) read them too.

extension Schema {
  /// Keywords of JSON Schema; made when the document is, since some name what all operations together have.
  typealias Statement = @Sendable () -> JSON

  /// `{name: value}`
  static func one(_ name: String, _ value: JSON) -> JSON {
    .object(JSONObject([(key: name, value: value)]))
  }

  /// With one of the fields at least.
  static func given(_ fields: [String]) -> JSON {
    one(of: fields.map(isGiven))
  }

  /// With a text in the field that is not blank.
  static func isGiven(_ field: String) -> JSON {
    [
      "required": [.string(field)],
      "properties": one(field, ["type": "string", "pattern": .string(TextPattern.notBlank)]),
    ]
  }

  /// Whether `field` is one of the words. `orMissing`: or is not there.
  static func isOne(_ field: String, of words: [String], orMissing: Bool = false) -> JSON {
    var condition = JSONObject()
    condition["properties"] = one(field, ["enum": .array(words.map(JSON.string))])
    if !orMissing { condition["required"] = [.string(field)] }
    return .object(condition)
  }

  /// With all of the one, and nothing of the other. Also what is null counts as there.
  static func fields(required: [String] = [], absent: [String] = []) -> JSON {
    var object = JSONObject()
    if !required.isEmpty { object["required"] = .array(required.map(JSON.string)) }
    if !absent.isEmpty {
      object["properties"] = .object(JSONObject(absent.map { (key: $0, value: ["not": [:]]) }))
    }
    return .object(object)
  }

  /// With the one or the other, or without the field.
  static func isFlag(_ field: String, _ value: Bool) -> JSON {
    ["properties": one(field, ["const": .bool(value)])]
  }

  static func when(_ condition: JSON, _ then: JSON, otherwise: JSON? = nil) -> JSON {
    var object = JSONObject([("if", condition), ("then", then)])
    object["else"] = otherwise
    return .object(object)
  }

  /// All of them at once.
  static func all(_ parts: [JSON]) -> JSON { ["allOf": .array(parts)] }

  /// Exactly one of them.
  static func exactlyOne(_ parts: [JSON]) -> JSON { when([:], ["oneOf": .array(parts)]) }

  /// One of them at least.
  static func one(of parts: [JSON]) -> JSON { when([:], ["anyOf": .array(parts)]) }
}

extension JSONObject {
  /// Adds what a statement says: what the object says of the same already stays true beside it.
  mutating func state(_ statement: JSON) {
    let keywords = statement.object ?? JSONObject()
    // Some mean something together, as `if` and `then`.
    if keywords.fields.allSatisfy({ self[$0.key] == nil }) {
      for (key, value) in keywords.fields { self[key] = value }
    } else {
      self["allOf"] = .array((self["allOf"]?.array ?? []) + [statement])
    }
  }
}

/// Regular expressions of texts.
enum TextPattern {
  /// Unicode's White_Space, inside a class of characters.
  private static let blank =
    #"\x09-\x0d\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"#

  /// No text of ours has the character NUL.
  static let text = #"^[^\x00]*$"#

  static let notBlank = #"^[^\x00]*[^\x00\#(blank)][^\x00]*$"#

  /// A name, one @ and a domain with a dot inside.
  static let email = "^\(spaces)\(address)\(spaces)$"

  static let emailOrBlank = "^(\(spaces)|\(spaces)\(address)\(spaces))$"

  private static let spaces = "[\(blank)]*"
  private static let sign = #"[^\x00@\#(blank)]"#
  private static let end = #"[^\x00@.\#(blank)]"#
  private static let address = #"\#(sign)+@\#(end)\#(sign)*\.\#(sign)*\#(end)"#

  /// `http` or `https`, a host and a port that there can be.
  static let webAddress =
    #"^https?://([A-Za-z0-9._-]+|\[(\#(address6))\])"#
    + "(:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    + #"([/?#][\x21-\x7e]*)?$"#

  /// Eight groups, or fewer around one `::`.
  private static let address6 =
    (["(\(group):){7}\(group)", "(\(group):){1,7}:"]
    + (1...6).map { "(\(group):){1,\(7 - $0)}(:\(group)){1,\($0)}" } + [":((:\(group)){1,7}|:)"])
    .joined(separator: "|")
  private static let group = "[0-9A-Fa-f]{1,4}"

  private static let time =
    #"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"#
    + #"([Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,30})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"#

  /// A position of the log, an event's id or a time.
  static let moment = "^(\(aMoment))$"

  /// The same, or a version: `v3`.
  static let momentOrVersion = "^(v[0-9]{1,19}|\(aMoment))$"

  private static let aMoment = "[0-9]{1,19}|evt_\(idBody)|\(time)"

  /// Any version, one without quotes, or entity tags between commas.
  static let versions = #"^(\*|v[0-9]{1,19}|\#(tag)([ \t]*,[ \t]*\#(tag))*)$"#
  private static let tag = #"(W/)?"v[0-9]{1,19}""#

  /// A position of the log, or `now`.
  static let positionOrNow = "^([0-9]{1,19}|now)$"

  /// One of the words, or an id of the kind.
  static func word(_ words: [String], orID kind: Identifier.Kind) -> String {
    "^(\(words.joined(separator: "|"))|\(kind.rawValue)_\(idBody))$"
  }

  /// What stands behind the prefix of an id.
  static let idBody = "[0-7][0-9a-hjkmnp-tv-z]{25}"
}
