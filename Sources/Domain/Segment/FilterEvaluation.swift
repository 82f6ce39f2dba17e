// What a filter means. A value that a contact does not have is equal to nothing: `eq`, `contains`,
// `starts_with`, `gt`, `gte`, `lt` and `lte` are false, `ne` is true, `exists` is false. `ne` is always
// the opposite of `eq`. Texts are compared without regard to case; a number also equals a text that
// spells it, because imported columns are texts. `{"all": []}` matches everybody, `{"any": []}` nobody.
// An erased contact matches no filter.

extension Filter {
  package static let standardFields = [
    "first_name", "last_name", "company", "email", "phone", "source",
  ]

  package static let consentFields = Channel.allCases.map { "consent." + $0.rawValue }

  /// Every field that the filter looks at, each once, sorted: what its evaluation depends on.
  package var fields: [String] { Set(conditions.map(\.field)).sorted() }

  private var conditions: [Condition] {
    switch self {
    case .all(let filters), .any(let filters): filters.flatMap(\.conditions)
    case .not(let filter): filter.conditions
    case .condition(let condition): [condition]
    }
  }

  package func matches(_ contact: Contact.State) -> Bool {
    guard contact.exists, !contact.isErased else { return false }
    return holds(for: contact)
  }

  private func holds(for contact: Contact.State) -> Bool {
    switch self {
    case .all(let filters): filters.allSatisfy { $0.holds(for: contact) }
    case .any(let filters): filters.contains { $0.holds(for: contact) }
    case .not(let filter): !filter.holds(for: contact)
    case .condition(let condition): condition.holds(for: contact)
    }
  }
}

// MARK: - Conditions

extension Filter.Condition {
  fileprivate func holds(for contact: Contact.State) -> Bool {
    field == "tags" ? holds(forTags: contact.tags) : holds(for: contact.value(of: field))
  }

  private func holds(forTags tags: Set<String>) -> Bool {
    switch comparison {
    case .exists: return tags.isEmpty != (value == .flag(true))
    case .notEquals: return !contains(tags)
    case .contains, .equals: return contains(tags)
    case .startsWith: return tags.contains { Self.starts($0, with: value.folded) }
    case .greater, .greaterOrEqual, .less, .lessOrEqual: return false
    }
  }

  private func contains(_ tags: Set<String>) -> Bool {
    let wanted = value.folded
    return tags.contains { $0.lowercased() == wanted }
  }

  private func holds(for actual: FieldValue?) -> Bool {
    if comparison == .exists { return (actual != nil) == (value == .flag(true)) }
    guard let actual else { return comparison == .notEquals }
    switch comparison {
    case .equals: return Self.compare(actual, value) == 0
    case .notEquals: return Self.compare(actual, value) != 0
    case .contains: return Self.contains(actual.folded, value.folded)
    case .startsWith: return Self.starts(actual.folded, with: value.folded)
    case .greater: return Self.compare(actual, value).map { $0 > 0 } ?? false
    case .greaterOrEqual: return Self.compare(actual, value).map { $0 >= 0 } ?? false
    case .less: return Self.compare(actual, value).map { $0 < 0 } ?? false
    case .lessOrEqual: return Self.compare(actual, value).map { $0 <= 0 } ?? false
    case .exists: return true
    }
  }

  /// Negative, zero or positive, as numbers where one side is a number and the other spells one, else as
  /// texts; nil where they cannot be compared.
  private static func compare(_ left: FieldValue, _ right: FieldValue) -> Int? {
    switch (left, right) {
    case (.flag(let left), .flag(let right)): return left == right ? 0 : (right ? -1 : 1)
    case (.text, .text): return order(left.folded, right.folded)
    case (.number, _), (_, .number):
      guard let left = left.numeric, let right = right.numeric else { return nil }
      return order(left, right)
    case (.flag, .text), (.text, .flag):
      return left.folded == right.folded ? 0 : nil
    }
  }

  private static func order<Value: Comparable>(_ left: Value, _ right: Value) -> Int {
    left == right ? 0 : (left < right ? -1 : 1)
  }

  private static func starts(_ text: String, with prefix: String) -> Bool {
    text.lowercased().hasPrefix(prefix)
  }

