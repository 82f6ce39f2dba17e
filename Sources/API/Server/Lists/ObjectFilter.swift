import Application
import Domain
import EventCodec
import HTTP
import JSON

/// `filter` about the objects of a list: the segments' grammar over the fields that the list shows.
struct ObjectFilter {
  private let filter: Filter

  /// nil where none was asked for.
  ///
  /// - Throws: 400 for what is no filter, and for fields that the objects do not have.
  init?(_ exchange: Exchange) throws(APIError) {
    guard let text = exchange.query("filter") else { return nil }
    do {
      filter = try FilterGrammar.asked(try JSON(parsing: text))
    } catch {
      throw .invalid("filter", "invalid_filter", "\(error)")
    }
    let schema = exchange.operation.answers.first?.itemSchema
    for leaf in filter.dependencies {
      guard let schema, schema.has(leaf.split(separator: ".")[...]) else {
        throw .invalid(
          "filter", "invalid_filter", "There is no field \(leaf.prefix(100)) to filter by here.")
      }
    }
  }

  func matches(_ item: JSON, atMicros nowMicros: Micros) -> Bool {
    filter.holds(atMicros: nowMicros) { field in
      Self.values(at: field.split(separator: ".")[...], in: item)
    }
  }

  /// What stands at a path: everything of a list, nothing for null.
  private static func values(at path: ArraySlice<Substring>, in json: JSON) -> [FieldValue] {
    if let items = json.array { return items.flatMap { values(at: path, in: $0) } }
    if let name = path.first {
      return json[String(name)].map { values(at: path.dropFirst(), in: $0) } ?? []
    }
    return FieldValue(json: json).map { [$0] } ?? []
  }
}

extension Schema {
  /// Whether something can stand at a path of field names.
  fileprivate func has(_ path: ArraySlice<Substring>) -> Bool {
    guard let name = path.first else {
      if case .object = shape { return false }
      return true
    }
    switch shape {
    case .anything: return true
    case .array(let item, _): return item.has(path)
    case .either(let schemas): return schemas.contains { $0.has(path) }
    case .object(let properties, let others):
      if let property = properties.first(where: { $0.name == name }) {
        return property.schema.has(path.dropFirst())
      }
      if case .each(let schema) = others { return schema.has(path.dropFirst()) }
      return false
    case .boolean, .integer, .number, .text: return false
    }
  }
}

extension AnswerDefinition {
  /// What the list is a list of; nil for everything else.
  var itemSchema: Schema? {
    guard let json = contents.first(where: { $0.mediaType == "application/json" }),
      case .object(let properties, _) = json.schema.shape,
      case .array(let item, _)? = properties.first(where: { $0.name == "data" })?.schema.shape
    else { return nil }
    return item
  }
}
