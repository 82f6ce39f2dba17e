import Domain
import EventCodec
import EventLog

/// What would take some events back: made from the log as it was at one position, so that the same question about the
/// same position has the same answer for ever. The command that carries it out looks again at what changed since then.
///
/// An event is taken back by a new one that says the contrary. Where something else changed the same since, it stays,
/// unless it is to be restored all the same; what cannot be said to be otherwise (what people said, what was sent, what
/// was paid, whose keys are gone) stays too, with the reason.
package struct UndoPlan: Sendable {
  package enum Outcome: Sendable, Equatable {
    case undone
    /// It is as it was before the event already.
    case unchanged
    /// Something else changed the same since.
    case changedSince
    case refused(Reason)

    package var name: String {
      switch self {
      case .undone: "undone"
      case .unchanged: "unchanged"
      case .changedSince: "changed_since"
      case .refused: "refused"
      }
    }
  }

  package enum Reason: String, Sendable, CaseIterable {
    /// A yes or a no is the person's own.
    case consentStays = "consent_stays"
    case factStays = "fact_stays"
    case alreadySent = "already_sent"
    case moneyMoved = "money_moved"
    case erasureIsFinal = "erasure_is_final"
    case erased
    case objectDeleted = "object_deleted"
    case notUndoable = "not_undoable"
    /// The campaign was launched or called off: its text is what people got, or were to get.
    case launched
    /// What was stopped is set going again by whoever wants that, not by the way.
    case stopStays = "stop_stays"
    /// Whoever saw a secret has it, and nobody here has the one before.
    case secretStays = "secret_stays"
    case missingScope = "missing_scope"
  }

  package struct Item: Sendable {
    package let event: Identifier
    package let position: UInt64
    package let type: String
    package let subject: Identifier
    package var outcome: Outcome
    /// Fields that stay as they are, because something else changed them since.
    package var kept: [String] = []
  }

  /// Newest first.
  package var items: [Item] {
    parts.flatMap(\.items).sorted { $0.position > $1.position }
  }
  fileprivate let question: Question
  /// One for each object, those first that take back what came last: an address is free before it goes back to whom it
  /// was taken from, a role has nobody before it goes.
  fileprivate private(set) var parts: [Part] = []

  /// What concerns one object.
  fileprivate struct Part: Sendable {
    let subject: Identifier
    /// Versions of the events to take back.
    let wanted: Set<UInt64>
    /// The object's, as the plan knows it; nil where no other one would change anything.
    let version: UInt64?
    let items: [Item]
    let steps: [Change]
  }

  enum Change: Sendable {
    case fields([FieldChange])
    case addTag(String)
    case removeTag(String)
    case contact(isArchived: Bool)
    case cancelMessage
    case segment(Segment.Command)
    case template(Template.Command)
    case campaign(Campaign.Command)
    case pauseCampaign
    case workflow(Workflow.Command)
    case role(Role.Command)
    case user(User.Command)
    case apiKey(APIKey.Command)
    case endpoint(WebhookEndpoint.Command)
    case hook(InboundHook.Command)
  }

  package struct Question: Sendable {
    package let org: Identifier
    /// As the log was here.
    package let position: UInt64
    package let restoresEdited: Bool
    /// What objects of a kind are called in rights; others are not undone at all.
    package let resources: [Identifier.Kind: String]
    /// The rights that the caller has, and may give back to others.
    package let grants: Grants

    package init(
      org: Identifier, position: UInt64, restoresEdited: Bool,
      resources: [Identifier.Kind: String], grants: Grants
    ) {
      self.org = org
      self.position = position
      self.restoresEdited = restoresEdited
      self.resources = resources
      self.grants = grants
    }

    /// Whether the caller may do `action` to objects of the kind by an order of its own.
    func allows(_ action: String, _ kind: Identifier.Kind) -> Bool {
      resources[kind].map { grants.include(["\($0):\(action)"]) } ?? false
    }
  }

  /// `events` are the org's, in any order, each once.
  ///
  /// - Throws: `log` and `unreadable`, where the log cannot be read.
  package init(
    _ events: [RecordedDomainEvent], _ question: Question, _ log: any EventReader
  ) throws(CommandError) {
    self.question = question
    let byStream = Dictionary(grouping: events, by: \.stream)
    let newest = byStream.mapValues { $0.map(\.position).max() ?? 0 }
    for (stream, _) in newest.sorted(by: { $0.value > $1.value }) {
      let events = byStream[stream] ?? []
      if let refused = Self.refused(stream, events, question) {
        parts.append(refused)
        continue
      }
      let wanted = Set(events.map(\.version))
      parts.append(try Self.part(stream, wanted, upTo: question.position, question, log))
    }
  }

  /// Looks again at the objects that changed since the plan was made.
  ///
  /// - Throws: `log` and `unreadable`, where the log cannot be read.
  fileprivate mutating func renew(_ log: any EventReader) throws(CommandError) {
    for (index, part) in parts.enumerated() where part.version != nil {
      let actual: UInt64?
      do {
        actual =
          try log.readStream(
            org: OrgID(question.org.value), stream: StreamID(part.subject.value), from: .max,
            limit: 1, direction: .backwards
          ).first?.streamVersion
      } catch {
        throw .log(error)
      }
      guard actual != part.version else { continue }
      parts[index] = try Self.part(part.subject, part.wanted, upTo: .max, question, log)
    }
  }

  /// What is refused whatever else happened to the object: its history, which may be millions of events, is not read.
  private static func refused(
    _ stream: Identifier, _ events: [RecordedDomainEvent], _ question: Question
  ) -> Part? {
    let reason: Reason
    switch stream.kind {
    case .wallet, .payment: reason = .moneyMoved
    case .run: reason = .factStays
    case .org, .timer, .importJob, .auditExport, .erasure, .event, .request:
      reason = .notUndoable
    case .contact, .message, .segment, .template, .campaign, .workflow, .role, .user, .apiKey,
      .webhookEndpoint, .inboundHook:
      guard !question.allows("update", stream.kind) else { return nil }
      reason = .missingScope
    }
    let newest = events.sorted { $0.version > $1.version }
    return Part(
      subject: stream, wanted: Set(events.map(\.version)), version: nil,
      items: newest.map { item($0, .refused(reason)) }, steps: [])
  }

  private static func part(
    _ stream: Identifier, _ wanted: Set<UInt64>, upTo position: UInt64, _ question: Question,
    _ log: any EventReader
  ) throws(CommandError) -> Part {
    let history = try history(of: stream, upTo: position, question, log)
    let (items, steps) = answer(stream, history, wanted, question)
    return Part(
      subject: stream, wanted: wanted, version: history.last?.version ?? 0, items: items,
      steps: steps)
  }

  private static func history(
    of stream: Identifier, upTo position: UInt64, _ question: Question, _ log: any EventReader
  ) throws(CommandError) -> [RecordedDomainEvent] {
    var found: [RecordedDomainEvent] = []
    while true {
      let page: [RecordedEvent]
      do {
        page = try log.readStream(
          org: OrgID(question.org.value), stream: StreamID(stream.value),
          from: (found.last?.version ?? 0) + 1, limit: 500, direction: .forwards)
      } catch {
        throw .log(error)
      }
      for event in page {
        guard event.position <= position else { return found }
        found.append(try StreamFold.decode(event))
      }
      if page.count < 500 { return found }
    }
  }

  typealias Answer = (items: [Item], steps: [Change])

  private static func answer(
    _ stream: Identifier, _ history: [RecordedDomainEvent], _ wanted: Set<UInt64>,
    _ question: Question
  ) -> Answer {
    let all = history.reversed().filter { wanted.contains($0.version) }
    switch stream.kind {
    case .wallet, .payment, .run, .org, .timer, .importJob, .auditExport, .erasure, .event,
      .request:
      preconditionFailure("refused before anything was read")
    case .contact: return ContactUndo(history, wanted, question).answer
    case .message: return message(history, all)
    case .segment: return DefinitionUndo<Segment>(stream.kind, history, wanted, question).answer
    case .template: return DefinitionUndo<Template>(stream.kind, history, wanted, question).answer
    case .campaign: return DefinitionUndo<Campaign>(stream.kind, history, wanted, question).answer
    case .workflow: return DefinitionUndo<Workflow>(stream.kind, history, wanted, question).answer
    case .role: return DefinitionUndo<Role>(stream.kind, history, wanted, question).answer
    case .user: return DefinitionUndo<User>(stream.kind, history, wanted, question).answer
    case .apiKey: return DefinitionUndo<APIKey>(stream.kind, history, wanted, question).answer
    case .webhookEndpoint:
      return DefinitionUndo<WebhookEndpoint>(stream.kind, history, wanted, question).answer
    case .inboundHook:
      return DefinitionUndo<InboundHook>(stream.kind, history, wanted, question).answer
    }
  }

  static func item(
    _ event: RecordedDomainEvent, _ outcome: Outcome, kept: [String] = []
  ) -> Item {
    Item(
      event: event.eventID, position: event.position, type: event.type, subject: event.stream,
      outcome: outcome, kept: kept)
  }
}

