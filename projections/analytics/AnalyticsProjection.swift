package import Domain
package import EventCodec
package import ProjectionRuntime

/// `analytics`: the facts behind every figure, and the campaigns, workflows and runs that they are
/// grouped by. Schema and readers: `schema.sql`.
package enum AnalyticsProjection: Projection {
  package static let name = "analytics"
  package static let version = 4
  package static let streams: Set<Identifier.Kind>? = [
    .message, .wallet, .campaign, .workflow, .run, .contact,
  ]
  package static var schemaSQL: String {
    String(decoding: PackageResources.schema_sql, as: UTF8.self)
  }

  package final class Tables: TableSet {
    let messages = Rows<MessageFact>()
    let lastMessages = Rows<LastMessageRow>()
    let otherCharges = Appended<OtherChargeRow>()
    let received = Rows<ReceivedRow>()
    let campaigns = Rows<CampaignRow>()
    let workflows = Rows<WorkflowRow>()
    let runs = Rows<RunRow>()
    let runSteps = Appended<RunStepRow>()

    package init() {}

    package var all: [any ProjectionTable] {
      [messages, lastMessages, otherCharges, received, campaigns, workflows, runs, runSteps]
    }
  }

  package static func apply(
    _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    switch event.event {
    case .message(let change): try apply(change, event, to: tables)
    case .wallet(let change): try apply(change, event, to: tables)
    case .campaign(let change): try apply(change, event, to: tables)
    case .workflow(let change): try apply(change, event, to: tables)
    case .run(let change): try apply(change, event, to: tables)
    case .contact: try credit(event, in: tables)
    case .org, .user, .apiKey, .role, .segment, .timer, .webhookEndpoint, .importJob, .template,
      .payment, .inboundHook:
      break
    }
  }
}

// MARK: - Keys

extension AnalyticsProjection {
  package static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    let key = ItemKey(event.org, event.stream)
    switch event.event {
    case .message(let change): declareKeys(of: change, key, event, in: tables)
    case .wallet(let change): declareKeys(of: change, event, in: tables)
    case .campaign(.created): tables.campaigns.willInsert(key)
    case .campaign: tables.campaigns.want(key)
    case .workflow: tables.workflows.want(key)
    case .run(.started): tables.runs.willInsert(key)
    case .run: tables.runs.want(key)
    case .contact: declareCredit(of: event, in: tables)
    case .org, .user, .apiKey, .role, .segment, .timer, .webhookEndpoint, .importJob, .template,
      .payment, .inboundHook:
      break
    }
  }

  private static func declareKeys(
    of change: Message.Event, _ key: ItemKey, _ event: RecordedDomainEvent, in tables: Tables
  ) {
    switch change {
    case .planned(let plan):
      tables.messages.willInsert(key)
      declareSending(MessageFact(planned: plan, workflow: nil, in: event), in: tables)
      if let run = plan.run { tables.runs.want(ItemKey(event.org, run)) }
    case .received(let inbound):
      tables.messages.willInsert(key)
      tables.received.want(
        ReceivedRow.Key(org: event.org.value, providerID: inbound.providerID))
      declareCredit(of: event, in: tables)
    case .dispatched:
      tables.messages.want(key)
      declareSending(tables.messages.loaded(key), in: tables)
    case .queued, .held, .skipped, .accepted, .retryScheduled, .unknown, .sent, .delivered,
      .failed, .cancelled, .callEnded, .opened, .clicked, .complained:
      tables.messages.want(key)
    }
  }

  private static func declareKeys(
    of change: Wallet.Event, _ event: RecordedDomainEvent, in tables: Tables
  ) {
    switch change {
    case .settled(let message, _), .refunded(let message, _):
      tables.messages.want(ItemKey(event.org, message))
    case .debited(let charge):
      let key = ReceivedRow.Key(org: event.org.value, providerID: charge.resourceID)
      tables.received.want(key)
      if let message = tables.received.loaded(key)?.message {
        tables.messages.want(ItemKey(org: key.org, id: message))
      }
    case .opened, .funded, .held, .released, .waived:
      break
    }
  }
}

// MARK: - Messages and what they cost

extension AnalyticsProjection {
  private static func apply(
    _ change: Message.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    let key = ItemKey(event.org, event.stream)
    switch change {
    case .planned(let plan):
      let run = plan.run.flatMap { tables.runs[ItemKey(event.org, $0)] }
      try tables.messages.insertNew(
        MessageFact(planned: plan, workflow: run?.workflow, in: event))
    case .received(let inbound):
      try tables.messages.insertNew(MessageFact(received: inbound, in: event))
      let received = ReceivedRow.Key(org: key.org, providerID: inbound.providerID)
      tables.received[received] = ReceivedRow(key: received, message: key.id)
      try credit(event, in: tables)
    case .queued, .held, .skipped, .dispatched, .accepted, .retryScheduled, .unknown, .sent,
      .delivered, .failed, .cancelled, .callEnded, .opened, .clicked, .complained:
      try tables.messages.update(key) { $0.apply(change) }
      if case .dispatched = change {
        noteSending(key, atMicros: event.occurredAtMicros, in: tables)
      }
    }
  }

  private static func apply(
    _ change: Wallet.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    switch change {
    case .settled(let message, let charge):
      try tables.messages.update(ItemKey(event.org, message)) {
        $0.costMicros += charge.amountMicros
      }
    case .refunded(let message, let charge):
      try tables.messages.update(ItemKey(event.org, message)) {
        $0.costMicros -= charge.amountMicros
      }
    case .debited(let charge):
      let received = ReceivedRow.Key(org: event.org.value, providerID: charge.resourceID)
      guard let message = tables.received[received]?.message else {
        return tables.otherCharges.append(OtherChargeRow(charge, in: event))
      }
      try tables.messages.update(ItemKey(org: event.org.value, id: message)) {
        $0.costMicros += charge.amountMicros
      }
    case .opened, .funded, .held, .released, .waived:
      break
    }
  }
}

// MARK: - Campaigns, workflows, runs

extension AnalyticsProjection {
  private static func apply(
    _ change: Campaign.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    if case .created(let definition) = change {
      return try tables.campaigns.insertNew(CampaignRow(definition, in: event))
    }
    let key = ItemKey(event.org, event.stream)
    // The facts of its messages stay.
    if case .deleted = change {
      tables.campaigns[key] = nil
    } else {
      try tables.campaigns.update(key) { $0.apply(change, in: event) }
    }
  }

  private static func apply(
    _ change: Workflow.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    let key = ItemKey(event.org, event.stream)
    if case .published = change, tables.workflows[key] == nil {
      try tables.workflows.insertNew(WorkflowRow(firstPublishedBy: event))
    }
    if case .deleted = change {
      tables.workflows[key] = nil
    } else {
      try tables.workflows.update(key) { $0.apply(change, in: event) }
    }
  }

  private static func apply(
    _ change: WorkflowRun.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    if case .started(let workflow, let version, let contact, let firstStep) = change {
      return try tables.runs.insertNew(
        RunRow(
          workflow: workflow, version: version, contact: contact, firstStep: firstStep, in: event))
    }
    try tables.runs.update(ItemKey(event.org, event.stream)) { $0.apply(change, in: event) }
    if let step = RunStepRow(change, in: event) { tables.runSteps.append(step) }
  }
}
