import JSON

/// A value of a document and where it stands: what the workflow parser reads, whatever it was written in.
struct DocumentNode: Equatable, Sendable {
  enum Content: Equatable, Sendable {
    /// A text, number, boolean or null.
    case scalar(JSON)
    case list([DocumentNode])
    case map([Field])
  }

  struct Field: Equatable, Sendable {
    let name: String
    /// Where the name stands.
    let place: Place
    let value: DocumentNode
  }

  /// From 1.
  struct Place: Equatable, Sendable {
    let line: Int
    let column: Int
  }

  let content: Content
  let place: Place

  subscript(name: String) -> DocumentNode? {
    guard case .map(let fields) = content else { return nil }
    return fields.first { $0.name == name }?.value
  }

  var fields: [Field]? {
    guard case .map(let fields) = content else { return nil }
    return fields
  }

  var list: [DocumentNode]? {
    guard case .list(let items) = content else { return nil }
    return items
  }

  /// A scalar as a text; a number or boolean as it would be written.
  var text: String? {
    guard case .scalar(let json) = content else { return nil }
    switch json {
    case .string(let text): return text
    case .int(let number): return String(number)
    case .double(let number): return number.description
    case .bool(let flag): return flag ? "true" : "false"
    case .null, .array, .object: return nil
    }
  }

  var json: JSON {
    switch content {
    case .scalar(let json): json
    case .list(let items): .array(items.map(\.json))
    case .map(let fields): .object(JSONObject(fields.map { ($0.name, $0.value.json) }))
    }
  }

  /// The place of the node at a path such as `all[1].not.op`, or of the last node on the way.
  func place(at path: String) -> Place {
    var node = self
    for step in path.split(whereSeparator: { ".[]".contains($0) }) {
      if let items = node.list, let index = Int(step), items.indices.contains(index) {
        node = items[index]
      } else if let field = node.fields?.first(where: { $0.name == step }) {
        node = field.value
      } else {
        return node.place
      }
    }
    return node.place
  }
}
