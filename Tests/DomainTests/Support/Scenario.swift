import Domain
import Testing

/// The start of a scenario: a stream that holds `history`.
struct Given<D: Decider> {
  let history: [D.Event]

  init(_: D.Type, _ history: D.Event...) { self.history = history }

  init(_: D.Type, history: [D.Event]) { self.history = history }

  func when(_ command: D.Command) -> Outcome<D> {
    Outcome(
      result: Result { () throws(D.Rejection) in
        try D.decide(command, given: D.state(after: history))
      })
  }
}

/// What became of the command: the events it produced, or the rule that it broke.
struct Outcome<D: Decider> {
  let result: Result<[D.Event], D.Rejection>

  func then(_ events: D.Event..., at location: SourceLocation = #_sourceLocation) {
    #expect(result == .success(events), sourceLocation: location)
  }

  func thenNothing(at location: SourceLocation = #_sourceLocation) {
    #expect(result == .success([]), sourceLocation: location)
  }

  func thenRejected(_ rejection: D.Rejection, at location: SourceLocation = #_sourceLocation) {
    #expect(result == .failure(rejection), sourceLocation: location)
  }
}
