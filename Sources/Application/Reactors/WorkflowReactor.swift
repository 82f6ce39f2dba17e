import Domain
import EventCodec
import EventLog

/// Follows the log and starts workflow runs: whatever tagged a contact, by API, import, console or
/// another workflow, has the same consequences.
///
/// A run's id follows from the event and the workflow, and whether there is one follows from the log at
/// the event's place: an event that is met again, after a crash or because the cursor was lost, starts
/// nothing twice and nothing that it had not started.
struct WorkflowReactor: Sendable {
  let engine: Engine
  let cursor: CursorFile
  let report: @Sendable (String) -> Void

  private static let types: Set<String> = ["contact.tagged", "contact.created", "message.received"]
  /// Contacts whose runs are started at the same time, so that their commits share a flush.
  private static let concurrentContactCount = 64

  func run() async {
    let follower = LogFollower(
      name: "workflows", log: engine.log, types: Self.types, cursor: cursor,
      isWanted: { [flag = engine.hasWorkflows] in flag.isRaised }, report: report)
    await follower.run { events in
      try await react(to: events)
    }
  }

  /// One start that an event asks for.
  private struct Start: Sendable {
    let workflow: Identifier
    let contact: Identifier
    let event: RecordedDomainEvent
    let executor: OrgExecutor
  }

  /// The order of one contact's events is kept; contacts do not wait for each other.
  private func react(to events: [RecordedEvent]) async throws {
    var starts: [Identifier: [Start]] = [:]
    var order: [Identifier] = []
    var listening: [OrgID: Set<String>] = [:]
    for recorded in events {
      // To decode an event is to open what is sealed in it: only where somebody may ask what it says.
      guard try await types(&listening, of: recorded.org).contains(recorded.type) else { continue }
      let event = try StreamFold.decode(recorded)
      guard let contact = event.contact else { continue }
      let executor = try engine.executor(for: event.org)
      for workflow in try await executor.workflows(triggeredBy: event) {
        if starts[contact] == nil { order.append(contact) }
        starts[contact, default: []].append(
          Start(workflow: workflow, contact: contact, event: event, executor: executor))
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, contact) in order.enumerated() {
        if index >= Self.concurrentContactCount { try await group.next() }
        group.addTask { [chain = starts[contact] ?? []] in
          for start in chain { try await self.perform(start) }
        }
      }
      try await group.waitForAll()
    }
  }

  /// Which events start something in `org`, or did at some time.
  private func types(
    _ known: inout [OrgID: Set<String>], of org: OrgID
  ) async throws -> Set<String> {
    if let types = known[org] { return types }
    let executor = try engine.executor(for: Identifier(.org, org.value))
    let types = try await executor.workflowTriggers()
    known[org] = types
    return types
  }

  private func perform(_ start: Start) async throws {
    let event = start.event
    let run = Self.runID(of: start.workflow, by: event)
    let call = Call(
      actor: "system:workflows", origin: "reactor", correlation: event.context.correlation,
      causation: event.position, depth: event.context.depth + 1)
    do {
      _ = try await start.executor.perform(call) { workspace throws(CommandError) in
        try workspace.startRun(
          run, of: start.workflow, contact: start.contact, trigger: event.orgSequence)
      }
    } catch .log(let error) where !error.isOfCommit {
      // Nothing is wrong with the event: it is met again from the last cursor.
      throw error
    } catch {
      // One contact's trouble must not keep the others waiting; the event stays in the log.
      report("workflow \(start.workflow) for event \(event.position): \(error)")
    }
  }

  /// The run that `event` starts: its millisecond, or that in which what it takes in came, then bits mixed from the position
  /// and workflow.
  static func runID(of workflow: Identifier, by event: RecordedDomainEvent) -> Identifier {
    var mixer = event.position &* 0x9E37_79B9_7F4A_7C15
    func next(_ salt: UInt64) -> UInt128 {
      mixer = (mixer ^ salt) &* 0xBF58_476D_1CE4_E5B9
      mixer ^= mixer >> 31
      return UInt128(mixer)
    }
    let low = next(UInt64(truncatingIfNeeded: workflow.value))
    let high = next(UInt64(truncatingIfNeeded: workflow.value >> 64))
    return Identifier(.run, millis: event.beganMillis, random: high << 64 | low)
  }
}

extension EventLogError {
  /// Whether what was to be written is refused for itself: it would be again, whoever waits behind it.
  fileprivate var isOfCommit: Bool {
    if case .invalidCommit = self { return true }
    return false
  }
}

extension RecordedDomainEvent {
  /// When it was recorded; of a text that was found long after it came, and of whoever is new by it, when it came: what
  /// their ids say.
  fileprivate var beganMillis: Int64 {
    let recordedMillis = recordedAtMicros / 1_000
    switch event {
    case .contact(.created), .message(.received):
      return stream.millis < recordedMillis - 60_000 ? stream.millis : recordedMillis
    default: return recordedMillis
    }
  }

  /// The contact that the event is about, where a workflow may start with it.
  fileprivate var contact: Identifier? {
    switch event {
    case .contact: stream
    case .message(.received(let inbound)): inbound.contact
    default: nil
    }
  }
}

extension OrgExecutor {
  /// Types of the events that start a workflow, or did at some time.
  func workflowTriggers() throws(CommandError) -> Set<String> {
    try withState { $0.runs.triggers }
  }

  /// The workflows that listened when this happened, in order of their ids.
  func workflows(triggeredBy event: RecordedDomainEvent) throws(CommandError) -> [Identifier] {
    try withState { state in
      state.runs.workflows(triggeredBy: event.event, at: event.orgSequence)
    }
  }
}

extension WorkflowDefinition.Trigger {
  /// nil: no event starts it.
  var eventType: String? {
    switch self {
    case .tagAdded: "contact.tagged"
    case .contactCreated: "contact.created"
    case .messageReceived: "message.received"
    case .manual: nil
    }
  }

  func matches(_ event: DomainEvent) -> Bool {
    switch (self, event) {
    case (.tagAdded(let tag), .contact(.tagged(let added))): tag == added
    case (.contactCreated, .contact(.created)): true
    case (.messageReceived, .message(.received)): true
    case (.tagAdded, _), (.contactCreated, _), (.messageReceived, _), (.manual, _): false
    }
  }
}