  /// The standard library's own `contains` is Foundation's or a regex; this is neither.
  private static func contains(_ text: String, _ part: String) -> Bool {
    guard !part.isEmpty else { return true }
    return text.indices.contains { text[$0...].hasPrefix(part) }
  }
}

extension FieldValue {
  fileprivate var folded: String { spelled.lowercased() }

  fileprivate var numeric: Double? {
    switch self {
    case .number(let number): number
    case .text(let text): Double(text)
    case .flag: nil
    }
  }
}

extension Contact.State {
  /// The value of a filter's field; nil where the contact has none. `tags` is not a single value.
  fileprivate func value(of field: String) -> FieldValue? {
    switch field {
    case "first_name": details.firstName.map(FieldValue.text)
    case "last_name": details.lastName.map(FieldValue.text)
    case "company": details.company.map(FieldValue.text)
    case "email": details.email.map(FieldValue.text)
    case "phone": details.phone.map(FieldValue.text)
    case "source": source.isEmpty ? nil : .text(source)
    default: customValue(field) ?? consentValue(field)
    }
  }

  private func customValue(_ field: String) -> FieldValue? {
    field.hasPrefix("custom.") ? details.custom[String(field.dropFirst("custom.".count))] : nil
  }

  /// `opted_in`, `opted_out` or `none`: a channel always has one of them.
  private func consentValue(_ field: String) -> FieldValue? {
    guard field.hasPrefix("consent."),
      let channel = Channel(rawValue: String(field.dropFirst("consent.".count)))
    else { return nil }
    return switch consents[channel] {
    case .optedIn: .text("opted_in")
    case .optedOut: .text("opted_out")
    case nil: .text("none")
    }
  }
}

// MARK: - Checks

extension Filter {
  /// Where a filter makes no sense, and why. The path leads to the node: `.all[1].not.op`.
  package struct Problem: Equatable, Sendable {
    package let path: String
    package let message: String

    package init(path: String, message: String) {
      self.path = path
      self.message = message
    }
  }

  /// The first condition with an unknown field, or with an operator or value that the field cannot have.
  package func firstProblem() -> Problem? { firstProblem(at: "") }

  private func firstProblem(at path: String) -> Problem? {
    switch self {
    case .all(let filters): Self.firstProblem(among: filters, at: path + ".all")
    case .any(let filters): Self.firstProblem(among: filters, at: path + ".any")
    case .not(let filter): filter.firstProblem(at: path + ".not")
    case .condition(let condition): condition.problem(at: path)
    }
  }

  private static func firstProblem(among filters: [Filter], at path: String) -> Problem? {
    for (index, filter) in filters.enumerated() {
      if let problem = filter.firstProblem(at: "\(path)[\(index)]") { return problem }
    }
    return nil
  }
}

extension Filter.Condition {
  fileprivate func problem(at path: String) -> Filter.Problem? {
    guard let operators else {
      return Filter.Problem(path: path + ".field", message: "is not a field of contacts")
    }
    guard operators.contains(comparison) else {
      let names = operators.map(\.rawValue).joined(separator: ", ")
      return Filter.Problem(path: path + ".op", message: "must be one of \(names) for this field")
    }
    return valueProblem.map { Filter.Problem(path: path + ".value", message: $0) }
  }

  /// What can be asked of the field; nil where there is no such field.
  private var operators: [Operator]? {
    if field == "tags" { return [.contains, .exists] }
    if Filter.consentFields.contains(field) { return [.equals, .notEquals] }
    if Filter.standardFields.contains(field) { return Operator.allCases }
    return field.hasPrefix("custom.") && field != "custom." ? Operator.allCases : nil
  }

  private var valueProblem: String? {
    if comparison == .exists {
      if case .flag = value { return nil }
      return "must be true or false with exists"
    }
    if Filter.consentFields.contains(field),
      !["opted_in", "opted_out", "none"].map(FieldValue.text).contains(value)
    {
      return "must be opted_in, opted_out or none"
    }
    if case .number(let number) = value, !number.isFinite { return "must be a finite number" }
    return nil
  }
}
