import Domain
import EventLog

extension Workspace {
  /// Reactions upon reactions: beyond this a chain is refused, so that no workflow feeds itself.
  package static var depthLimit: UInt16 { 16 }

  /// The first version of a workflow, or the next one of the workflow with this name.
  package mutating func publishWorkflow(
    _ definition: WorkflowDefinition, source: String
  ) throws(CommandError) -> Identifier {
    try requireTemplates(of: definition)
    let known = workflow(named: definition.name)
    let id = known ?? newID(.workflow)
    try run(Workflow.self, id, .publish(definition, source: source), isNew: known == nil)
    return id
  }

  /// The next version of one workflow, under whatever name nobody else has.
  package mutating func reviseWorkflow(
    _ id: Identifier, _ definition: WorkflowDefinition, source: String
  ) throws(CommandError) {
    guard try current(Workflow.self, id).latestVersion > 0 else { throw .notFound(id) }
    guard [nil, id].contains(workflow(named: definition.name)) else {
      throw .invalid(
        field: "name", code: "name_taken", message: "Another workflow has this name.")
    }
    try requireTemplates(of: definition)
    try run(Workflow.self, id, .publish(definition, source: source))
  }

  /// Whoever is on a step whose template is another account's could go no further.
  private func requireTemplates(of definition: WorkflowDefinition) throws(CommandError) {
    for step in definition.steps {
      guard case .send(let content) = step.action, let id = content.template else { continue }
      let template = try current(Template.self, id)
      guard template.exists else {
        throw .invalid(
          field: step.id, code: "unknown_template",
          message: "There is no such template as \(id) in this account.")
      }
      guard template.channel == content.channel else { throw Self.otherChannel(field: step.id) }
    }
  }

  package mutating func deleteWorkflow(_ id: Identifier) throws(CommandError) {
    guard try current(Workflow.self, id).latestVersion > 0 else { throw .notFound(id) }
    try run(Workflow.self, id, .delete)
  }

  package func workflow(named name: String) -> Identifier? {
    state.tables.workflows.first {
      !$0.value.isDeleted && $0.value.versions[$0.value.latestVersion]?.name == name
    }?.key
  }

  /// What its latest version takes of whoever has it carried out.
  package func rights(ofWorkflow id: Identifier) throws(CommandError) -> [String] {
    try current(Workflow.self, id).latest?.rights ?? []
  }

  package mutating func setWorkflow(_ id: Identifier, paused: Bool) throws(CommandError) {
    guard try current(Workflow.self, id).latestVersion > 0 else { throw .notFound(id) }
    try run(Workflow.self, id, paused ? .pause : .resume)
  }

  /// A wait at least this long ends a chain of reactions: what comes after it counts anew.
  package static var chainEndsAfterMicros: Int64 { 3_600_000_000 }

  /// Puts a contact on a workflow's latest version and goes as far as possible at once. nil where
  /// the workflow is paused, the contact is on it already (or was when the event at org sequence
  /// `trigger` happened), or `run` was started before. A chain of reactions that became too long ends
  /// with a failed run.
  package mutating func startRun(
    _ run: Identifier, of workflow: Identifier, contact: Identifier, trigger: UInt64? = nil
  ) throws(CommandError) -> Identifier? {
    let definitions = try current(Workflow.self, workflow)
    guard !definitions.isDeleted,
      let definition = definitions.versions[definitions.latestVersion]
    else { throw .notFound(workflow) }
    guard try self.contact(contact).isListed else { return nil }
    let key = RunIndex.Key(workflow: workflow, contact: contact)
    guard !definitions.isPaused, state.runs.mayStart(key, byEventAt: trigger ?? .max),
      let first = definition.steps.first
    else { return nil }
    guard try current(WorkflowRun.self, run).status == nil else { return nil }
    try self.run(
      WorkflowRun.self, run,
      .start(
        workflow: workflow, version: definitions.latestVersion, contact: contact,
        firstStep: first.id))
    if depth > Self.depthLimit {
      try self.run(WorkflowRun.self, run, .fail(step: first.id, reason: "too_deep"))
    } else {
      try advance(run)
    }
    return run
  }

  /// Fires a timer and lets what waited for it go on.
  mutating func fire(_ timer: Identifier) throws(CommandError) {
    guard case .pending(let owner, let dueMicros) = try current(Timer.self, timer),
      dueMicros <= nowMicros
    else { return }
    try run(Timer.self, timer, .fire)
    switch owner.kind {
    case .message: try release(owner)
    case .run: try wake(owner, by: timer)
    case .org, .user, .apiKey, .role, .contact, .wallet, .campaign, .segment, .workflow, .timer,
      .webhookEndpoint, .inboundHook, .importJob, .template, .payment, .auditExport, .erasure,
      .event,
      .request:
      preconditionFailure("timers belong to messages and runs")
    }
  }

  private mutating func wake(_ run: Identifier, by timer: Identifier) throws(CommandError) {
    let state = try current(WorkflowRun.self, run)
    guard state.status == .waiting, state.timer == timer, let step = state.step else { return }
    let next = try definition(of: state)?.step(step)?.next
    try self.run(
      WorkflowRun.self, run, .advance(step: step, outcome: "waited", message: nil, next: next))
    try advance(run)
  }

  /// What a run may say at once, from one wait to the next: it is one commit, and what the log refuses could neither be
  /// done nor be put on record.
  private static var runByteLimit: Int { CommitRules.maxCommitBytes / 2 }

