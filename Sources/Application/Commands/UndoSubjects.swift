import Domain

// What each kind of object says of its own events when they are taken back.
//
// Two rules hold for all: an undo stops what was set going and never sets going what was stopped (campaigns, workflows,
// endpoints, hooks), and what somebody saw or got (a secret, a message) is not made unseen.

extension Segment: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .created: .creation
    case .updated, .deleted, .restored: .change
    }
  }

  static func action(takingBack event: Event) -> String {
    switch event {
    case .created, .restored: "delete"
    case .updated: "update"
    // It is there again, which no order but this one does.
    case .deleted: "create"
    }
  }

  static var parts: [DefinitionPart<State>] {
    [
      DefinitionPart("name", { $0.name }, { $0.name = $1 }),
      DefinitionPart("filter", { $0.filter }, { $0.filter = $1 }),
      DefinitionPart("deleted", { $0.isDeleted }, { $0.isDeleted = $1 }),
    ]
  }

  static func obstacle(to event: Event, in state: State) -> UndoPlan.Reason? {
    if case .deleted = event { return nil }
    return state.isDeleted ? .objectDeleted : nil
  }

  static func isTakenBack(_ state: State) -> Bool { state.isDeleted }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    var steps: [UndoPlan.Change] = []
    if present.isDeleted, !target.isDeleted {
      steps.append(.segment(.restore(createdAtMicros: createdAtMicros)))
    }
    if present.name != target.name || present.filter != target.filter {
      steps.append(.segment(.update(name: target.name, filter: target.filter)))
    }
    if target.isDeleted, !present.isDeleted { steps.append(.segment(.delete)) }
    return steps
  }

  static var stepOfTakingBack: UndoPlan.Change { .segment(.delete) }
}

extension Template: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .created: .creation
    case .revised, .archived, .restored: .change
    }
  }

  /// Archiving is a change by itself, too.
  static func action(takingBack event: Event) -> String { "update" }

  static var parts: [DefinitionPart<State>] {
    [
      DefinitionPart("name", { $0.name }, { $0.name = $1 }),
      // Versions are not taken out: what was is written once more, as the next one.
      DefinitionPart(
        "content", { $0.content() },
        { state, content in if let content { state.versions.append(content) } }),
      DefinitionPart("archived", { $0.isArchived }, { $0.isArchived = $1 }),
    ]
  }

  static func obstacle(to event: Event, in state: State) -> UndoPlan.Reason? { nil }
  static func isTakenBack(_ state: State) -> Bool { state.isArchived }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    let isRevised = target.name != present.name || target.content() != present.content()
    guard isRevised, let content = target.content() else {
      guard present.isArchived != target.isArchived else { return [] }
      return [.template(target.isArchived ? .archive : .restore)]
    }
    // An archived one takes no new version.
    let revision = UndoPlan.Change.template(.revise(name: target.name, content))
    return (present.isArchived ? [.template(.restore)] : []) + [revision]
      + (target.isArchived ? [.template(.archive)] : [])
  }

  static var stepOfTakingBack: UndoPlan.Change { .template(.archive) }
}

extension Campaign: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .created: .creation
    case .updated, .resumed, .paceSet: .change
    case .launched: .stays(.launched)
    case .paused, .cancelled: .stays(.stopStays)
    case .audienceRecorded, .batchPlanned, .completed: .stays(.factStays)
    case .deleted: .stays(.notUndoable)
    }
  }

  static var parts: [DefinitionPart<State>] {
    [
      DefinitionPart(
        "name", { $0.definition?.name },
        { state, value in if let value { state.definition?.name = value } }),
      DefinitionPart(
        "segment", { $0.definition?.segment },
        { state, value in if let value { state.definition?.segment = value } }),
      DefinitionPart(
        "channel", { $0.definition?.channel },
        { state, value in if let value { state.definition?.channel = value } }),
      DefinitionPart(
        "purpose", { $0.definition?.purpose },
        { state, value in if let value { state.definition?.purpose = value } }),
      DefinitionPart(
        "body", { $0.definition?.body },
        { state, value in if let value { state.definition?.body = value } }),
      DefinitionPart("subject", { $0.definition?.subject }, { $0.definition?.subject = $1 }),
      DefinitionPart("html", { $0.definition?.html }, { $0.definition?.html = $1 }),
      DefinitionPart("voicemail", { $0.definition?.voicemail }, { $0.definition?.voicemail = $1 }),
      DefinitionPart("template", { $0.definition?.template }, { $0.definition?.template = $1 }),
      DefinitionPart(
        "holdout_percent", { $0.definition?.holdoutPercent }, { $0.definition?.holdoutPercent = $1 }
      ),
      DefinitionPart("per_minute", { $0.pacePerMinute }, { $0.pacePerMinute = $1 }),
      DefinitionPart("paused", { $0.status == .paused }, { $0.status = $1 ? .paused : .running }),
    ]
  }

  static func slim(_ state: State) -> State {
    var slim = state
    slim.openBatches = [:]
    return slim
  }

  static func obstacle(to event: Event, in state: State) -> UndoPlan.Reason? {
    if state.isDeleted { return .objectDeleted }
    switch state.status {
    case .draft, nil: return nil
    case .completed, .cancelled: return .launched
    case .running, .paused:
      switch event {
      case .created, .updated: return .launched
      default: return nil
      }
    }
  }

  static func isTakenBack(_ state: State) -> Bool { state.isDeleted }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    var steps: [UndoPlan.Change] = []
    if let definition = target.definition, definition != present.definition {
      steps.append(.campaign(.update(definition)))
    }
    if target.pacePerMinute != present.pacePerMinute {
      steps.append(.campaign(.setPace(perMinute: target.pacePerMinute)))
    }
    if target.status == .paused, present.status == .running { steps.append(.pauseCampaign) }
    return steps
  }

  static var stepOfTakingBack: UndoPlan.Change { .campaign(.delete) }
}

