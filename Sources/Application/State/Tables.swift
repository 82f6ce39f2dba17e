import Domain

/// The states of an org's aggregates by id. Contacts are many and have a table of their own: `ContactTable`.
struct Tables: Codable {
  var orgs: [Identifier: Org.State] = [:]
  var users: [Identifier: User.State] = [:]
  var apiKeys: [Identifier: APIKey.State] = [:]
  var roles: [Identifier: Role.State] = [:]
  var messages: [Identifier: Message.State] = [:]
  var segments: [Identifier: Segment.State] = [:]
  var campaigns: [Identifier: Campaign.State] = [:]
  var workflows: [Identifier: Workflow.State] = [:]
  var runs: [Identifier: WorkflowRun.State] = [:]
  var timers: [Identifier: Timer.State] = [:]
  var webhookEndpoints: [Identifier: WebhookEndpoint.State] = [:]
  var importJobs: [Identifier: ImportJob.State] = [:]
  var templates: [Identifier: Template.State] = [:]
  var payments: [Identifier: Payment.State] = [:]
  var inboundHooks: [Identifier: InboundHook.State] = [:]
}

/// What one command changed.
struct Overlay {
  var tables = Tables()
  var contacts: [Identifier: Contact.State] = [:]
}

/// An aggregate that an org has by id. The wallet is none: there is one an org.
protocol Housed: Decider {
  /// nil where it is not at hand.
  static func held(_ id: Identifier, in state: OrgState) -> State?
  static func changed(_ id: Identifier, in overlay: Overlay) -> State?
  static func keep(_ state: State, _ id: Identifier, in overlay: inout Overlay)
  static func wrap(_ event: Event) -> DomainEvent
  static func refuse(_ rejection: Rejection) -> CommandError
  /// This aggregate's event, or nil for another's.
  static func unwrap(_ event: DomainEvent) -> Event?
}

/// One with a place in `Tables`.
protocol Tabled: Housed {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { get }
}

extension Tabled {
  static func held(_ id: Identifier, in state: OrgState) -> State? {
    state.tables[keyPath: table][id]
  }

  static func changed(_ id: Identifier, in overlay: Overlay) -> State? {
    overlay.tables[keyPath: table][id]
  }

  static func keep(_ state: State, _ id: Identifier, in overlay: inout Overlay) {
    overlay.tables[keyPath: table][id] = state
  }
}

extension Org: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.orgs }
  static func wrap(_ event: Event) -> DomainEvent { .org(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .org(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .org(let event) = event { event } else { nil }
  }
}

extension User: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.users }
  static func wrap(_ event: Event) -> DomainEvent { .user(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .user(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .user(let event) = event { event } else { nil }
  }
}

extension APIKey: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.apiKeys }
  static func wrap(_ event: Event) -> DomainEvent { .apiKey(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .apiKey(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .apiKey(let event) = event { event } else { nil }
  }
}

extension Role: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.roles }
  static func wrap(_ event: Event) -> DomainEvent { .role(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .role(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .role(let event) = event { event } else { nil }
  }
}

extension Contact: Housed {
  static func held(_ id: Identifier, in state: OrgState) -> State? { state.contacts[id]?.state }

  static func changed(_ id: Identifier, in overlay: Overlay) -> State? { overlay.contacts[id] }

  static func keep(_ state: State, _ id: Identifier, in overlay: inout Overlay) {
    overlay.contacts[id] = state
  }

  static func wrap(_ event: Event) -> DomainEvent { .contact(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .contact(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .contact(let event) = event { event } else { nil }
  }
}

extension Message: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.messages }
  static func wrap(_ event: Event) -> DomainEvent { .message(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .message(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .message(let event) = event { event } else { nil }
  }
}

extension Segment: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.segments }
  static func wrap(_ event: Event) -> DomainEvent { .segment(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .segment(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .segment(let event) = event { event } else { nil }
  }
}

extension Campaign: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.campaigns }
  static func wrap(_ event: Event) -> DomainEvent { .campaign(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .campaign(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .campaign(let event) = event { event } else { nil }
  }
}

extension Workflow: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.workflows }
  static func wrap(_ event: Event) -> DomainEvent { .workflow(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .workflow(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .workflow(let event) = event { event } else { nil }
  }
}

extension WorkflowRun: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.runs }
  static func wrap(_ event: Event) -> DomainEvent { .run(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .run(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .run(let event) = event { event } else { nil }
  }
}

extension Timer: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.timers }
  static func wrap(_ event: Event) -> DomainEvent { .timer(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .timer(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .timer(let event) = event { event } else { nil }
  }
}

extension WebhookEndpoint: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.webhookEndpoints }
  static func wrap(_ event: Event) -> DomainEvent { .webhookEndpoint(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .webhookEndpoint(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .webhookEndpoint(let event) = event { event } else { nil }
  }
}

extension ImportJob: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.importJobs }
  static func wrap(_ event: Event) -> DomainEvent { .importJob(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .importJob(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .importJob(let event) = event { event } else { nil }
  }
}

extension Template: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.templates }
  static func wrap(_ event: Event) -> DomainEvent { .template(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .template(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .template(let event) = event { event } else { nil }
  }
}

extension Payment: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.payments }
  static func wrap(_ event: Event) -> DomainEvent { .payment(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .payment(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .payment(let event) = event { event } else { nil }
  }
}

extension InboundHook: Tabled {
  static var table: WritableKeyPath<Tables, [Identifier: State]> { \.inboundHooks }
  static func wrap(_ event: Event) -> DomainEvent { .inboundHook(event) }
  static func refuse(_ rejection: Rejection) -> CommandError { .inboundHook(rejection) }
  static func unwrap(_ event: DomainEvent) -> Event? {
    if case .inboundHook(let event) = event { event } else { nil }
  }
}
