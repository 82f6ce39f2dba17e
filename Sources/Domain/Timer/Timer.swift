/// A moment on the org's clock at which something goes on. Stream: the timer's id.
///
/// Invariant: fires or is cancelled once.
package enum Timer {
  package enum Command: Sendable, Equatable {
    /// `owner` is what goes on: a held or retried message, or a waiting run.
    case schedule(owner: Identifier, dueMicros: Micros)
    case fire
    case cancel
  }

  package enum Event: Sendable, Equatable {
    case scheduled(owner: Identifier, dueMicros: Micros)
    case fired
    case cancelled
  }

  package enum State: Sendable, Equatable {
    case none
    case pending(owner: Identifier, dueMicros: Micros)
    case over
  }

  package enum Rejection: Error, Equatable {
    case alreadyScheduled
    case notFound
  }

  package static let initialState = State.none
}
