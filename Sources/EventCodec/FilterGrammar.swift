import Domain
import JSON

/// The JSON form of a `Filter`, in events, in the API and in workflow documents:
///
///     {"all": […]}  {"any": […]}  {"not": …}  {"field": "tags", "op": "contains", "value": "vip"}
///     {"event": "message.received", "op": "gte", "count": 2, "within": "30d"}
///
/// `value` may be left out with `exists`; it then means `true`. `op` and `count` of an event may be left
/// out and mean "at least once"; without `within` all time counts.
package enum FilterGrammar {
  package static func json(_ filter: Filter) -> JSON {
    switch filter {
    case .all(let filters): ["all": .array(filters.map(json))]
    case .any(let filters): ["any": .array(filters.map(json))]
    case .not(let filter): ["not": json(filter)]
    case .condition(let condition):
      [
        "field": .string(condition.field), "op": .string(condition.comparison.rawValue),
        "value": condition.value.json,
      ]
    case .happened(let happened): json(happened)
    }
  }

  private static func json(_ happened: Filter.Happened) -> JSON {
    var object = JSONObject([
      ("event", .string(happened.kind.rawValue)), ("op", .string(happened.comparison.rawValue)),
      ("count", .int(Int64(happened.count))),
    ])
    if let window = happened.window { object["within"] = .string(window.text) }
    return .object(object)
  }

  /// The filter that `json` describes.
  ///
  /// - Throws: `FilterError` with the path of the node that is wrong: a shape that the grammar does not
  ///   have, an unknown field, or an operator or value that does not go with the field.
  package static func parse(_ json: JSON) throws(FilterError) -> Filter {
    let filter = try asked(json)
    if let problem = filter.firstProblem() {
      throw FilterError(path: problem.path, message: problem.message)
    }
    return filter
  }

  /// Conditions and groups of them. Each is looked at for every contact that changes, and for all contacts at once
  /// where the filter is new.
  package static let partLimit = 1_000

  /// Like `parse`, but fields, operators and values are not checked against each other: for objects with fields
  /// of their own.
  package static func asked(_ json: JSON) throws(FilterError) -> Filter {
    let filter = try shape(of: json)
    guard filter.partCount <= partLimit else {
      throw FilterError(
        path: "",
        message: "has \(filter.partCount) conditions and groups; a filter has at most \(partLimit)")
    }
    return filter
  }

  /// Like `asked`, and however large: what is stored stays readable, whatever fields and limits there are later.
  package static func shape(of json: JSON) throws(FilterError) -> Filter {
    try node(json, path: "")
  }

  private static func node(_ json: JSON, path: String) throws(FilterError) -> Filter {
    guard let object = json.object else {
      throw FilterError(path: path, message: "must be an object, not \(json.kind)")
    }
    if object.keys.contains("field") { return .condition(try condition(object, path: path)) }
    if object.keys.contains("event") { return .happened(try happened(object, path: path)) }
    guard object.fields.count == 1, let (key, value) = object.fields.first else {
      throw FilterError(
        path: path,
        message: "must have exactly one of `all`, `any`, `not`, or a `field` or `event`")
    }
    switch key {
    case "all": return .all(try list(value, path: path + ".all"))
    case "any": return .any(try list(value, path: path + ".any"))
    case "not": return .not(try node(value, path: path + ".not"))
    default: throw FilterError(path: path + "." + key, message: "is not known here")
    }
  }

  private static func list(_ json: JSON, path: String) throws(FilterError) -> [Filter] {
    guard let items = json.array else {
      throw FilterError(path: path, message: "must be a list, not \(json.kind)")
    }
    var filters: [Filter] = []
    for (index, item) in items.enumerated() {
      filters.append(try node(item, path: "\(path)[\(index)]"))
    }
    return filters
  }

  private static func condition(
    _ object: JSONObject, path: String
  ) throws(FilterError) -> Filter.Condition {
    for key in object.keys where !["field", "op", "value"].contains(key) {
      throw FilterError(path: path + "." + key, message: "is not known here")
    }
    guard let field = object["field"]?.string else {
      throw FilterError(path: path + ".field", message: "must be a text")
    }
    let comparison = try comparison(object["op"], path: path)
    let json = object["value"] ?? (comparison == .exists ? .bool(true) : .null)
    guard let value = FieldValue(json: json) else {
      throw FilterError(path: path + ".value", message: "must be a text, a number or a boolean")
    }
    return Filter.Condition(field: field, comparison: comparison, value: value)
  }

  private static func comparison(
    _ json: JSON?, path: String
  ) throws(FilterError) -> Filter.Condition.Operator {
    guard let comparison = json?.string.flatMap(Filter.Condition.Operator.init) else {
      let known = Filter.Condition.Operator.allCases.map(\.rawValue).joined(separator: ", ")
      throw FilterError(path: path + ".op", message: "must be one of \(known)")
    }
    return comparison
  }

  private static func happened(
    _ object: JSONObject, path: String
  ) throws(FilterError) -> Filter.Happened {
    for key in object.keys where !["event", "op", "count", "within"].contains(key) {
      throw FilterError(path: path + "." + key, message: "is not known here")
    }
    guard let kind = object["event"]?.string.flatMap(Activity.Kind.init) else {
      let known = Activity.Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw FilterError(path: path + ".event", message: "must be one of \(known)")
    }
    var happened = Filter.Happened(kind: kind)
    if let json = object["op"] { happened.comparison = try comparison(json, path: path) }
    if let json = object["count"] {
      guard let count = json.int.flatMap({ Int(exactly: $0) }) else {
        throw FilterError(path: path + ".count", message: "must be a whole number")
      }
      happened.count = count
    }
    if let json = object["within"] {
      guard let window = json.string.flatMap(Filter.Duration.init) else {
        throw FilterError(path: path + ".within", message: Filter.durationAdvice)
      }
      happened.window = window
    }
    return happened
  }
}

/// Why a filter is none: where and what. Paths look like `all[1].not.op`; empty: the filter as a whole.
package struct FilterError: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let message: String

  init(path: String, message: String) {
    self.path = path.hasPrefix(".") ? String(path.dropFirst()) : path
    self.message = message
  }

  package var code: String { "invalid_filter" }
  package var isRetryable: Bool { false }
  package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}
