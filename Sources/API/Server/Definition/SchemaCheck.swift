import Application
import Domain
import JSON

extension Schema {
  /// What is wrong with `value`, all of it, up to `APIError.detailLimit`. `path` is where it stands: `consents[0].channel`.
  func problems(in value: JSON, at path: String) -> [APIError.Detail] {
    var found: [APIError.Detail] = []
    check(value, { path }, &found)
    return found
  }

  /// `path` is asked for where something is wrong, which is seldom.
  private func check(_ value: JSON, _ path: () -> String, _ found: inout [APIError.Detail]) {
    guard found.count < APIError.detailLimit else { return }
    if value.isNull {
      guard isNullable || acceptsAnything else {
        return report(path(), "invalid_type", "must be \(kind), not null", &found)
      }
      return
    }
    switch shape {
    case .anything: break
    case .boolean:
      if value.bool == nil { reportType(path(), value, &found) }
    case .number(let range):
      guard let number = value.double else { return reportType(path(), value, &found) }
      if let range, !range.contains(number) {
        report(
          path(), "out_of_range",
          "is a number from \(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))",
          &found)
      }
    case .integer(let range):
      guard let number = value.int else { return reportType(path(), value, &found) }
      if !range.contains(number) {
        report(path(), "out_of_range", "is \(Self.words(range))", &found)
      }
    case .text(let rule):
      guard let text = value.string else { return reportType(path(), value, &found) }
      rule.check(text, path, &found)
    case .array(let item, let count):
      guard let items = value.array else { return reportType(path(), value, &found) }
      checkCount(items.count, count, path, &found)
      for (index, element) in items.enumerated() {
        item.check(element, { "\(path())[\(index)]" }, &found)
      }
    case .object(let properties, let others):
      guard let object = value.object else { return reportType(path(), value, &found) }
      check(object, properties, others, path, &found)
    case .either(let schemas):
      // First those of its kind: to say what is wrong with the others takes long, and nobody hears it.
      let fits = schemas.contains { $0.isOfKind(value) && $0.problems(in: value, at: "").isEmpty }
      guard !fits else { return }
      let place = path()
      let all = schemas.map { $0.problems(in: value, at: place) }
      guard !all.contains(where: \.isEmpty) else { return }
      // The shape that it was meant to have is one of its kind, and the one with the fewest faults.
      let own = zip(schemas, all).filter { $0.0.isOfKind(value) }.map(\.1)
      guard !own.isEmpty else { return reportType(place, value, &found) }
      found += own.min { $0.count < $1.count } ?? []
    }
  }

  private func isOfKind(_ value: JSON) -> Bool {
    switch shape {
    case .anything, .either: true
    case .boolean: value.bool != nil
    case .integer: value.int != nil
    case .number: value.double != nil
    case .text: value.string != nil
    case .array: value.array != nil
    case .object: value.object != nil
    }
  }

  private var acceptsAnything: Bool {
    if case .anything = shape { return true }
    return false
  }

  private func checkCount(
    _ count: Int, _ allowed: ClosedRange<Int>, _ path: () -> String,
    _ found: inout [APIError.Detail]
  ) {
    if count < allowed.lowerBound {
      report(path(), "required", "has at least \(allowed.lowerBound) elements", &found)
    } else if count > allowed.upperBound {
      report(path(), "too_many", "has at most \(allowed.upperBound) elements", &found)
    }
  }

  private func check(
    _ object: JSONObject, _ properties: [Property], _ others: Others,
    _ path: () -> String, _ found: inout [APIError.Detail]
  ) {
    func place(of key: String) -> String {
      let path = path()
      return path.isEmpty ? key : path + "." + key
    }
    var strangerCount = object.fields.count
    let known = properties.span
    for index in known.indices {
      if let value = object[known[index].name] {
        strangerCount -= 1
        known[index].schema.check(value, { place(of: properties[index].name) }, &found)
      } else if known[index].isRequired {
        report(place(of: known[index].name), "required", "is required", &found)
      }
    }
    // The names of an object differ, as the parser sees to, and so do those of the properties.
    guard strangerCount > 0 else { return }
    for (key, value) in object.fields {
      guard found.count < APIError.detailLimit else { return }
      guard !known.indices.contains(where: { known[$0].name == key }) else { continue }
      switch others {
      case .ignored: break
      case .each(let schema): schema.check(value, { place(of: key) }, &found)
      case .refused:
        let name = place(of: String(key.prefix(100)))
        found.append(
          APIError.Detail(
            param: name, code: "unknown_parameter", message: "There is no field \(name) here."))
      }
    }
  }

  private func reportType(_ path: String, _ value: JSON, _ found: inout [APIError.Detail]) {
    report(path, "invalid_type", "must be \(kind), not \(value.kind)", &found)
  }

  private var kind: String {
    switch shape {
    case .anything: "a value"
    case .boolean: "true or false"
    case .integer: "a whole number"
    case .number: "a number"
    case .text: "a string"
    case .array: "an array"
    case .object: "an object"
    case .either(let schemas): schemas.map(\.kind).unique.joined(separator: " or ")
    }
  }

  private static func text(_ bound: Double) -> String {
    Int64(exactly: bound).map(String.init) ?? String(bound)
  }

  static func words(_ range: ClosedRange<Int64>) -> String {
    switch (range.lowerBound, range.upperBound) {
    case (let low, Int64.max): "a whole number, at least \(low)"
    case (let low, let high): "a whole number from \(low) to \(high)"
    }
  }
}

extension [String] {
  /// Each once, where it comes first.
  fileprivate var unique: [String] {
    reduce(into: []) { kept, text in if !kept.contains(text) { kept.append(text) } }
  }
}

private func report(
  _ path: String, _ code: String, _ words: String, _ found: inout [APIError.Detail]
) {
  let place = path.isEmpty ? "body" : path
  found.append(APIError.Detail(param: place, code: code, message: "\(place) \(words)."))
}

extension Schema.TextRule {
  fileprivate func check(_ text: String, _ path: () -> String, _ found: inout [APIError.Detail]) {
    if text.containsNUL {
      return report(path(), "invalid_value", "must not contain the character NUL", &found)
    }
    switch self {
    case .length(let allowed), .format(_, let allowed):
      // Scalars are what JSON Schema counts; a text's bytes are never fewer.
      guard text.utf8.count > allowed.upperBound || text.utf8.count < allowed.lowerBound * 4
      else { return }
      let count = text.unicodeScalars.count
      if count < allowed.lowerBound {
        report(
          path(), "required",
          allowed.lowerBound == 1
            ? "must not be empty" : "has at least \(allowed.lowerBound) characters", &found)
      } else if count > allowed.upperBound {
        report(path(), "too_long", "has at most \(allowed.upperBound) characters", &found)
      }
    case .choice(let values):
      if !values.contains(text) {
        report(path(), "invalid_value", "is one of: \(values.joined(separator: ", "))", &found)
      }
    case .id(let kind):
      if Identifier(text, kind: kind) == nil {
        report(path(), "invalid_id", "is an id such as \(kind.rawValue)_…", &found)
      }
    case .time:
      if Timestamp.micros(text) == nil {
        report(path(), "invalid_time", "is a time such as 2026-11-21T08:00:00Z", &found)
      }
    }
  }
}
