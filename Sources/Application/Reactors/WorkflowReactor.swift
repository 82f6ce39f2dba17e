import Domain
import EventCodec
import EventLog
import JSON

/// Follows the log and starts workflow runs: whatever tagged a contact, by API, import, console or
/// another workflow, has the same consequences.
///
/// A run's id follows from the event and the workflow, so an event that is met again after a crash
/// starts nothing twice.
struct WorkflowReactor: Sendable {
  let engine: Engine
  let cursor: CursorFile
  let report: @Sendable (String) -> Void

  private static let types: Set<String> = ["contact.tagged", "contact.created", "message.received"]

  func run() async {
    while !Task.isCancelled {
      do {
        try await follow()
      } catch is CancellationError {
        return
      } catch {
        report("workflows: \(error)")
        await pause(.seconds(1))
      }
    }
  }

  private func pause(_ duration: Duration) async {
    // Cut short only by cancellation, which the loop notices itself.
    try? await Task.sleep(for: duration)
  }

  private func follow() async throws {
    var position = UInt64(exactly: try cursor.read()?["position"]?.int ?? 0) ?? 0
    while !Task.isCancelled {
      let page = try engine.log.read(
        after: position, limit: 500, filter: EventFilter(types: Self.types))
      for (org, events) in grouped(page.events) { try await react(to: events, in: org) }
      if page.scannedTo > position {
        position = page.scannedTo
        try cursor.write(["position": .int(Int64(position))])
      } else {
        _ = try await engine.log.waitForHead(beyond: position, timeoutMillis: 60_000)
      }
    }
  }

  private func grouped(_ events: [RecordedEvent]) -> [(OrgID, [RecordedEvent])] {
    Dictionary(grouping: events, by: \.org).sorted { $0.key < $1.key }
  }

  private func react(to events: [RecordedEvent], in org: OrgID) async throws {
    let executor = try engine.executor(for: Identifier(.org, org.value))
    for recorded in events {
      let event = try StreamFold.decode(recorded)
      for workflow in try await executor.workflows(triggeredBy: event) {
        await start(workflow, by: event, in: executor)
      }
    }
  }

  private func start(
    _ workflow: Identifier, by event: RecordedDomainEvent, in executor: OrgExecutor
  ) async {
    guard let contact = event.contact else { return }
    let run = Self.runID(of: workflow, by: event)
    let call = Call(
      actor: "system:workflows", origin: "reactor", correlation: event.context.correlation,
      causation: event.position, depth: event.context.depth + 1)
    do {
      _ = try await executor.perform(call) { workspace throws(CommandError) in
        try workspace.startRun(run, of: workflow, contact: contact)
      }
    } catch {
      // One contact's trouble must not keep the others waiting; the event stays in the log.
      report("workflow \(workflow) for event \(event.position): \(error)")
    }
  }

  /// The run that `event` starts: its millisecond, then bits mixed from the position and workflow.
  static func runID(of workflow: Identifier, by event: RecordedDomainEvent) -> Identifier {
    var mixer = event.position &* 0x9E37_79B9_7F4A_7C15
    func next(_ salt: UInt64) -> UInt128 {
      mixer = (mixer ^ salt) &* 0xBF58_476D_1CE4_E5B9
      mixer ^= mixer >> 31
      return UInt128(mixer)
    }
    let low = next(UInt64(truncatingIfNeeded: workflow.value))
    let high = next(UInt64(truncatingIfNeeded: workflow.value >> 64))
    return Identifier(.run, millis: event.recordedAtMicros / 1_000, random: high << 64 | low)
  }
}

extension RecordedDomainEvent {
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
  /// The workflows that listen for this event and were there before it, in order of their ids.
  func workflows(triggeredBy event: RecordedDomainEvent) throws(CommandError) -> [Identifier] {
    try withState { state in
      state.runs.publishedAt.filter { id, publishedAt in
        guard publishedAt < event.orgSequence, let workflow = state.tables.workflows[id],
          !workflow.isPaused, let definition = workflow.versions[workflow.latestVersion]
        else { return false }
        return definition.trigger.matches(event.event)
      }
      .keys.sorted()
    }
  }
}

extension WorkflowDefinition.Trigger {
  func matches(_ event: DomainEvent) -> Bool {
    switch (self, event) {
    case (.tagAdded(let tag), .contact(.tagged(let added))): tag == added
    case (.contactCreated, .contact(.created)): true
    case (.messageReceived, .message(.received)): true
    case (.tagAdded, _), (.contactCreated, _), (.messageReceived, _), (.manual, _): false
    }
  }
}
