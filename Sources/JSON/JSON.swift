/// A JSON value (RFC 8259). Objects keep the order of their fields; whole numbers that fit stay
/// `int`, so that amounts in micros never pass through a `Double`.
package enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case string(String)
  case array([JSON])
  case object(JSONObject)
}

/// The fields of an object in their order. Look-up is linear: API and event objects are small.
package struct JSONObject: Equatable, Sendable {
  package var fields: [(key: String, value: JSON)]

  package init(_ fields: [(key: String, value: JSON)] = []) { self.fields = fields }

  package var keys: [String] { fields.map(\.key) }
  package var isEmpty: Bool { fields.isEmpty }

  package subscript(key: String) -> JSON? {
    get { place(of: key).map { fields[$0].value } }
    set {
      let index = place(of: key)
      switch (index, newValue) {
      case (let index?, let value?): fields[index].value = value
      case (let index?, nil): fields.remove(at: index)
      case (nil, let value?): fields.append((key, value))
      case (nil, nil): break
      }
    }
  }

  private func place(of key: String) -> Int? {
    let fields = fields.span
    let byteCount = key.utf8.count
    // Most names that are looked at differ in their length already.
    for index in fields.indices
    where fields[index].key.utf8.count == byteCount && fields[index].key == key { return index }
    return nil
  }

  /// Equal where the same keys have the same values, in any order.
  package static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.fields.count == right.fields.count && left.fields.allSatisfy { right[$0.key] == $0.value }
  }
}

extension JSON {
  package subscript(key: String) -> JSON? {
    guard case .object(let object) = self else { return nil }
    return object[key]
  }

  package subscript(index: Int) -> JSON? {
    guard case .array(let items) = self, items.indices.contains(index) else { return nil }
    return items[index]
  }

  package var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  /// A whole number, `5.0` and `5e0` as well as `5`: to JSON Schema they are the same.
  package var int: Int64? {
    switch self {
    case .int(let value): value
    // Beyond 2⁵³ nobody knows which whole number was meant.
    case .double(let value) where abs(value) <= 9_007_199_254_740_992: Int64(exactly: value)
    case .double, .null, .bool, .string, .array, .object: nil
    }
  }

  package var double: Double? {
    switch self {
    case .double(let value): value
    case .int(let value): Double(value)
    case .null, .bool, .string, .array, .object: nil
    }
  }

  package var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  package var array: [JSON]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  package var object: JSONObject? {
    guard case .object(let value) = self else { return nil }
    return value
  }

  package var isNull: Bool { self == .null }

  /// The name of the value's kind in messages to people.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .int, .double: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral,
  ExpressibleByFloatLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .int(value) }
  package init(floatLiteral value: Double) { self = .double(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSON...) { self = .array(elements) }
  package init(nilLiteral: ()) { self = .null }
  package init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(JSONObject(elements.map { (key: $0.0, value: $0.1) }))
  }

  /// `.null` for nil.
  package init(_ value: String?) { self = value.map(JSON.string) ?? .null }
  package init(_ value: Int64?) { self = value.map(JSON.int) ?? .null }
  package init(_ value: Int) { self = .int(Int64(value)) }
}
