package import Domain
package import EventCodec
package import ProjectionRuntime

/// `timeline`: what happened between an org and a person, and every message as it stands now. Schema
/// and readers: `schema.sql`.
package enum TimelineProjection: Projection {
  package static let name = "timeline"
  package static let version = 3
  package static let streams: Set<Identifier.Kind>? = [.contact, .message, .run]
  package static var schemaSQL: String {
    String(decoding: PackageResources.schema_sql, as: UTF8.self)
  }

  package final class Tables: TableSet {
    let entries = Appended<EntryRow>()
    let messages = Rows<MessageRow>()
    let runs = Rows<RunRow>()

    package init() {}

    package var all: [any ProjectionTable] { [entries, messages, runs] }
  }

  package static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    let key = ItemKey(event.org, event.stream)
    switch event.event {
    case .message(.planned(let plan)):
      tables.messages.willInsert(key)
      if let run = plan.run { tables.runs.want(ItemKey(event.org, run)) }
    case .message(.received):
      tables.messages.willInsert(key)
    case .message:
      tables.messages.want(key)
    case .run(.started):
      tables.runs.willInsert(key)
    case .run:
      tables.runs.want(key)
    case .org, .user, .apiKey, .role, .contact, .wallet, .segment, .campaign, .workflow, .timer,
      .webhookEndpoint, .importJob, .template, .payment, .inboundHook:
      break
    }
  }

  package static func apply(
    _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    switch event.event {
    case .contact(let change):
      tables.entries.append(
        EntryRow(
          contact: event.stream.value, event: event, kind: change.kind, title: change.title))
    case .message(let change):
      try apply(change, event, to: tables)
    case .run(let change):
      try apply(change, event, to: tables)
    case .org, .user, .apiKey, .role, .wallet, .segment, .campaign, .workflow, .timer,
      .webhookEndpoint,
      .importJob, .template, .payment, .inboundHook:
      break
    }
  }

  /// What was written stays on record as a message of nobody's: counts are counts of messages.
  package static let purges = [
    """
    UPDATE {schema}.messages m SET their_address = NULL, body = NULL, subject = NULL, html = NULL,
      media = NULL
    FROM {erased} WHERE m.org = e.org AND m.contact = e.contact
    """
  ]

  private static func apply(
    _ change: Message.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    switch change {
    case .planned(let plan):
      let run = plan.run.flatMap { tables.runs[ItemKey(event.org, $0)] }
      let row = MessageRow(planned: plan, workflow: run?.workflow, in: event)
      try tables.messages.insertNew(row)
      tables.entries.append(EntryRow(of: row, event: event, title: "Message"))
    case .received(let inbound):
      let row = MessageRow(received: inbound, in: event)
      try tables.messages.insertNew(row)
      tables.entries.append(EntryRow(of: row, event: event, title: "Message received"))
    case .queued, .held, .skipped, .dispatched, .accepted, .retryScheduled, .unknown, .sent,
      .delivered, .failed, .cancelled, .callEnded, .opened, .clicked, .complained:
      try tables.messages.update(ItemKey(event.org, event.stream)) { $0.apply(change, in: event) }
    }
  }

  private static func apply(
    _ change: WorkflowRun.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    let key = ItemKey(event.org, event.stream)
    if case .started(let workflow, _, let contact, _) = change {
      try tables.runs.insertNew(
        RunRow(key: key, contact: contact.value, workflow: workflow.value))
    }
    guard let run = tables.runs[key] else { throw .missingRow(table: RunRow.table) }
    tables.entries.append(
      EntryRow(
        contact: run.contact, event: event, kind: .workflow, title: change.title,
        message: change.message?.value, workflow: run.workflow, run: key.id))
  }
}

extension EntryRow {
  fileprivate init(of message: MessageRow, event: RecordedDomainEvent, title: String) {
    self.init(
      contact: message.contact, event: event, kind: .message, title: title,
      message: message.message, campaign: message.campaign, workflow: message.workflow,
      run: message.run, conversation: "\(message.channel) \(message.ourAddress)")
  }
}

// MARK: - Titles

extension Contact.Event {
  fileprivate var kind: EntryRow.Kind {
    switch self {
    case .created, .updated, .tagged, .untagged, .leadCaptured, .archived, .restored: .contact
    case .optedIn, .optedOut, .optOutSuspected, .optOutDismissed: .consent
    case .erasureRequested, .dataDestroyed, .erased: .contact
    }
  }

  fileprivate var title: String {
    switch self {
    case .created(_, let source): "Contact created (\(source))"
    case .updated(let fields, _): "Changed: \(fields.joined(separator: ", "))"
    case .tagged(let tag): "Tag added: \(tag)"
    case .untagged(let tag): "Tag removed: \(tag)"
    case .optedOut(let optOut):
      "Opted out of \(optOut.channel.rawValue) (\(optOut.method.rawValue))"
    case .optedIn(let consent):
      "Opted in to \(consent.purpose.rawValue) \(consent.channel.rawValue) "
        + "(\(consent.method.rawValue))"
    case .optOutSuspected(let channel, _):
      "May have opted out of \(channel.rawValue): marketing paused"
    case .optOutDismissed(let channel):
      "Decided: no opt-out of \(channel.rawValue)"
    case .erasureRequested(let request): "Erasure requested (\(request.reason.rawValue))"
    case .dataDestroyed: "Keys destroyed, data taken out of the log"
    case .erased: "Erased"
    case .leadCaptured(let lead): "Lead: \(lead.source)"
    case .archived: "Archived"
    case .restored: "Restored"
    }
  }
}

extension WorkflowRun.Event {
  fileprivate var title: String {
    switch self {
    case .started: "Workflow started"
    case .stepAdvanced(let step, let outcome, _, _): "Step \(step): \(outcome)"
    case .waiting(let step, _, _): "Step \(step): waiting"
    case .completed: "Workflow completed"
    case .failed(let step, let reason): "Workflow failed at \(step): \(reason)"
    }
  }

  fileprivate var message: Identifier? {
    switch self {
    case .stepAdvanced(_, _, let message, _): message
    case .started, .waiting, .completed, .failed: nil
    }
  }
}