  /// Carries out steps until the run waits or is over.
  private mutating func advance(_ run: Identifier) throws(CommandError) {
    let byteCountBefore = plannedByteCount
    while true {
      let state = try current(WorkflowRun.self, run)
      guard state.status == .running, let id = state.step, let contact = state.contact else {
        return
      }
      guard let step = try definition(of: state)?.step(id) else {
        try self.run(WorkflowRun.self, run, .fail(step: id, reason: "unknown step"))
        return
      }
      if let workflow = state.workflow, try current(Workflow.self, workflow).isDeleted {
        try self.run(WorkflowRun.self, run, .fail(step: id, reason: "workflow_deleted"))
        return
      }
      guard plannedByteCount - byteCountBefore <= Self.runByteLimit else {
        try self.run(WorkflowRun.self, run, .fail(step: id, reason: "too_large"))
        return
      }
      do {
        try carryOut(step, of: run, contact)
      } catch {
        guard let reason = error.stepFailure else { throw error }
        try self.run(WorkflowRun.self, run, .fail(step: id, reason: reason))
        return
      }
    }
  }

  private mutating func carryOut(
    _ step: WorkflowStep, of run: Identifier, _ contact: Identifier
  ) throws(CommandError) {
    var outcome = "done"
    var message: Identifier?
    var next = step.next
    switch step.action {
    case .sendSMS(let body, let purpose):
      let planned = try planOrSkip(
        MessageRequest(
          contact: contact, body: body, purpose: purpose, run: run, step: step.id))
      outcome = planned.verdict.outcome.text
      message = planned.id
    case .send(let content):
      let planned = try planOrSkip(request(content, to: contact, run: run, step: step.id))
      outcome = planned.verdict.outcome.text
      message = planned.id
    case .wait(let durationMicros):
      let timer = newID(.timer)
      let dueMicros = nowMicros + durationMicros
      try self.run(
        WorkflowRun.self, run, .wait(step: step.id, timer: timer, untilMicros: dueMicros))
      try self.run(Timer.self, timer, .schedule(owner: run, dueMicros: dueMicros), isNew: true)
      return
    case .addTag(let tag):
      try self.run(Contact.self, contact, .addTags([tag]))
    case .removeTag(let tag):
      try self.run(Contact.self, contact, .removeTags([tag]))
    case .branch(let condition, let then, let otherwise):
      let holds = try holds(condition, run: run, contact)
      outcome = holds ? "yes" : "no"
      next = (holds ? then : otherwise) ?? step.next
    }
    try self.run(
      WorkflowRun.self, run,
      .advance(step: step.id, outcome: outcome, message: message, next: next))
  }

  private func request(
    _ content: StepMessage, to contact: Identifier, run: Identifier, step: String
  ) -> MessageRequest {
    var request = MessageRequest(
      contact: contact, body: content.body, purpose: content.purpose, run: run, step: step,
      channel: content.channel)
    request.subject = content.subject
    request.html = content.html
    request.voicemail = content.voicemail
    request.template = content.template.map { TemplateUse(id: $0, version: 0) }
    if content.channel == .voice {
      request.voice = VoicePlan(
        maxMinutes: content.maxMinutes ?? VoicePlan.standardMinutes, isRecorded: false,
        isVoicemailDrop: content.voicemail != nil)
    }
    return request
  }

  private func holds(
    _ condition: WorkflowStep.Condition, run: Identifier, _ contact: Identifier
  ) throws(CommandError) -> Bool {
    switch condition {
    case .not(let inner):
      return try !holds(inner, run: run, contact)
    case .contact(let filter):
      return filter.matches(
        state.facts(of: contact, try self.contact(contact)), atMicros: nowMicros)
    case .replied:
      guard let last = state.contacts[contact]?.lastInboundMicros.values.max() else { return false }
      return last >= state.runs.startedAtMicros[run] ?? nowMicros
    }
  }

  private func definition(
    of run: WorkflowRun.State
  ) throws(CommandError) -> WorkflowDefinition? {
    guard let workflow = run.workflow else { return nil }
    return try current(Workflow.self, workflow).versions[run.version]
  }
}

extension CommandError {
  /// Why a workflow step cannot be done, where that is the step's own fault and ends only its run.
  fileprivate var stepFailure: String? {
    switch self {
    case .run(.tooManySteps): "too_many_steps"
    case .contact: "contact_refused"
    case .smsNotConfigured: "sms_not_configured"
    case .providerNotConfigured: "provider_not_configured"
    case .postalAddressMissing: "postal_address_missing"
    case .template: "template_refused"
    case .notFound(let id) where id.kind == .template: "template_refused"
    case .invalid(_, let code, _): code
    case .org, .user, .apiKey, .role, .message, .wallet, .segment, .campaign, .workflow, .run,
      .timer, .webhookEndpoint, .inboundHook, .importJob, .payment, .duplicateContact, .notFound,
      .missingField, .recipientsIncomplete, .providerInUse,
      .tooDeep, .tooManyExports, .alreadyRunning, .versionMismatch, .cannotGrant,
      .lastAdministrator, .emailTaken, .roleInUse, .idempotencyInProgress, .unreadable,
      .contactsUnreadable, .log, .obstacle:
      nil
    }
  }
}

extension Verdict.Outcome {
  /// `queued`, `held:quiet_hours`, `skipped:revoked`.
  var text: String {
    switch self {
    case .allowed: "queued"
    case .held(let reason, _): "held:" + reason.rawValue
    case .refused(let reason): "skipped:" + reason.rawValue
    }
  }
}