// MARK: - Messages

extension UndoPlan {
  /// What waits is cancelled; the rest happened.
  private static func message(
    _ history: [RecordedDomainEvent], _ wanted: [RecordedDomainEvent]
  ) -> Answer {
    var state = Message.State()
    for recorded in history {
      if case .message(let event) = recorded.event {
        state = Message.evolve(consume state, with: event)
      }
    }
    let isWaiting = [.planned, .held, .queued].contains(state.status)
    let isOver = [.cancelled, .skipped].contains(state.status)
    let items = wanted.map { recorded -> Item in
      guard case .message(let event) = recorded.event else {
        return item(recorded, .refused(.notUndoable))
      }
      switch event {
      case .planned, .queued, .held:
        return item(
          recorded, isWaiting ? .undone : isOver ? .unchanged : .refused(.alreadySent))
      case .dispatched, .accepted, .sent, .delivered, .failed, .unknown, .retryScheduled:
        return item(recorded, .refused(.alreadySent))
      case .skipped, .cancelled, .received, .callEnded, .opened, .clicked, .complained:
        return item(recorded, .refused(.factStays))
      }
    }
    return (items, items.contains { $0.outcome == .undone } ? [.cancelMessage] : [])
  }
}

// MARK: - Contacts

/// A contact's events from the newest to the oldest, with what each would leave.
private struct ContactUndo {
  private let history: [RecordedDomainEvent]
  private let wanted: Set<UInt64>
  private let question: UndoPlan.Question
  private var before: [UInt64: Contact.State] = [:]
  private let present: Contact.State
  private var target: Contact.State
  /// Fields, tags (`#tag`) and the archive that something changed since which stays.
  private var blocked: Set<String> = []
  /// Whether anything at all happened to it since that stays.
  private var hasStrangers = false
  private var items: [UndoPlan.Item] = []

