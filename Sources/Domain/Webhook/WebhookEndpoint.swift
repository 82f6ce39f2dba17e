/// A subscriber's URL and what it wants to hear. Stream: the endpoint's id.
///
/// Invariant: the log is its queue; `disabled` stops deliveries and keeps the place.
package enum WebhookEndpoint {
  package enum Command: Sendable, Equatable {
    /// Deliveries begin with the event after this one.
    case create(url: String, types: [String], secret: String)
    case update(url: String?, types: [String]?)
    case disable(reason: String)
    case enable
    case delete
    case recordFailure(position: UInt64, attempt: Int, reason: String, retryAtMicros: Micros?)
  }

  package enum Event: Sendable, Equatable {
    /// `types`: exact (`message.sent`), a family (`message.*`) or `*`.
    case created(url: String, types: [String], secret: Personal<String>)
    case updated(url: String, types: [String])
    case disabled(reason: String)
    case enabled
    case deleted
    /// One attempt for the event at `position` failed; nil: there will be no further one.
    case deliveryFailed(position: UInt64, attempt: Int, reason: String, retryAtMicros: Micros?)
  }

  package struct State: Sendable, Equatable {
    package var exists = false
    package var isDeleted = false
    package var isEnabled = false
    package var url = ""
    package var types: [String] = []
    package var secret: String?

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case noTypes
    case invalidURL
  }

  package static let initialState = State()
}
