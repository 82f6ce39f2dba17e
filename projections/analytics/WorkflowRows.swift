package import Domain
internal import EventCodec
package import ProjectionRuntime

/// A workflow in its newest version.
package struct WorkflowRow: KeyedRow {
  package static let table = "workflows"
  package static let columns = [
    Column("org", .uuid), Column("workflow", .uuid), Column("version", .bigint),
    Column("name", .text), Column("status", .text), Column("latest_version", .bigint),
    Column("trigger", .text), Column("step_count", .bigint), Column("source", .text),
    Column("created_at", .timestamp), Column("updated_at", .timestamp),
    Column("position", .bigint),
  ]

  package let key: ItemKey
  package var version: Int64 = 0
  package var name = ""
  /// `active` or `paused`.
  package var status = "active"
  package var latestVersion: Int64 = 0
  package var trigger = ""
  package var stepCount: Int64 = 0
  package var source = ""
  package let createdAtMicros: Micros
  package var updatedAtMicros: Micros
  package var position: Int64

  init(firstPublishedBy event: RecordedDomainEvent) {
    key = ItemKey(event.org, event.stream)
    createdAtMicros = event.occurredAtMicros
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
  }

  mutating func apply(_ change: Workflow.Event, in event: RecordedDomainEvent) {
    version = Int64(event.version)
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
    switch change {
    case .published(let version, let definition, let source):
      latestVersion = Int64(version)
      name = definition.name
      trigger = definition.trigger.text
      stepCount = Int64(definition.steps.count)
      self.source = source
    case .paused: status = "paused"
    case .resumed: status = "active"
    case .deleted: break
    }
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(version)
    writer.text(name)
    writer.text(status)
    writer.bigint(latestVersion)
    writer.text(trigger)
    writer.bigint(stepCount)
    writer.text(source)
    writer.timestamp(createdAtMicros)
    writer.timestamp(updatedAtMicros)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    version = try reader.bigint()
    name = try reader.text()
    status = try reader.text()
    latestVersion = try reader.bigint()
    trigger = try reader.text()
    stepCount = try reader.bigint()
    source = try reader.text()
    createdAtMicros = try reader.timestamp()
    updatedAtMicros = try reader.timestamp()
    position = try reader.bigint()
  }
}

extension WorkflowDefinition.Trigger {
  fileprivate var text: String {
    switch self {
    case .tagAdded(let tag): "tag_added:\(tag)"
    case .contactCreated: "contact_created"
    case .messageReceived: "message_received"
    case .manual: "manual"
    }
  }
}

/// A contact's way through a workflow, as far as it is now.
package struct RunRow: KeyedRow {
  package static let table = "runs"
  package static let columns = [
    Column("org", .uuid), Column("run", .uuid), Column("version", .bigint),
    Column("workflow", .uuid), Column("workflow_version", .bigint), Column("contact", .uuid),
    Column("status", .text), Column("step", .text), Column("waiting_until", .timestamp),
    Column("reason", .text), Column("advanced_count", .bigint), Column("started_at", .timestamp),
    Column("ended_at", .timestamp), Column("updated_at", .timestamp),
    Column("position", .bigint), Column("last_position", .bigint),
  ]

  package let key: ItemKey
  package var version: Int64
  package let workflow: UInt128
  package let workflowVersion: Int64
  package let contact: UInt128
  package var status: String
  package var step: String?
  package var waitingUntilMicros: Micros?
  package var reason: String?
  package var advancedCount: Int64 = 0
  package let startedAtMicros: Micros
  package var endedAtMicros: Micros?
  package var updatedAtMicros: Micros
  package let position: Int64
  package var lastPosition: Int64

  init(
    workflow: Identifier, version workflowVersion: Int, contact: Identifier, firstStep: String,
    in event: RecordedDomainEvent
  ) {
    key = ItemKey(event.org, event.stream)
    version = Int64(event.version)
    self.workflow = workflow.value
    self.workflowVersion = Int64(workflowVersion)
    self.contact = contact.value
    status = WorkflowRun.Status.running.rawValue
    step = firstStep
    startedAtMicros = event.occurredAtMicros
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
    lastPosition = event.positionColumn
  }

  mutating func apply(_ change: WorkflowRun.Event, in event: RecordedDomainEvent) {
    version = Int64(event.version)
    updatedAtMicros = event.occurredAtMicros
    lastPosition = event.positionColumn
    switch change {
    case .started:
      break
    case .stepAdvanced(_, _, _, let next):
      become(.running, at: next)
      advancedCount += 1
    case .waiting(let step, _, let untilMicros):
      become(.waiting, at: step)
      waitingUntilMicros = untilMicros
    case .completed:
      become(.completed, at: nil)
      endedAtMicros = event.occurredAtMicros
    case .failed(let step, let reason):
      become(.failed, at: step)
      self.reason = reason
      endedAtMicros = event.occurredAtMicros
    }
  }

  private mutating func become(_ status: WorkflowRun.Status, at step: String?) {
    self.status = status.rawValue
    self.step = step
    waitingUntilMicros = nil
  }
}

extension RunRow {
  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(version)
    writer.uuid(workflow)
    writer.bigint(workflowVersion)
    writer.uuid(contact)
    writer.text(status)
    writer.text(step)
    writer.timestamp(waitingUntilMicros)
    writer.text(reason)
    writer.bigint(advancedCount)
    writer.timestamp(startedAtMicros)
    writer.timestamp(endedAtMicros)
    writer.timestamp(updatedAtMicros)
    writer.bigint(position)
    writer.bigint(lastPosition)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    version = try reader.bigint()
    workflow = try reader.uuid()
    workflowVersion = try reader.bigint()
    contact = try reader.uuid()
    status = try reader.text()
    step = try reader.optionalText()
    waitingUntilMicros = try reader.optionalTimestamp()
    reason = try reader.optionalText()
    advancedCount = try reader.bigint()
    startedAtMicros = try reader.timestamp()
    endedAtMicros = try reader.optionalTimestamp()
    updatedAtMicros = try reader.timestamp()
    position = try reader.bigint()
    lastPosition = try reader.bigint()
  }
}

/// A step that a run took; written once.
package struct RunStepRow: TableRow {
  package static let table = "run_steps"
  package static let columns = [
    Column("org", .uuid), Column("run", .uuid), Column("position", .bigint),
    Column("step", .text), Column("outcome", .text), Column("message", .uuid),
    Column("occurred_at", .timestamp),
  ]

  let event: RecordedDomainEvent
  let step: String
  let outcome: String
  let message: UInt128?

  /// nil where the event ends no step.
  init?(_ change: WorkflowRun.Event, in event: RecordedDomainEvent) {
    self.event = event
    switch change {
    case .started, .completed:
      return nil
    case .stepAdvanced(let step, let outcome, let message, _):
      (self.step, self.outcome, self.message) = (step, outcome, message?.value)
    case .waiting(let step, _, _):
      (self.step, outcome, message) = (step, "waiting", nil)
    case .failed(let step, let reason):
      (self.step, outcome, message) = (step, "failed: \(reason)", nil)
    }
  }

  package func write(to writer: inout RowWriter) {
    writer.uuid(event.org.value)
    writer.uuid(event.stream.value)
    writer.bigint(event.positionColumn)
    writer.text(step)
    writer.text(outcome)
    writer.uuid(message)
    writer.timestamp(event.occurredAtMicros)
  }
}
