import Domain
import JSON

extension String {
  /// Which no text of ours may contain: Postgres takes none.
  var containsNUL: Bool {
    unsafe utf8.withContiguousStorageIfAvailable { unsafe $0.contains(0) } ?? utf8.contains(0)
  }
}

extension String {
  /// Whether it has no more characters than `limit`, as schemas count them: scalars, of which bytes are never fewer.
  fileprivate func isWithin(_ limit: Int) -> Bool {
    utf8.count <= limit || unicodeScalars.count <= limit
  }
}

/// Reads a request's fields, collects every error, and in the end refuses what nobody read.
///
///     var fields = try exchange.body()
///     let name = fields.string("name", required: true)
///     try fields.finish()
struct Fields {
  private let object: JSONObject
  let prefix: String
  /// Few: looked through faster than hashed.
  private var known: [String] = []
  private(set) var errors: [APIError.Detail] = []

  /// `problems`: what is known to be wrong with it.
  init(_ object: JSONObject, prefix: String = "", problems: [APIError.Detail] = []) {
    self.object = object
    self.prefix = prefix
    errors = problems
    known.reserveCapacity(object.fields.count + 8)
  }

  /// Whether the field is there, `null` included.
  func has(_ name: String) -> Bool { object[name] != nil }

  /// One fault a field is enough: the schema's, else the first. Nothing is said of a field of which a part is known to
  /// be wrong.
  mutating func fail(_ name: String, _ code: String, _ message: String) {
    adopt([APIError.Detail(param: prefix + name, code: code, message: message)])
  }

  mutating func adopt(_ others: [APIError.Detail]) {
    for other in others { errors.adopt(other) }
  }

  /// Takes fields that nobody can judge, since what they depend on is wrong.
  mutating func pass(_ names: String..., since cause: String) {
    if errors.contains(where: { $0.param == cause }) { known += names }
  }

  /// The raw value; nil where it is missing or null.
  mutating func value(_ name: String, required: Bool = false) -> JSON? {
    known.append(name)
    guard let value = object[name], !value.isNull else {
      if required { fail(name, "required", "\(prefix)\(name) is required.") }
      return nil
    }
    return value
  }

  mutating func string(_ name: String, required: Bool = false, limit: Int = 2_000) -> String? {
    guard let value = value(name, required: required) else { return nil }
    guard let text = value.string else {
      fail(name, "invalid_type", "\(prefix)\(name) must be a string, not \(value.kind).")
      return nil
    }
    guard text.isWithin(limit) else {
      fail(name, "too_long", "\(prefix)\(name) has at most \(limit) characters.")
      return nil
    }
    guard !required || !text.isEmpty else {
      fail(name, "required", "\(prefix)\(name) must not be empty.")
      return nil
    }
    guard !text.containsNUL else {
      fail(name, "invalid_value", "\(prefix)\(name) must not contain the character NUL.")
      return nil
    }
    return text
  }

  mutating func choice<Value: RawRepresentable & CaseIterable>(
    _ name: String, _: Value.Type, required: Bool = false
  ) -> Value? where Value.RawValue == String {
    guard let text = string(name, required: required) else { return nil }
    guard let value = Value(rawValue: text) else {
      let all = Value.allCases.map(\.rawValue).joined(separator: ", ")
      fail(name, "invalid_value", "\(prefix)\(name) is one of: \(all).")
      return nil
    }
    return value
  }

  mutating func strings(_ name: String, required: Bool = false) -> [String]? {
    guard let value = value(name, required: required) else { return nil }
    guard let items = value.array else {
      fail(name, "invalid_type", "\(prefix)\(name) must be an array of strings.")
      return nil
    }
    let texts = items.compactMap(\.string)
    guard texts.count == items.count, texts.allSatisfy({ $0.isWithin(2_000) }) else {
      fail(name, "invalid_type", "\(prefix)\(name) must be an array of strings.")
      return nil
    }
    return texts
  }

  mutating func int(_ name: String, required: Bool = false) -> Int64? {
    guard let value = value(name, required: required) else { return nil }
    guard let number = value.int else {
      fail(name, "invalid_type", "\(prefix)\(name) must be a whole number.")
      return nil
    }
    return number
  }

  mutating func bool(_ name: String) -> Bool? {
    guard let value = value(name) else { return nil }
    guard let flag = value.bool else {
      fail(name, "invalid_type", "\(prefix)\(name) must be true or false.")
      return nil
    }
    return flag
  }

  mutating func id(
    _ name: String, _ kind: Identifier.Kind, required: Bool = false
  ) -> Identifier? {
    guard let text = string(name, required: required) else { return nil }
    guard let id = Identifier(text, kind: kind) else {
      fail(name, "invalid_id", "\(prefix)\(name) is an id such as \(kind.rawValue)_….")
      return nil
    }
    return id
  }

  /// An amount in micro-dollars: a whole number, or `{"amount", "unit": "usd_micro"}`.
  mutating func amountMicros(_ name: String) -> Int64? {
    guard let value = value(name, required: true) else { return nil }
    if let micros = value.int { return micros }
    if let micros = value["amount"]?.int, value["unit"]?.string == "usd_micro",
      value.object?.fields.count == 2
    {
      return micros
    }
    fail(
      name, "invalid_type",
      "\(prefix)\(name) is whole millionths of a dollar: 5000000, "
        + "or {\"amount\": 5000000, \"unit\": \"usd_micro\"}.")
    return nil
  }

  /// Refuses the request where anything was wrong or unknown.
  mutating func finish() throws(APIError) {
    refuseUnknown()
    guard errors.isEmpty else { throw .invalid(errors) }
  }

  /// The errors so far with those for unknown fields: for an object inside another.
  mutating func finishNested() -> [APIError.Detail] {
    refuseUnknown()
    return errors
  }

  private mutating func refuseUnknown() {
    for (key, _) in object.fields where !known.contains(key) {
      guard errors.count < APIError.detailLimit else { return }
      fail(key, "unknown_parameter", "There is no field \(prefix)\(key) here.")
    }
  }
}
