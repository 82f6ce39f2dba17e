import Domain
import JSON

/// A query parameter or a request header of an operation.
package struct Parameter: Sendable {
  package enum Place: String, Sendable {
    case query, header
  }

  package enum Style: Sendable, Equatable {
    /// The value as text.
    case plain
    /// Several values between commas.
    case commas
    /// A JSON document.
    case json
    /// Keys of an order between commas, `-` before one that goes down. It begins with one of these.
    case order
  }

  package let name: String
  package let place: Place
  package let schema: Schema
  package let style: Style
  package let isRequired: Bool
  package let description: String

  package static func query(
    _ name: String, _ schema: Schema, _ description: String = "", style: Style = .plain,
    required: Bool = false
  ) -> Parameter {
    Parameter(
      name: name, place: .query, schema: schema, style: style, isRequired: required,
      description: description)
  }

  package static func header(
    _ name: String, _ schema: Schema, _ description: String, required: Bool = false
  ) -> Parameter {
    Parameter(
      name: name, place: .header, schema: schema, style: .plain, isRequired: required,
      description: description)
  }

  // MARK: Those that many operations share

  package static let limit = query("limit", .int(1...200), "How many at most; 50 where not given.")
  package static let after = query(
    "after", .string(1...7_000), "`next` of a page: those behind it.")
  static let before = query("before", .string(1...7_000), "`previous` of a page: those before it.")
  /// The keys, each both ways, the usual order first.
  static func sort(_ names: [String]) -> Parameter {
    query(
      "sort", .array(.choice(names), 1...names.count / 2).stating(["uniqueItems": true]),
      "`\(names[0])` where not given. Several keys between commas: the next decides where those before it are "
        + "equal; `-` goes down.", style: .order)
  }
  package static let from = query("from", .time, "Not before this time.")
  package static let to = query("to", .time, "Not after this time.")
  package static let count = query(
    "count", .choice(["exact", "none"]), "`exact` adds `total`, the number of all that fit.")
  package static let filter = query(
    "filter", FilterSchema.rows,
    "The grammar of segments, as JSON, about the fields of what is listed: "
      + "`{\"field\": \"name\", \"op\": \"eq\", \"value\": \"Spring\"}`; "
      + "a field inside another is `verdict.outcome`. A page ends where looking takes longer than a read "
      + "may: it has what was found, maybe nothing, and `next`.",
    style: .json)
  /// Of contacts, which are found by what happened to them, too.
  static let contactFilter = query(
    "filter", FilterSchema.people, "A segment's filter, as JSON.", style: .json)
  package static let dryRun = query(
    "dry_run", .bool, "Tells what would follow, and writes nothing.")
  package static let minPosition = header(
    "Min-Position", .count,
    "`Log-Position` of a write that the answer has to include.")
  package static let wait = query(
    "wait", .int(0...10_000),
    "How many milliseconds to wait at most for `Min-Position`; 5000 where not given.")
  /// Of a write.
  static let waitForProjection = query(
    "wait", .choice(["projection"]),
    "The answer comes once every read model has what was written, or after five seconds: `Read-Position` says how "
      + "far they are.")
  package static let asOf = query(
    "as_of", .pattern(TextPattern.moment, 1...64),
    "Everything as it was: after a position of the log, an event (`evt_…`), or at a time.")
  package static let ifMatch = header(
    "If-Match", .pattern(TextPattern.versions, 1...1_000),
    "The `ETag` that was read, or several between commas; refused with 412 where none of them is the present one. "
      + "`*`: any.")
  static let actorReason = header(
    "X-Actor-Reason", .string(1...500),
    "Why it is done, stored with the events for good: write nobody's personal data here.")
  static let apiVersion = header(
    "Api-Version", .constant(APIVersion.current.text), "The date version that is spoken.")
  /// `names`: the fields of what is read.
  static func fields(_ names: [String]) -> Parameter {
    query(
      "fields", .array(.choice(names), 1...100),
      "Only these fields, between commas: the answer then lacks the others.", style: .commas)
  }
  static func expand(_ names: [String]) -> Parameter {
    let path = #"^(\#(names.joined(separator: "|")))(\.[^.,\u0000]+){0,3}$"#
    return query(
      "expand", .array(.pattern(path, 1...200), 1...20),
      "Ids to be replaced by their objects, between commas, up to four deep: `contact`, `run.contact`.",
      style: .commas)
  }
  package static let account = header(
    "Account", .id(.org), "The client account that an agency acts on.")
  package static func idempotencyKey(required: Bool) -> Parameter {
    header(
      "Idempotency-Key", .string(1...255),
      "Any unique text: the same key and request are carried out once, for ever.",
      required: required)
  }
}

extension Parameter {
  /// The text as the JSON value that the schema speaks about; nil where it cannot be one.
  func value(_ text: String) -> JSON? {
    switch style {
    case .json: return try? JSON(parsing: text)
    case .commas, .order:
      return .array(
        text.split(separator: ",", omittingEmptySubsequences: true).map {
          .string(String($0))
        })
    case .plain:
      switch schema.shape {
      case .integer: return Int64(text).map(JSON.int) ?? .string(text)
      case .boolean: return text == "true" ? true : text == "false" ? false : .string(text)
      case .number: return Double(text).map(JSON.double) ?? .string(text)
      case .anything, .text, .array, .object, .either: return .string(text)
      }
    }
  }

  func problems(in text: String) -> [APIError.Detail] {
    if case .order = style { return SortOrder.problems(in: text, self) }
    guard let value = value(text) else {
      return [
        APIError.Detail(param: name, code: "invalid_json", message: "\(name) is not valid JSON.")
      ]
    }
    return schema.problems(in: value, at: name)
  }
}
