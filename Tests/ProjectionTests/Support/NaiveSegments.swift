import Domain
import EventCodec
import EventLog

// Segments the slow way: for every question the whole history is read again, straight from the events.
// Shares nothing with the product's evaluation but the shape of filters.

/// One thing that happened, and when.
struct Fact: Sendable {
  let atMicros: Micros
  let contact: Identifier
  let event: DomainEvent
}

/// Judges filters for a contact at a moment by all that had happened by then.
struct NaiveJudge {
  let facts: [Fact]
  let nowMicros: Micros

  init(_ facts: [Fact], of contact: Identifier, atMicros nowMicros: Micros) {
    self.facts = facts.filter { $0.contact == contact && $0.atMicros <= nowMicros }
    self.nowMicros = nowMicros
  }

  func isMember(_ filter: Filter) -> Bool { createdAtMicros != nil && holds(filter) }

  private func holds(_ filter: Filter) -> Bool {
    switch filter {
    case .all(let parts): !parts.contains { !holds($0) }
    case .any(let parts): parts.contains { holds($0) }
    case .not(let part): !holds(part)
    case .condition(let condition): holds(condition)
    case .happened(let happened): holds(happened)
    }
  }

  private var createdAtMicros: Micros? {
    facts.first { if case .contact(.created) = $0.event { true } else { false } }?.atMicros
  }

  private var tags: Set<String> {
    var tags: Set<String> = []
    for fact in facts {
      if case .contact(.tagged(let tag)) = fact.event { tags.insert(tag) }
      if case .contact(.untagged(let tag)) = fact.event { tags.remove(tag) }
    }
    return tags
  }

  private func custom(_ name: String) -> FieldValue? {
    var value: FieldValue?
    for fact in facts {
      if case .contact(.created(.known(let details), _)) = fact.event {
        value = details.custom[name]
      }
      guard case .contact(.updated(_, .known(let changes))) = fact.event else { continue }
      for change in changes where change.field == "custom." + name { value = change.value }
    }
    return value
  }

  private var smsConsent: String {
    var consent = "none"
    for fact in facts {
      if case .contact(.optedIn) = fact.event { consent = "opted_in" }
      if case .contact(.optedOut) = fact.event { consent = "opted_out" }
    }
    return consent
  }

  private func holds(_ condition: Filter.Condition) -> Bool {
    switch condition.field {
    case "tags": return tags.contains(condition.value.text ?? "")
    case "consent.sms": return smsConsent == condition.value.text
    case "created_at": return holds(condition, for: createdAtMicros)
    case "custom.due":
      return holds(condition, for: custom("due")?.text.flatMap(Timestamp.micros))
    case "custom.age":
      guard case .number(let age) = custom("age"), case .number(let limit) = condition.value else {
        return false
      }
      return condition.comparison == .greater ? age > limit : age < limit
    default: preconditionFailure("no random filter looks at \(condition.field)")
    }
  }

  private func holds(_ condition: Filter.Condition, for moment: Micros?) -> Bool {
    guard let moment, let length = condition.value.text.flatMap(Self.micros) else { return false }
    let ageMicros = nowMicros - moment
    switch condition.comparison {
    case .inLast: return ageMicros >= 0 && ageMicros < length
    case .olderThan: return ageMicros >= length
    case .inNext: return ageMicros < 0 && -ageMicros <= length
    default: preconditionFailure("no random filter compares so")
    }
  }

  private func holds(_ happened: Filter.Happened) -> Bool {
    let count = facts.count { fact in
      guard Self.name(fact.event) == happened.kind.rawValue else { return false }
      guard let window = happened.window else { return true }
      return nowMicros - fact.atMicros < Self.micros(window.text) ?? 0
    }
    return switch happened.comparison {
    case .greaterOrEqual: count >= happened.count
    case .greater: count > happened.count
    case .less: count < happened.count
    case .lessOrEqual: count <= happened.count
    case .equals: count == happened.count
    default: count != happened.count
    }
  }

  private static func name(_ event: DomainEvent) -> String {
    EventCodec.encode(event, stream: ann, org: acme).type
  }

  private static func micros(_ text: String) -> Int64? {
    let unit: Int64 = text.hasSuffix("d") ? 24 : 1
    return Int64(text.dropLast()).map { $0 * unit * 3_600_000_000 }
  }
}

// MARK: - Random histories

struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }

  mutating func one<Value>(of values: [Value]) -> Value { values[below(values.count)] }

  mutating func filter(depth: Int = 3) -> Filter {
    switch below(depth > 0 ? 9 : 6) {
    case 6: .all((0..<below(4)).map { _ in filter(depth: depth - 1) })
    case 7: .any((0..<below(4)).map { _ in filter(depth: depth - 1) })
    case 8: .not(filter(depth: depth - 1))
    case 0: condition("tags", .contains, .text(one(of: ["red", "blue"])))
    case 1: condition("consent.sms", .equals, .text(one(of: ["opted_in", "opted_out", "none"])))
    case 2: condition("custom.age", one(of: [.greater, .less]), .number(Double(below(4))))
    case 3: condition("created_at", one(of: [.inLast, .olderThan]), .text(length()))
    case 4: condition("custom.due", one(of: [.inLast, .olderThan, .inNext]), .text(length()))
    default:
      .happened(
        Filter.Happened(
          kind: one(of: [.messageReceived, .messageDelivered, .contactTagged, .runStarted]),
          comparison: one(of: [
            .equals, .notEquals, .greater, .greaterOrEqual, .less, .lessOrEqual,
          ]), count: below(4), window: below(4) == 0 ? nil : Filter.Duration(length())))
    }
  }

  private mutating func length() -> String { one(of: ["1h", "5h", "1d", "2d", "7d", "30d"]) }

  private func condition(
    _ field: String, _ comparison: Filter.Condition.Operator, _ value: FieldValue
  ) -> Filter {
    .condition(Filter.Condition(field: field, comparison: comparison, value: value))
  }
}
