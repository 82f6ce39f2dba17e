package import JSON

/// A value of a YAML text that knows where it stands.
///
///     let workflow = try YAMLNode(parsing: text)
///     guard let name = workflow["name"]?.string else { … workflow.position … }
///
/// The subset: one document; YAML 1.2's core schema, so `yes`, `no`, `on` and `off` are texts; no
/// anchors, aliases, merge keys or tags (but `!!str`), keys are scalars and unique.
package struct YAMLNode: Sendable {
  package enum Content: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case sequence([YAMLNode])
    case mapping([Entry])
  }

  package struct Entry: Sendable {
    package let key: String
    package let keyPosition: YAMLPosition
    package let value: YAMLNode
  }

  package struct Limits: Sendable {
    package var byteCount = 1 << 20
    package var depth = 64
    package var nodeCount = 50_000

    package init() {}
  }

  package let content: Content
  package let position: YAMLPosition
  /// A scalar as it is written, without quotes: `02134` stays that where a text is wanted, while the
  /// core schema reads the number 2134. Nil for sequences and mappings.
  package let text: String?

  init(content: Content, position: YAMLPosition, text: String? = nil) {
    self.content = content
    self.position = position
    self.text = text
  }

  /// - Throws: `YAMLError`, with the place. An empty text is null.
  package init(parsing text: String, limits: Limits = Limits()) throws(YAMLError) {
    try self.init(parsing: Array(text.utf8), limits: limits)
  }

  /// UTF-8, or UTF-16 with a byte order mark.
  package init(parsing bytes: [UInt8], limits: Limits = Limits()) throws(YAMLError) {
    guard bytes.count <= limits.byteCount else {
      throw YAMLError(
        kind: .tooLarge(limitBytes: limits.byteCount), position: YAMLPosition(line: 1, column: 1))
    }
    var builder = YAMLTreeBuilder(bytes, limits: limits)
    self = try builder.document()
  }
}

extension YAMLNode {
  package var string: String? {
    guard case .string(let value) = content else { return nil }
    return value
  }

  package var int: Int64? {
    guard case .int(let value) = content else { return nil }
    return value
  }

  package var double: Double? {
    switch content {
    case .double(let value): value
    case .int(let value): Double(value)
    case .null, .bool, .string, .sequence, .mapping: nil
    }
  }

  package var bool: Bool? {
    guard case .bool(let value) = content else { return nil }
    return value
  }

  package var isNull: Bool {
    guard case .null = content else { return false }
    return true
  }

  package var sequence: [YAMLNode]? {
    guard case .sequence(let items) = content else { return nil }
    return items
  }

  package var mapping: [Entry]? {
    guard case .mapping(let entries) = content else { return nil }
    return entries
  }

  /// The value under `key` of a mapping.
  package subscript(key: String) -> YAMLNode? {
    mapping?.first { $0.key == key }?.value
  }

  package subscript(index: Int) -> YAMLNode? {
    guard let items = sequence, items.indices.contains(index) else { return nil }
    return items[index]
  }

  /// The value without its places. Mappings keep the order of their keys.
  package var json: JSON {
    switch content {
    case .null: .null
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .double(let value): .double(value)
    case .string(let value): .string(value)
    case .sequence(let items): .array(items.map(\.json))
    case .mapping(let entries):
      .object(JSONObject(entries.map { (key: $0.key, value: $0.value.json) }))
    }
  }
}
