import Domain

/// Which workflows listen, and which contacts are on their way through one.
///
/// What an event starts follows from the log alone: whether a workflow listened and a contact was on
/// its way are asked as of the event's own place, so that an event that is met again starts nothing that
/// it had not started before.
struct RunIndex: Codable {
  struct Key: Hashable, Codable {
    let workflow: Identifier
    let contact: Identifier
  }

  /// A workflow's versions, and when it was paused, by org sequence.
  private struct History: Codable {
    var versions: [Version] = []
    var pauses: [Pause] = []
  }

  private struct Version: Codable {
    let sequence: UInt64
    let definition: WorkflowDefinition
  }

  private struct Pause: Codable {
    let sequence: UInt64
    let isPaused: Bool
  }

  private struct End: Codable {
    let key: Key
    let sequence: UInt64
  }

  /// One run at a time, so that one number is enough: the last one's end.
  private var endedAt: [Key: UInt64] = [:]
  /// The ends in their order, for forgetting the oldest.
  private var ends: [End] = []
  private var firstEnd = 0
  /// What happened up to here starts nothing any more: who was on their way then is forgotten.
  private var forgottenUpTo: UInt64 = 0
  /// The reactor that asks is a few events behind the log, not this many runs.
  static let endLimit = 100_000
  private var histories: [Identifier: History] = [:]
  private(set) var active: [Key: Identifier] = [:]
  private(set) var startedAtMicros: [Identifier: Micros] = [:]
  /// How deep in a chain of reactions each run was started.
  private(set) var depth: [Identifier: UInt16] = [:]

  mutating func apply(_ event: Workflow.Event, of workflow: Identifier, orgSequence: UInt64) {
    switch event {
    case .published(_, let definition, _):
      histories[workflow, default: History()].versions.append(
        Version(sequence: orgSequence, definition: definition))
    case .paused, .deleted:
      histories[workflow, default: History()].pauses.append(
        Pause(sequence: orgSequence, isPaused: true))
    case .resumed:
      histories[workflow, default: History()].pauses.append(
        Pause(sequence: orgSequence, isPaused: false))
    }
  }

  mutating func apply(
    _ event: WorkflowRun.Event, of run: Identifier, state: WorkflowRun.State, at place: EventPlace
  ) {
    guard let workflow = state.workflow, let contact = state.contact else { return }
    let key = Key(workflow: workflow, contact: contact)
    switch event {
    case .started:
      active[key] = run
      startedAtMicros[run] = place.occurredAtMicros
      depth[run] = place.depth
    case .completed, .failed:
      active[key] = nil
      startedAtMicros[run] = nil
      depth[run] = nil
      endedAt[key] = place.orgSequence
      ends.append(End(key: key, sequence: place.orgSequence))
      forgetOldEnds()
    case .stepAdvanced, .waiting:
      break
    }
  }

  private mutating func forgetOldEnds() {
    guard ends.count - firstEnd > Self.endLimit else { return }
    let end = ends[firstEnd]
    firstEnd += 1
    if endedAt[end.key] == end.sequence { endedAt[end.key] = nil }
    forgottenUpTo = end.sequence
    if firstEnd > Self.endLimit {
      ends.removeFirst(firstEnd)
      firstEnd = 0
    }
  }

  /// Types of the events that any version of a workflow starts with.
  var triggers: Set<String> {
    Set(histories.values.flatMap(\.versions).compactMap(\.definition.trigger.eventType))
  }

  /// The workflows that listened for `event` when it happened, in order of their ids.
  func workflows(triggeredBy event: DomainEvent, at sequence: UInt64) -> [Identifier] {
    histories.filter { _, history in
      guard
        let definition = history.versions.last(where: { $0.sequence < sequence })?.definition,
        history.pauses.last(where: { $0.sequence < sequence })?.isPaused != true
      else { return false }
      return definition.trigger.matches(event)
    }
    .keys.sorted()
  }

  /// Whether the contact was not on the workflow when the event at `sequence` happened, and is not now.
  func mayStart(_ key: Key, byEventAt sequence: UInt64) -> Bool {
    guard active[key] == nil, sequence > forgottenUpTo else { return false }
    return endedAt[key].map { $0 < sequence } ?? true
  }
}
