/// A named group of contacts that a filter describes; membership follows the facts. Stream: its id.
package enum Segment: Decider {
  package enum Command: Sendable, Equatable {
    case create(name: String, filter: Filter)
    case update(name: String?, filter: Filter?)
    case delete
  }

  package enum Event: Sendable, Equatable {
    case created(name: String, filter: Filter)
    /// The whole definition as it is from now on.
    case updated(name: String, filter: Filter)
    case deleted
  }

  package struct State: Sendable, Equatable {
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
/// JSON: `{"all": […]}`, `{"any": […]}`, `{"not": …}` or `{"field": "city", "op": "eq", "value": …}`.
package indirect enum Filter: Sendable, Equatable {
  case all([Filter])
  case any([Filter])
  case not(Filter)
  case condition(Condition)

  package struct Condition: Sendable, Equatable {
    package enum Operator: String, Sendable, CaseIterable {
      case equals = "eq"
      case notEquals = "ne"
      case contains
      case startsWith = "starts_with"
      case greater = "gt"
      case greaterOrEqual = "gte"
      case less = "lt"
      case lessOrEqual = "lte"
      case exists
    }

    /// `first_name`, `last_name`, `company`, `email`, `phone`, `source`, `tags`, `custom.<name>`,
    /// `consent.sms`, `consent.voice`, `consent.email` (values `opted_in`, `opted_out`, `none`).
    package var field: String
    package var comparison: Operator
    package var value: FieldValue

    package init(field: String, comparison: Operator, value: FieldValue) {
      self.field = field
      self.comparison = comparison
      self.value = value
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
    }
    return next
  }
}
