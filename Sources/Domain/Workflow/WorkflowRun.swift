/// One contact's way through one version of a workflow. Stream: the run's id.
///
/// Invariants: a step is advanced once per visit; a waiting run goes on only by its own timer;
/// nothing follows `completed` or `failed`.
package enum WorkflowRun: Decider {
  package enum Command: Sendable, Equatable {
    case start(workflow: Identifier, version: Int, contact: Identifier, firstStep: String)
    /// `step` was done with `outcome`; the run stands at `next` now (nil: it is over).
    case advance(step: String, outcome: String, message: Identifier?, next: String?)
    case wait(step: String, timer: Identifier, untilMicros: Micros)
    case fail(step: String, reason: String)
  }

  package enum Event: Sendable, Equatable {
    case started(workflow: Identifier, version: Int, contact: Identifier, firstStep: String)
    case stepAdvanced(step: String, outcome: String, message: Identifier?, next: String?)
    case waiting(step: String, timer: Identifier, untilMicros: Micros)
    case completed
    case failed(step: String, reason: String)
  }

  package enum Status: String, Sendable, CaseIterable, Codable {
    case running, waiting, completed, failed
  }

  package struct State: Sendable, Equatable, Codable {
    package var status: Status?
    package var workflow: Identifier?
    package var version = 0
    package var contact: Identifier?
    /// Where the run stands; nil once it is over.
    package var step: String?
    package var timer: Identifier?
    package var waitingUntilMicros: Micros?
    package var advancedCount = 0

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyStarted
    case notFound
    case over
    case notAtStep(String)
    case tooManySteps(limit: Int)
  }

  /// A run that advances more often than this is going in circles.
  package static let stepLimit = 1_000

  package static let initialState = State()
}

// MARK: - Decide

extension WorkflowRun {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .start(let workflow, let version, let contact, let firstStep):
      guard state.status == nil else { throw .alreadyStarted }
      return [
        .started(workflow: workflow, version: version, contact: contact, firstStep: firstStep)
      ]
    case .advance(let step, let outcome, let message, let next):
      try requireAt(step, state)
      guard state.advancedCount < stepLimit else { throw .tooManySteps(limit: stepLimit) }
      let advanced = Event.stepAdvanced(step: step, outcome: outcome, message: message, next: next)
      return next == nil ? [advanced, .completed] : [advanced]
    case .wait(let step, let timer, let untilMicros):
      try requireAt(step, state)
      // It waits already, by the timer that it was given first.
      guard state.status == .running else { return [] }
      return [.waiting(step: step, timer: timer, untilMicros: untilMicros)]
    case .fail(let step, let reason):
      try requireAt(step, state)
      return [.failed(step: step, reason: reason)]
    }
  }

  private static func requireAt(_ step: String, _ state: State) throws(Rejection) {
    switch state.status {
    case nil: throw .notFound
    case .completed, .failed: throw .over
    case .running, .waiting:
      guard state.step == step else { throw .notAtStep(step) }
    }
  }
}

// MARK: - Evolve

extension WorkflowRun {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .started(let workflow, let version, let contact, let firstStep):
      next.status = .running
      next.workflow = workflow
      next.version = version
      next.contact = contact
      next.step = firstStep
    case .stepAdvanced(_, _, _, let step):
      next.status = .running
      next.step = step
      next.advancedCount += 1
      next.timer = nil
      next.waitingUntilMicros = nil
    case .waiting(_, let timer, let untilMicros):
      next.status = .waiting
      next.timer = timer
      next.waitingUntilMicros = untilMicros
    case .completed:
      next.end(as: .completed)
    case .failed:
      next.end(as: .failed)
    }
    return next
  }
}

extension WorkflowRun.State {
  fileprivate mutating func end(as status: WorkflowRun.Status) {
    self.status = status
    step = nil
    timer = nil
    waitingUntilMicros = nil
  }
}
