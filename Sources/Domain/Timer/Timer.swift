/// A moment on the org's clock at which something goes on. Stream: the timer's id.
///
/// Invariant: fires or is cancelled once.
package enum Timer: Decider {
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

  package enum State: Sendable, Equatable, Codable {
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

// MARK: - Decide

extension Timer {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch (command, state) {
    case (.schedule(let owner, let dueMicros), .none):
      return [.scheduled(owner: owner, dueMicros: dueMicros)]
    case (.schedule(let owner, let dueMicros), .pending):
      guard state == .pending(owner: owner, dueMicros: dueMicros) else { throw .alreadyScheduled }
      return []
    case (.schedule, .over): throw .alreadyScheduled
    case (.fire, .none), (.cancel, .none): throw .notFound
    case (.fire, .pending): return [.fired]
    case (.cancel, .pending): return [.cancelled]
    case (.fire, .over), (.cancel, .over): return []
    }
  }
}

// MARK: - Evolve

extension Timer {
  package static func evolve(_ state: State, with event: Event) -> State {
    switch event {
    case .scheduled(let owner, let dueMicros): .pending(owner: owner, dueMicros: dueMicros)
    case .fired, .cancelled: .over
    }
  }
}
