import Domain
import EventCodec
import EventLog

/// An object that is what its last definition says. Its events say of themselves what becomes of them when they are taken
/// back; the rest is the same for all: `DefinitionUndo`.
protocol UndoableDefinition: Housed {
  static func nature(of event: Event) -> EventNature
  /// What taking `event` back is by an order of its own, in the words of rights.
  static func action(takingBack event: Event) -> String
  /// What the definition consists of. What is named here is put back; nothing else is.
  static var parts: [DefinitionPart<State>] { get }
  /// Why `event` cannot be taken back where the object is as in `state`; nil where it can.
  static func obstacle(to event: Event, in state: State) -> UndoPlan.Reason?
  /// Why the object cannot be put from the one to the other; nil where it can.
  static func obstacle(from present: State, to next: State) -> UndoPlan.Reason?
  /// Whether what its creation brought is gone already.
  static func isTakenBack(_ state: State) -> Bool
  /// What leads from the one to the other. `createdAtMicros`: when the object was first made.
  static func steps(
    from present: State, to target: State, createdAtMicros: Micros
  ) -> [UndoPlan.Change]
  static var stepOfTakingBack: UndoPlan.Change { get }
  /// The state without what no part names: one is kept for each event.
  static func slim(_ state: State) -> State
  /// The rights that `state` lets somebody have, as far as the definition itself says so.
  static func rights(in state: State) -> [String]
}

extension UndoableDefinition {
  static func obstacle(to event: Event, in state: State) -> UndoPlan.Reason? {
    isTakenBack(state) ? .objectDeleted : nil
  }

  static func obstacle(from present: State, to next: State) -> UndoPlan.Reason? { nil }

  static func action(takingBack event: Event) -> String {
    if case .creation = nature(of: event) { "delete" } else { "update" }
  }

  static func rights(in state: State) -> [String] { [] }

  static func slim(_ state: State) -> State { state }
}

enum EventNature {
  /// Taken back by taking the object away.
  case creation
  /// Taken back by putting the parts that it changed as they were.
  case change
  case stays(UndoPlan.Reason)
}

/// One part of a definition.
struct DefinitionPart<State>: Sendable {
  let name: String
  let isEqual: @Sendable (State, State) -> Bool
  /// Into the second.
  let copy: @Sendable (State, inout State) -> Void

  init<Value: Equatable & SendableMetatype>(
    _ name: String, _ get: @escaping @Sendable (State) -> Value,
    _ set: @escaping @Sendable (inout State, Value) -> Void
  ) {
    self.name = name
    isEqual = { get($0) == get($1) }
    copy = { set(&$1, get($0)) }
  }
}

/// An object's events from the newest to the oldest, with what each would leave.
struct DefinitionUndo<Subject: UndoableDefinition> {
  private let question: UndoPlan.Question
  private let present: Subject.State
  private var target: Subject.State
  /// Parts that something changed since which stays.
  private var blocked: Set<String> = []
  /// Whether anything at all was changed since that stays.
  private var hasStrangers = false
  private var isTakenBack = false
  private let createdAtMicros: Micros
  private let kind: Identifier.Kind
  private var items: [UndoPlan.Item] = []

  init(
    _ kind: Identifier.Kind, _ history: [RecordedDomainEvent], _ wanted: Set<UInt64>,
    _ question: UndoPlan.Question
  ) {
    self.kind = kind
    self.question = question
    createdAtMicros = history.first?.context.occurredAtMicros ?? 0
    var states = [Subject.initialState]
    for recorded in history {
      let before = states[states.count - 1]
      states.append(
        Subject.unwrap(recorded.event).map { Subject.slim(Subject.evolve(before, with: $0)) }
          ?? before)
    }
    present = states[states.count - 1]
    target = present
    for index in history.indices.reversed() {
      guard let event = Subject.unwrap(history[index].event) else { continue }
      let change = Change(event: event, before: states[index], after: states[index + 1])
      if wanted.contains(history[index].version) {
        take(history[index], change)
      } else {
        leave(change)
      }
    }
  }

  private struct Change {
    let event: Subject.Event
    let before: Subject.State
    let after: Subject.State

    var parts: [DefinitionPart<Subject.State>] {
      Subject.parts.filter { !$0.isEqual(before, after) }
    }
  }

  var answer: UndoPlan.Answer {
    if isTakenBack { return (items, [Subject.stepOfTakingBack]) }
    return (items, Subject.steps(from: present, to: target, createdAtMicros: createdAtMicros))
  }

  private mutating func leave(_ change: Change) {
    blocked.formUnion(change.parts.map(\.name))
    if case .stays = Subject.nature(of: change.event) { return }
    hasStrangers = true
  }

  private mutating func take(_ recorded: RecordedDomainEvent, _ change: Change) {
    let (outcome, kept) = undo(change)
    switch outcome {
    case .undone where kept.isEmpty, .unchanged: break
    case .undone, .changedSince, .refused: leave(change)
    }
    items.append(UndoPlan.item(recorded, outcome, kept: kept))
  }

  private mutating func undo(_ change: Change) -> (UndoPlan.Outcome, kept: [String]) {
    switch Subject.nature(of: change.event) {
    case .stays(let reason): return (.refused(reason), [])
    case .change: return putBack(change)
    case .creation:
      guard !Subject.isTakenBack(target) else { return (.unchanged, []) }
      if let reason = Subject.obstacle(to: change.event, in: target) {
        return (.refused(reason), [])
      }
      guard question.restoresEdited || !hasStrangers || isAsCreated(change.after) else {
        return (.changedSince, [])
      }
      guard isAllowed(change.event) else { return (.refused(.missingScope), []) }
      isTakenBack = true
      return (.undone, [])
    }
  }

  private mutating func putBack(_ change: Change) -> (UndoPlan.Outcome, kept: [String]) {
    let different = change.parts.filter { !$0.isEqual(target, change.before) }
    guard !different.isEmpty else { return (.unchanged, []) }
    if let reason = Subject.obstacle(to: change.event, in: target) {
      return (.refused(reason), [])
    }
    let free = different.filter { question.restoresEdited || !blocked.contains($0.name) }
    guard !free.isEmpty else { return (.changedSince, different.map(\.name)) }
    var next = target
    for part in free { part.copy(change.before, &next) }
    if let reason = Subject.obstacle(from: target, to: next) { return (.refused(reason), []) }
    // Nobody gives by an undo what they could not give by an order.
    guard isAllowed(change.event), question.grants.include(Subject.rights(in: next)) else {
      return (.refused(.missingScope), [])
    }
    target = next
    let freeNames = Set(free.map(\.name))
    return (.undone, different.map(\.name).filter { !freeNames.contains($0) })
  }

  private func isAllowed(_ event: Subject.Event) -> Bool {
    question.allows(Subject.action(takingBack: event), kind)
  }

  /// Whether whatever happened since has come to nothing.
  private func isAsCreated(_ created: Subject.State) -> Bool {
    Subject.parts.allSatisfy { $0.isEqual(target, created) }
  }
}