  init(
    _ history: [RecordedDomainEvent], _ wanted: Set<UInt64>, _ question: UndoPlan.Question
  ) {
    self.history = history
    self.wanted = wanted
    self.question = question
    var state = Contact.State()
    for recorded in history {
      guard case .contact(let event) = recorded.event else { continue }
      if wanted.contains(recorded.version) { before[recorded.version] = state }
      state = Contact.evolve(consume state, with: event)
    }
    present = state
    target = state
    for recorded in history.reversed() { take(recorded) }
  }

  private static let archive = "archived"

  var answer: UndoPlan.Answer {
    guard !present.isErased else { return (items, []) }
    // Who is taken out whole keeps what they are called: it can be put back so.
    let isTakenBack = items.contains { $0.type == "contact.created" && $0.outcome == .undone }
    if isTakenBack { return (items, [.contact(isArchived: true)]) }
    var steps: [UndoPlan.Change] = []
    let names = Set(changedFields)
    let changes = names.sorted().compactMap { name -> FieldChange? in
      let value = target.details[name]
      return value == present.details[name] ? nil : FieldChange(field: name, value: value)
    }
    if !changes.isEmpty { steps.append(.fields(changes)) }
    steps += target.tags.subtracting(present.tags).sorted().map { .addTag($0) }
    steps += present.tags.subtracting(target.tags).sorted().map { .removeTag($0) }
    if target.isArchived != present.isArchived {
      steps.append(.contact(isArchived: target.isArchived))
    }
    return (items, steps)
  }