extension Workflow: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .published(let version, _, _): version == 1 ? .creation : .change
    case .resumed: .change
    case .paused: .stays(.stopStays)
    case .deleted: .stays(.notUndoable)
    }
  }

  static var parts: [DefinitionPart<State>] {
    [
      // Versions are not taken out: what was is published once more, as the next one.
      DefinitionPart(
        "version", { Edition(definition: $0.latest, source: $0.sources[$0.latestVersion]) },
        { state, edition in
          state.latestVersion += 1
          state.versions[state.latestVersion] = edition.definition
          state.sources[state.latestVersion] = edition.source
        }),
      DefinitionPart("paused", { $0.isPaused }, { $0.isPaused = $1 }),
    ]
  }

  private struct Edition: Equatable {
    let definition: WorkflowDefinition?
    let source: String?
  }

  static func isTakenBack(_ state: State) -> Bool { state.isDeleted }

  /// A paused one does nothing: whoever sets it going is asked.
  static func rights(in state: State) -> [String] {
    state.isPaused ? [] : state.latest?.rights ?? []
  }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    var steps: [UndoPlan.Change] = []
    if let definition = target.latest, let source = target.sources[target.latestVersion],
      definition != present.latest || source != present.sources[present.latestVersion]
    {
      steps.append(.workflow(.publish(definition, source: source)))
    }
    if target.isPaused, !present.isPaused { steps.append(.workflow(.pause)) }
    return steps
  }

  static var stepOfTakingBack: UndoPlan.Change { .workflow(.delete) }
}

extension Workflow.State {
  var latest: WorkflowDefinition? { versions[latestVersion] }
}

extension Role: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .created: .creation
    case .updated: .change
    case .deleted: .stays(.notUndoable)
    }
  }

  static var parts: [DefinitionPart<State>] {
    [
      DefinitionPart("name", { $0.name }, { $0.name = $1 }),
      DefinitionPart("scopes", { $0.scopes }, { $0.scopes = $1 }),
    ]
  }

  static func isTakenBack(_ state: State) -> Bool { state.isDeleted }
  static func rights(in state: State) -> [String] { state.scopes }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    guard present.name != target.name || present.scopes != target.scopes else { return [] }
    return [.role(.update(name: target.name, scopes: target.scopes))]
  }

  static var stepOfTakingBack: UndoPlan.Change { .role(.delete) }
}

extension User: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .created: .creation
    case .renamed, .roleChanged, .deactivated, .reactivated: .change
    case .passwordChanged: .stays(.secretStays)
    case .signedIn, .signInFailed, .signedOut, .locked, .unlocked: .stays(.factStays)
    }
  }

  /// To take the right to sign in is what a deletion does; to give it back is a change.
  static func action(takingBack event: Event) -> String {
    switch event {
    case .created, .reactivated: "delete"
    default: "update"
    }
  }

  static var parts: [DefinitionPart<State>] {
    [
      DefinitionPart("name", { $0.details?.name }, { $0.details?.name = $1 ?? "" }),
      DefinitionPart("role", { $0.role }, { $0.role = $1 }),
      DefinitionPart("active", { $0.isActive }, { $0.isActive = $1 }),
    ]
  }

  static func obstacle(to event: Event, in state: State) -> UndoPlan.Reason? { nil }
  static func isTakenBack(_ state: State) -> Bool { !state.isActive }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    var steps: [UndoPlan.Change] = []
    if let name = target.details?.name, name != present.details?.name {
      steps.append(.user(.rename(name)))
    }
    // First the role: whoever comes back has the rights that they will have.
    if target.role != present.role { steps.append(.user(.changeRole(target.role))) }
    if target.isActive != present.isActive {
      steps.append(.user(target.isActive ? .reactivate : .deactivate))
    }
    return steps
  }

  static var stepOfTakingBack: UndoPlan.Change { .user(.deactivate) }
}

