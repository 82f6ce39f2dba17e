/// A named group of contacts that a filter describes; membership follows the facts. Stream: its id.
package enum Segment {
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