  /// The fields that the events in question changed.
  private var changedFields: [String] {
    history.flatMap { recorded -> [String] in
      guard wanted.contains(recorded.version),
        case .contact(.updated(let fields, _)) = recorded.event
      else { return [] }
      return fields
    }
  }

  private mutating func take(_ recorded: RecordedDomainEvent) {
    guard case .contact(let event) = recorded.event else { return }
    guard wanted.contains(recorded.version) else {
      hasStrangers = true
      block(event)
      return
    }
    if present.isErased {
      items.append(
        UndoPlan.item(recorded, .refused(Self.isErasure(event) ? .erasureIsFinal : .erased)))
      return
    }
    let (outcome, kept) = undo(event, of: recorded.version)
    if ![.undone, .unchanged].contains(outcome) || !kept.isEmpty { block(event) }
    items.append(UndoPlan.item(recorded, outcome, kept: kept))
  }

  private static func isErasure(_ event: Contact.Event) -> Bool {
    switch event {
    case .erasureRequested, .dataDestroyed, .erased: true
    case .created, .updated, .tagged, .untagged, .optedOut, .optedIn, .optOutSuspected,
      .optOutDismissed, .leadCaptured, .archived, .restored:
      false
    }
  }

  private mutating func block(_ event: Contact.Event) {
    switch event {
    case .updated(let fields, _): blocked.formUnion(fields)
    case .tagged(let tag), .untagged(let tag): blocked.insert("#" + tag)
    case .archived, .restored: blocked.insert(Self.archive)
    case .created, .optedOut, .optedIn, .optOutSuspected, .optOutDismissed, .erasureRequested,
      .dataDestroyed, .erased, .leadCaptured:
      break
    }
  }

  private var mayArchive: Bool { question.allows("delete", .contact) }

  private func isFree(_ name: String) -> Bool {
    question.restoresEdited || !blocked.contains(name)
  }

  private mutating func undo(
    _ event: Contact.Event, of version: UInt64
  ) -> (UndoPlan.Outcome, kept: [String]) {
    switch event {
    case .updated(let fields, _): return undo(fields, of: version)
    case .tagged(let tag):
      guard target.tags.contains(tag) else { return (.unchanged, []) }
      guard isFree("#" + tag) else { return (.changedSince, []) }
      target.tags.remove(tag)
    case .untagged(let tag):
      guard !target.tags.contains(tag) else { return (.unchanged, []) }
      guard isFree("#" + tag) else { return (.changedSince, []) }
      target.tags.insert(tag)
    case .archived, .restored:
      let wish = event == .restored
      guard target.isArchived != wish else { return (.unchanged, []) }
      guard isFree(Self.archive) else { return (.changedSince, []) }
      guard !wish || mayArchive else { return (.refused(.missingScope), []) }
      target.isArchived = wish
    case .created:
      guard !target.isArchived else { return (.unchanged, []) }
      guard question.restoresEdited || !hasStrangers || isAsCreated(version) else {
        return (.changedSince, [])
      }
      guard mayArchive else { return (.refused(.missingScope), []) }
      target.isArchived = true
    case .optedIn, .optedOut, .optOutSuspected, .optOutDismissed:
      return (.refused(.consentStays), [])
    case .leadCaptured: return (.refused(.factStays), [])
    case .erasureRequested, .dataDestroyed, .erased: return (.refused(.erasureIsFinal), [])
    }
    return (.undone, [])
  }

