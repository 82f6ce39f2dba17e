import Domain
import JSON

// What several payloads share: how ids, optional fields and field values look in JSON.

extension JSONWriter {
  mutating func field(_ name: String, _ value: Identifier) { field(name, value.text) }

  mutating func field(_ name: String, _ value: some RawRepresentable<String>) {
    field(name, value.rawValue)
  }

  mutating func field(_ name: String, _ value: Int) { field(name, Int64(value)) }

  mutating func field(_ name: String, _ values: [Identifier]) {
    array(name, values) { $1.string($0.text) }
  }

  mutating func field(_ name: String, _ values: [Int64]) {
    array(name, values) { $1.int($0) }
  }

  mutating func optional(_ name: String, _ value: String?) {
    if let value { field(name, value) }
  }

  mutating func optional(_ name: String, _ value: Identifier?) {
    if let value { field(name, value) }
  }

  mutating func optional(_ name: String, _ value: Int64?) {
    if let value { field(name, value) }
  }

  mutating func optional(_ name: String, _ value: (some RawRepresentable<String>)?) {
    if let value { field(name, value) }
  }

  mutating func objects<Value>(
    _ name: String, _ values: [Value], _ write: (Value, inout JSONWriter) -> Void
  ) {
    array(name, values) { value, writer in
      writer.beginObject()
      write(value, &writer)
      writer.endObject()
    }
  }

  private mutating func array<Value>(
    _ name: String, _ values: [Value], _ write: (Value, inout JSONWriter) -> Void
  ) {
    key(name)
    beginArray()
    for value in values { write(value, &self) }
    endArray()
  }
}

extension JSONWriter {
  /// Names and texts, in order of the names.
  mutating func pairs(_ name: String, _ values: [String: String]) {
    object(name) { object in
      for (key, value) in values.sorted(by: { $0.key < $1.key }) { object.field(key, value) }
    }
  }
}

extension FieldReader {
  mutating func pairs(_ name: StaticString) throws(CodecError) -> [String: String] {
    guard let object = try json(name).object else { throw error(name) }
    var values: [String: String] = [:]
    for (key, value) in object.fields {
      guard let text = value.string else { throw error(name) }
      values[key] = text
    }
    return values
  }
}

// MARK: - Field values

extension FieldValue {
  /// A JSON text, number or boolean.
  package var json: JSON {
    switch self {
    case .text(let text): .string(text)
    case .number(let number): .double(number)
    case .flag(let flag): .bool(flag)
    }
  }

  /// nil where `json` is null, an array or an object.
  package init?(json: JSON) {
    switch json {
    case .string(let text): self = .text(text)
    case .int(let number): self = .number(Double(number))
    case .double(let number): self = .number(number)
    case .bool(let flag): self = .flag(flag)
    case .null, .array, .object: return nil
    }
  }
}
