/// A named group of contacts that a filter describes; membership follows the facts. Stream: its id.
package enum Segment: Decider {
  package enum Command: Sendable, Equatable {
    case create(name: String, filter: Filter)
    case update(name: String?, filter: Filter?)
    case delete
    /// Of one that was deleted: as it was last.
    case restore(createdAtMicros: Micros)
  }

  package enum Event: Sendable, Equatable {
    case created(name: String, filter: Filter)
    /// The whole definition as it is from now on.
    case updated(name: String, filter: Filter)
    case deleted
    /// The whole definition once more, with when it was first made: what reads it had forgotten both.
    case restored(name: String, filter: Filter, createdAtMicros: Micros)
  }

  package struct State: Sendable, Equatable, Codable {
    package var exists = false
    package var isDeleted = false
    package var name = ""
    package var filter = Filter.all([])

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case emptyName
    case invalidFilter(Filter.Problem)
  }

  package static let initialState = State()
}

/// A condition on contacts: the one grammar of segments, list filters and workflow conditions.
///
/// JSON: `{"all": […]}`, `{"any": […]}`, `{"not": …}`, `{"field": "city", "op": "eq", "value": …}` or
/// `{"event": "message.received", "op": "gte", "count": 2, "within": "30d"}`.
package indirect enum Filter: Sendable, Equatable, Codable {
  case all([Filter])
  case any([Filter])
  case not(Filter)
  case condition(Condition)
  case happened(Happened)

  package struct Condition: Sendable, Equatable, Codable {
    package enum Operator: String, Sendable, CaseIterable, Codable {
      case equals = "eq"
      case notEquals = "ne"
      case contains
      case startsWith = "starts_with"
      case greater = "gt"
      case greaterOrEqual = "gte"
      case less = "lt"
      case lessOrEqual = "lte"
      case exists
      /// The field is a time: after now - value and not in the future.
      case inLast = "in_last"
      /// The field is a time: in the future, at the latest at now + value.
      case inNext = "in_next"
      /// The field is a time: not after now - value.
      case olderThan = "older_than"
    }

    /// `first_name`, `last_name`, `company`, `email`, `phone`, `source`, `tags`, `created_at`,
    /// `custom.<name>`, `consent.sms`, `consent.voice`, `consent.email` (values `opted_in`, `opted_out`, `none`).
    package var field: String
    package var comparison: Operator
    package var value: FieldValue

    package init(field: String, comparison: Operator, value: FieldValue) {
      self.field = field
      self.comparison = comparison
      self.value = value
    }
  }

  /// How often something happened to a contact, or was done by it, in the time up to now.
  package struct Happened: Sendable, Equatable, Codable {
    package var kind: Activity.Kind
    package var comparison: Condition.Operator
    package var count: Int
    /// nil: ever.
    package var window: Duration?

    package init(
      kind: Activity.Kind, comparison: Condition.Operator = .greaterOrEqual, count: Int = 1,
      window: Duration? = nil
    ) {
      self.kind = kind
      self.comparison = comparison
      self.count = count
      self.window = window
    }
  }

  /// A length of time as people write it: `30d`, `12h`, `45m`.
  package struct Duration: Sendable, Equatable, Codable {
    package let text: String
    package let micros: Int64

    /// Ten years: windows that are longer are `ever`.
    package static let limitDays: Int64 = 3_660

    /// nil where `text` is none.
    package init?(_ text: String) {
      let unitMicros: Int64? =
        switch text.last {
        case "d": 86_400_000_000
        case "h": 3_600_000_000
        case "m": 60_000_000
        default: nil
        }
      guard let unitMicros, text.utf8.count <= 8, let number = Int64(text.dropLast()), number > 0,
        number <= Self.limitDays * 86_400_000_000 / unitMicros
      else { return nil }
      self.text = text
      micros = number * unitMicros
    }
  }
}

// MARK: - Decide

extension Segment {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .create(let name, let filter):
      guard !state.exists else { throw .alreadyExists }
      try check(name, filter)
      return [.created(name: name, filter: filter)]
    case .update(let name, let filter):
      guard state.exists, !state.isDeleted else { throw .notFound }
      let name = name ?? state.name
      let filter = filter ?? state.filter
      guard name != state.name || filter != state.filter else { return [] }
      try check(name, filter)
      return [.updated(name: name, filter: filter)]
    case .delete:
      guard state.exists else { throw .notFound }
      return state.isDeleted ? [] : [.deleted]
    case .restore(let createdAtMicros):
      guard state.exists else { throw .notFound }
      guard state.isDeleted else { return [] }
      return [
        .restored(name: state.name, filter: state.filter, createdAtMicros: createdAtMicros)
      ]
    }
  }

  private static func check(_ name: String, _ filter: Filter) throws(Rejection) {
    guard !name.isBlank else { throw .emptyName }
    if let problem = filter.firstProblem() { throw .invalidFilter(problem) }
  }
}

// MARK: - Evolve

extension Segment {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let name, let filter), .updated(let name, let filter):
      next.exists = true
      next.name = name
      next.filter = filter
    case .deleted:
      next.isDeleted = true
    case .restored(let name, let filter, _):
      next.isDeleted = false
      next.name = name
      next.filter = filter
    }
    return next
  }
}
