/// What should happen with a contact, step by step. Stream: the workflow's id. Versions are
/// immutable: a run keeps the version that it started with.
package enum Workflow {
  package enum Command: Sendable, Equatable {
    /// A first or a further version. `source` is the YAML as uploaded.
    case publish(WorkflowDefinition, source: String)
    case pause
    case resume
  }

  package enum Event: Sendable, Equatable {
    case published(version: Int, definition: WorkflowDefinition, source: String)
    case paused
    case resumed
  }

  package struct State: Sendable, Equatable {
    package var versions: [Int: WorkflowDefinition] = [:]
    package var sources: [Int: String] = [:]
    package var latestVersion = 0
    package var isPaused = false

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case notFound
    case emptyName
    case noSteps
    case unknownStep(String)
    case duplicateStep(String)
  }

  package static let initialState = State()
}

package struct WorkflowDefinition: Sendable, Equatable {
  package enum Trigger: Sendable, Equatable {
    case tagAdded(String)
    case contactCreated
    case messageReceived
    case manual
  }

  package var name: String
  package var trigger: Trigger
  /// In the order of the document; the first one is where a run starts.
  package var steps: [WorkflowStep]

  package init(name: String, trigger: Trigger, steps: [WorkflowStep]) {
    self.name = name
    self.trigger = trigger
    self.steps = steps
  }
}

/// One node of a workflow: nested branches of the document are flattened into ids.
package struct WorkflowStep: Sendable, Equatable {
  package indirect enum Condition: Sendable, Equatable {
    /// The contact sent a message after the run started.
    case replied
    case contact(Filter)
    case not(Condition)
  }

  package enum Action: Sendable, Equatable {
    case sendSMS(body: String, purpose: Purpose)
    case wait(durationMicros: Int64)
    case addTag(String)
    case removeTag(String)
    /// Goes on at `then` or `otherwise`; nil: at the step's `next`.
    case branch(Condition, then: String?, otherwise: String?)
  }

  package var id: String
  package var action: Action
  /// nil: the run ends after this step.
  package var next: String?

  package init(id: String, action: Action, next: String?) {
    self.id = id
    self.action = action
    self.next = next
  }
}

/// One contact's way through one version of a workflow. Stream: the run's id.
///
/// Invariants: a step is advanced once per visit; a waiting run goes on only by its own timer;
/// nothing follows `completed` or `failed`.
package enum WorkflowRun {
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

  package enum Status: String, Sendable, CaseIterable {
    case running, waiting, completed, failed
  }

  package struct State: Sendable, Equatable {
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