  /// Whether whatever happened since has come to nothing: what was added is gone again.
  private func isAsCreated(_ version: UInt64) -> Bool {
    guard let event = history.first(where: { $0.version == version }),
      case .contact(let created) = event.event
    else { return false }
    let fresh = Contact.evolve(Contact.State(), with: created)
    return target.details == fresh.details && target.tags == fresh.tags
      && target.consents == fresh.consents
  }

  private mutating func undo(
    _ fields: [String], of version: UInt64
  ) -> (UndoPlan.Outcome, kept: [String]) {
    guard let earlier = before[version] else { return (.refused(.notUndoable), []) }
    var kept: [String] = []
    var hasChanged = false
    for field in fields where target.details[field] != earlier.details[field] {
      if isFree(field) {
        target.details[field] = earlier.details[field]
        hasChanged = true
      } else {
        kept.append(field)
      }
    }
    return (hasChanged ? .undone : kept.isEmpty ? .unchanged : .changedSince, kept)
  }
}

// MARK: - Carrying it out

extension Workspace {
  /// Writes what takes the plan's events back, as the objects are now: in a call that `restsOnLog`, nothing comes in
  /// between. `wording` says why, in words, where the call does not.
  ///
  /// - Returns: The plan as it was carried out.
  /// - Throws: `obstacle` where an object cannot be as it was, with its events.
  package mutating func carryOut(
    _ plan: UndoPlan, wording: (UndoPlan) -> String? = { _ in nil }
  ) throws(CommandError) -> UndoPlan {
    var plan = plan
    try plan.renew(log)
    for part in plan.parts {
      do throws(CommandError) {
        for step in part.steps { try carryOut(step, on: part.subject, by: plan.question.grants) }
      } catch {
        guard !error.isOfTheLog else { throw error }
        throw .obstacle(to: part.items.filter { $0.outcome == .undone }.map(\.event), error)
      }
    }
    reason = wording(plan)
    return plan
  }

  private mutating func carryOut(
    _ change: UndoPlan.Change, on id: Identifier, by grants: Grants
  ) throws(CommandError) {
    switch change {
    case .fields(let changes): try updateContact(id, changes)
    case .addTag(let tag): try addTags([tag], to: id)
    case .removeTag(let tag): try removeTags([tag], from: id)
    case .contact(let isArchived): try setContact(id, archived: isArchived)
    case .cancelMessage: try cancelMessage(id)
    case .segment(let command): try run(Segment.self, id, command)
    case .template(let command): try run(Template.self, id, command)
    case .campaign(.update(let definition)): try updateCampaign(id) { $0 = definition }
    case .campaign(let command): try run(Campaign.self, id, command)
    case .pauseCampaign: try pauseCampaign(id)
    case .workflow(.publish(let definition, let source)):
      try reviseWorkflow(id, definition, source: source)
    case .workflow(let command): try run(Workflow.self, id, command)
    case .role(.update(let name, let scopes)):
      try updateRole(id, name: name, scopes: scopes, by: grants)
    case .role: try deleteRole(id)
    case .user(let command): try changeUser(id, by: [command], grants: grants)
    case .apiKey(let command): try changeAPIKey(id, by: [command], grants: grants)
    case .endpoint(let command): try self.change(id, by: command)
    case .hook(let command): try changeInboundHook(id, by: command)
    }
  }
}