extension APIKey: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .created: .creation
    case .restricted, .renamed, .scopesChanged, .limitSet: .change
    case .rolled, .revoked: .stays(.secretStays)
    }
  }

  static var parts: [DefinitionPart<State>] {
    [
      DefinitionPart("name", { $0.name }, { $0.name = $1 }),
      DefinitionPart("scopes", { $0.scopes }, { $0.scopes = $1 }),
      DefinitionPart("rate_limit", { $0.limit }, { $0.limit = $1 }),
      // Not the secret that requests are signed with: it was shown.
      DefinitionPart(
        "expires_at", { $0.restrictions.expiresAtMicros }, { $0.restrictions.expiresAtMicros = $1 }
      ),
      DefinitionPart("networks", { $0.restrictions.networks }, { $0.restrictions.networks = $1 }),
    ]
  }

  static func isTakenBack(_ state: State) -> Bool { state.isRevoked }
  static func rights(in state: State) -> [String] { state.scopes }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    var commands: [APIKey.Command] = []
    if target.name != present.name { commands.append(.rename(target.name)) }
    if target.scopes != present.scopes { commands.append(.changeScopes(target.scopes)) }
    if target.limit != present.limit { commands.append(.setLimit(target.limit)) }
    if target.restrictions != present.restrictions {
      commands.append(.restrict(target.restrictions))
    }
    return commands.map { .apiKey($0) }
  }

  static var stepOfTakingBack: UndoPlan.Change { .apiKey(.revoke) }
}

extension WebhookEndpoint: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .created: .creation
    case .updated, .styleSet, .resumed: .change
    case .paused: .stays(.stopStays)
    case .secretRotated: .stays(.secretStays)
    case .disabled, .enabled, .deliveryFailed, .tested, .redeliveryRequested, .redelivered:
      .stays(.factStays)
    case .deleted: .stays(.notUndoable)
    }
  }

  static var parts: [DefinitionPart<State>] {
    [
      DefinitionPart("url", { $0.url }, { $0.url = $1 }),
      DefinitionPart("types", { $0.types }, { $0.types = $1 }),
      DefinitionPart("payload", { $0.style.payload }, { $0.style.payload = $1 }),
      DefinitionPart("format", { $0.style.format }, { $0.style.format = $1 }),
      DefinitionPart("paused", { $0.isPaused }, { $0.isPaused = $1 }),
    ]
  }

  static func isTakenBack(_ state: State) -> Bool { state.isDeleted }

  /// Full payloads are the book itself.
  static func rights(in state: State) -> [String] {
    state.style.payload == .full ? ["events:read"] : []
  }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    var commands: [WebhookEndpoint.Command] = []
    if target.url != present.url || target.types != present.types {
      commands.append(.update(url: target.url, types: target.types))
    }
    if target.style != present.style { commands.append(.setStyle(target.style)) }
    if target.isPaused, !present.isPaused { commands.append(.pause) }
    return commands.map { .endpoint($0) }
  }

  static var stepOfTakingBack: UndoPlan.Change { .endpoint(.delete) }
}

extension InboundHook: UndoableDefinition {
  static func nature(of event: Event) -> EventNature {
    switch event {
    case .created: .creation
    case .updated, .enabled: .change
    case .disabled: .stays(.stopStays)
    case .secretRotated: .stays(.secretStays)
    case .deleted: .stays(.notUndoable)
    }
  }

  static var parts: [DefinitionPart<State>] {
    [
      DefinitionPart("settings", { $0.settings }, { $0.settings = $1 }),
      DefinitionPart("enabled", { $0.isEnabled }, { $0.isEnabled = $1 }),
    ]
  }

  static func isTakenBack(_ state: State) -> Bool { state.isDeleted }
  static func rights(in state: State) -> [String] { state.settings?.action.rights ?? [] }

  /// Each way of proving oneself has a secret of its own shape: the one before is gone, and the present one would be
  /// good for nothing.
  static func obstacle(from present: State, to next: State) -> UndoPlan.Reason? {
    present.settings?.authentication == next.settings?.authentication ? nil : .secretStays
  }

  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change] {
    var commands: [InboundHook.Command] = []
    if let settings = target.settings, settings != present.settings {
      commands.append(.update(settings))
    }
    if present.isEnabled, !target.isEnabled { commands.append(.disable) }
    return commands.map { .hook($0) }
  }

  static var stepOfTakingBack: UndoPlan.Change { .hook(.delete) }
}
