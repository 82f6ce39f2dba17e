/// What should happen with a contact, step by step. Stream: the workflow's id. Versions are
/// immutable: a run keeps the version that it started with.
package enum Workflow: Decider {
  package enum Command: Sendable, Equatable {
    /// A first or a further version. `source` is the YAML as uploaded.
    case publish(WorkflowDefinition, source: String)
    case pause
    case resume
    /// Nobody starts it any more, and who is on it goes no further.
    case delete
  }

  package enum Event: Sendable, Equatable {
    case published(version: Int, definition: WorkflowDefinition, source: String)
    case paused
    case resumed
    case deleted
  }

  package struct State: Sendable, Equatable, Codable {
    package var versions: [Int: WorkflowDefinition] = [:]
    package var sources: [Int: String] = [:]
    package var latestVersion = 0
    package var isPaused = false
    package var isDeleted = false

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

package struct WorkflowDefinition: Sendable, Equatable, Codable {
  package enum Trigger: Sendable, Equatable, Codable {
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

  /// What somebody needs who has its steps carried out.
  package var rights: [String] { Set(steps.compactMap(\.action.right)).sorted() }
}

/// What a step sends: its own words, or a template's latest version.
package struct StepMessage: Sendable, Equatable, Codable {
  package var channel: Channel
  package var purpose: Purpose
  package var body: String
  /// Of an email.
  package var subject: String?
  package var html: String?
  /// Of a call: what is left on an answering machine.
  package var voicemail: String?
  /// Of a call: the longest that it may last.
  package var maxMinutes: Int?
  package var template: Identifier?

  package init(
    channel: Channel, purpose: Purpose, body: String, subject: String? = nil, html: String? = nil,
    voicemail: String? = nil, maxMinutes: Int? = nil, template: Identifier? = nil
  ) {
    self.channel = channel
    self.purpose = purpose
    self.body = body
    self.subject = subject
    self.html = html
    self.voicemail = voicemail
    self.maxMinutes = maxMinutes
    self.template = template
  }
}

/// The rights to have workflows do what their steps say. Whoever may do the same by hand has them.
package enum AutomationRight {
  package static let messages = "messages:automate"
  package static let contacts = "contacts:automate"

  /// What stands for them, too.
  package static let byHand = [messages: "messages:create", contacts: "contacts:update"]
}

/// One node of a workflow: nested branches of the document are flattened into ids.
package struct WorkflowStep: Sendable, Equatable, Codable {
  package indirect enum Condition: Sendable, Equatable, Codable {
    /// The contact sent a message after the run started.
    case replied
    case contact(Filter)
    case not(Condition)
  }

  package enum Action: Sendable, Equatable, Codable {
    case sendSMS(body: String, purpose: Purpose)
    /// An email or a call, or a text from a template.
    case send(StepMessage)
    case wait(durationMicros: Int64)
    case addTag(String)
    case removeTag(String)
    /// Goes on at `then` or `otherwise`; nil: at the step's `next`.
    case branch(Condition, then: String?, otherwise: String?)

    /// What it takes to have it done; nil: nothing happens outside of the run.
    package var right: String? {
      switch self {
      case .sendSMS, .send: AutomationRight.messages
      case .addTag, .removeTag: AutomationRight.contacts
      case .wait, .branch: nil
      }
    }
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

// MARK: - Decide

extension Workflow {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    if state.isDeleted {
      guard command == .delete else { throw .notFound }
      return []
    }
    switch command {
    case .delete:
      guard state.latestVersion > 0 else { throw .notFound }
      return [.deleted]
    case .publish(let definition, let source):
      try check(definition)
      let isKnown =
        state.versions[state.latestVersion] == definition
        && state.sources[state.latestVersion] == source
      if isKnown { return [] }
      let version = state.latestVersion + 1
      return [.published(version: version, definition: definition, source: source)]
    case .pause:
      guard state.latestVersion > 0 else { throw .notFound }
      return state.isPaused ? [] : [.paused]
    case .resume:
      guard state.latestVersion > 0 else { throw .notFound }
      return state.isPaused ? [.resumed] : []
    }
  }

  private static func check(_ definition: WorkflowDefinition) throws(Rejection) {
    guard !definition.name.isBlank else { throw .emptyName }
    guard !definition.steps.isEmpty else { throw .noSteps }
    var ids: Set<String> = []
    for step in definition.steps {
      guard ids.insert(step.id).inserted else { throw .duplicateStep(step.id) }
    }
    for step in definition.steps {
      for target in step.targets {
        guard ids.contains(target) else { throw .unknownStep(target) }
      }
    }
  }
}

extension WorkflowStep {
  /// The steps that may come after this one.
  package var targets: [String] {
    switch action {
    case .branch(_, let then, let otherwise): [then, otherwise, next].compactMap(\.self)
    case .sendSMS, .send, .wait, .addTag, .removeTag: [next].compactMap(\.self)
    }
  }
}

extension WorkflowDefinition {
  package func step(_ id: String) -> WorkflowStep? { steps.first { $0.id == id } }
}

// MARK: - Evolve

extension Workflow {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .published(let version, let definition, let source):
      next.versions[version] = definition
      next.sources[version] = source
      next.latestVersion = version
    case .paused:
      next.isPaused = true
    case .resumed:
      next.isPaused = false
    case .deleted:
      next.isDeleted = true
    }
    return next
  }
}
