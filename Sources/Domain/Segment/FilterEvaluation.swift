// What a filter means. A value that a contact does not have is equal to nothing: `eq`, `contains`,
// `starts_with`, `gt`, `gte`, `lt` and `lte` are false, `ne` is true, `exists` is false. `ne` is always
// the opposite of `eq`. Texts are compared without regard to case; a number also equals a text that
// spells it, because imported columns are texts. `{"all": []}` matches everybody, `{"any": []}` nobody.
// An erased contact matches no filter. Conditions on times and on what happened: `FilterTime.swift`.

extension Filter {
  package static let standardFields = [
    "first_name", "last_name", "company", "email", "phone", "source",
  ]

  /// When the contact was created.
  package static let createdAtField = "created_at"

  package static let consentFields = Channel.allCases.map { "consent." + $0.rawValue }

  /// What the filter's evaluation depends on, each once, sorted: names of fields, and types of events
  /// behind `event:`.
  package var dependencies: [String] { Set(leaves.map(\.dependency)).sorted() }

  /// Conditions, and what they are put together with.
  package var partCount: Int {
    switch self {
    case .all(let filters), .any(let filters): filters.reduce(1) { $0 + $1.partCount }
    case .not(let filter): 1 + filter.partCount
    case .condition, .happened: 1
    }
  }

  /// The parts that are not made of other filters.
  var leaves: [Leaf] {
    switch self {
    case .all(let filters), .any(let filters): filters.flatMap(\.leaves)
    case .not(let filter): filter.leaves
    case .condition(let condition): [.condition(condition)]
    case .happened(let happened): [.happened(happened)]
    }
  }

  enum Leaf {
    case condition(Condition)
    case happened(Happened)

    var dependency: String {
      switch self {
      case .condition(let condition): condition.field
      case .happened(let happened): happened.kind.dependency
      }
    }
  }

  /// Whether it holds for a contact at a moment on the org's clock.
  package func matches(_ facts: ContactFacts, atMicros nowMicros: Micros) -> Bool {
    guard facts.state.isListed else { return false }
    return holds(for: facts, atMicros: nowMicros)
  }

  private func holds(for facts: ContactFacts, atMicros nowMicros: Micros) -> Bool {
    switch self {
    case .all(let filters): filters.allSatisfy { $0.holds(for: facts, atMicros: nowMicros) }
    case .any(let filters): filters.contains { $0.holds(for: facts, atMicros: nowMicros) }
    case .not(let filter): !filter.holds(for: facts, atMicros: nowMicros)
    case .condition(let condition): condition.holds(for: facts, atMicros: nowMicros)
    case .happened(let happened): happened.holds(for: facts.activity, atMicros: nowMicros)
    }
  }
}

// MARK: - Any object

extension Filter {
  /// The same grammar about an object that is no contact. `values` gives what a field holds: several for
  /// a list, none where it is empty. What happened is a matter of contacts: it never holds here.
  package func holds(
    atMicros nowMicros: Micros, for values: (_ field: String) -> [FieldValue]
  ) -> Bool {
    switch self {
    case .all(let filters): filters.allSatisfy { $0.holds(atMicros: nowMicros, for: values) }
    case .any(let filters): filters.contains { $0.holds(atMicros: nowMicros, for: values) }
    case .not(let filter): !filter.holds(atMicros: nowMicros, for: values)
    case .condition(let condition):
      condition.holds(forAny: values(condition.field), atMicros: nowMicros)
    case .happened: false
    }
  }
}

extension Filter.Condition {
  fileprivate func holds(forAny values: [FieldValue], atMicros nowMicros: Micros) -> Bool {
    switch comparison {
    case .exists: values.isEmpty != (value == .flag(true))
    case .notEquals: values.allSatisfy { holds(for: $0, orAt: nowMicros) }
    default: values.contains { holds(for: $0, orAt: nowMicros) }
    }
  }

  /// Where both sides are times, they are compared as times.
  private func holds(for actual: FieldValue, orAt nowMicros: Micros) -> Bool {
    guard let time = actual.text.flatMap(Timestamp.micros) else { return holds(for: actual) }
    return timeHolds(for: time, atMicros: nowMicros) ?? holds(for: actual)
  }
}

// MARK: - Conditions

extension Filter.Condition {
  fileprivate func holds(for facts: ContactFacts, atMicros nowMicros: Micros) -> Bool {
    if comparison.isRelative || (field == Filter.createdAtField && comparison != .exists) {
      return timeHolds(for: facts, atMicros: nowMicros)
    }
    if field == "tags" { return holds(forTags: facts.state.tags) }
    return holds(for: facts.value(of: field))
  }

  private func holds(forTags tags: Set<String>) -> Bool {
    switch comparison {
    case .exists: return tags.isEmpty != (value == .flag(true))
    case .notEquals: return !contains(tags)
    case .contains, .equals: return contains(tags)
    case .startsWith: return tags.contains { Self.starts($0, with: value.folded) }
    case .greater, .greaterOrEqual, .less, .lessOrEqual, .inLast, .inNext, .olderThan: return false
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
    case .inLast, .inNext, .olderThan: return false
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

extension ContactFacts {
  /// The value of a filter's field; nil where the contact has none. `tags` is not a single value.
  fileprivate func value(of field: String) -> FieldValue? {
    field == Filter.createdAtField
      ? .text(Timestamp.text(createdAtMicros)) : state.value(of: field)
  }
}

extension Contact.State {
  /// The fields in which filters find something else than in `before`, as `Filter.dependencies` names them; nil where
  /// filters look at the contact and did not before, or the other way round.
  ///
  /// Compares what filters compare: a rule about what an event changes would be a second list of it.
  package func changedFields(since before: Contact.State) -> Set<String>? {
    guard isListed == before.isListed else { return nil }
    var fields: [String] = []
    if details != before.details || source != before.source {
      let custom = details.custom.fields + before.details.custom.fields
      fields += Filter.standardFields + custom.map { "custom." + $0.name }
    }
    if consents != before.consents { fields += Filter.consentFields }
    var changed = Set(fields.filter { value(of: $0) != before.value(of: $0) })
    if tags != before.tags { changed.insert("tags") }
    return changed
  }

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
