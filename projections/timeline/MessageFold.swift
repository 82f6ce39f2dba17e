internal import Domain
internal import EventCodec
internal import JSON
internal import ProjectionRuntime

// What a message's events do to its row.

extension MessageRow {
  init(planned plan: MessagePlan, workflow: UInt128?, in event: RecordedDomainEvent) {
    self.init(
      event: event, contact: plan.contact, direction: "outbound", channel: plan.channel,
      ourAddress: plan.from, status: .planned)
    purpose = plan.purpose.rawValue
    theirAddress = plan.content.value?.address
    body = plan.content.value?.body
    subject = plan.content.value?.subject
    html = plan.content.value?.html
    media = plan.content.value.flatMap {
      $0.media.isEmpty ? nil : .array($0.media.map(JSON.string))
    }
    segmentCount = Int64(plan.segmentCount)
    encoding = plan.encoding
    campaign = plan.campaign?.value
    run = plan.run?.value
    self.workflow = workflow
    step = plan.step
    heldUntilMicros = plan.sendAtMicros
  }

  init(received inbound: InboundMessage, in event: RecordedDomainEvent) {
    self.init(
      event: event, contact: inbound.contact, direction: "inbound", channel: inbound.channel,
      ourAddress: inbound.to, status: .received)
    theirAddress = inbound.content.value?.address
    body = inbound.content.value?.body
    subject = inbound.content.value?.subject
    media = inbound.content.value.flatMap {
      $0.media.isEmpty ? nil : .array($0.media.map(JSON.string))
    }
    providerID = inbound.providerID
    keyword = inbound.keyword?.rawValue
  }

  private init(
    event: RecordedDomainEvent, contact: Identifier, direction: String, channel: Channel,
    ourAddress: String, status: Message.Status
  ) {
    self.init(
      org: event.org.value, message: event.stream.value, version: Int64(event.version),
      contact: contact.value, direction: direction, channel: channel.rawValue,
      ourAddress: ourAddress, status: status.rawValue, createdAtMicros: event.occurredAtMicros,
      updatedAtMicros: event.occurredAtMicros, position: event.positionColumn,
      lastPosition: event.positionColumn)
  }

  /// News about a message that exists.
  mutating func apply(_ change: Message.Event, in event: RecordedDomainEvent) {
    version = Int64(event.version)
    updatedAtMicros = event.occurredAtMicros
    lastPosition = event.positionColumn
    switch change {
    case .planned, .received:
      break
    case .queued(let verdict, let priceMicros):
      judge(.queued, reason: nil, verdict: verdict)
      self.priceMicros = priceMicros
    case .held(let reason, let untilMicros, let verdict):
      judge(.held, reason: reason, verdict: verdict)
      heldUntilMicros = untilMicros
    case .skipped(let reason, let verdict):
      judge(.skipped, reason: reason, verdict: verdict)
    case .dispatched(let attempt, let verdict):
      judge(.dispatched, reason: nil, verdict: verdict)
      self.attempt = Int64(attempt)
    case .retryScheduled(_, let code, let notBeforeMicros):
      status = Message.Status.queued.rawValue
      errorCode = code
      heldUntilMicros = notBeforeMicros
    case .unknown:
      status = Message.Status.unknown.rawValue
    case .cancelled:
      status = Message.Status.cancelled.rawValue
      heldUntilMicros = nil
    case .accepted, .sent, .delivered, .failed:
      applyProviderNews(change)
    case .callEnded, .opened, .clicked, .complained:
      applyAnswer(change)
    }
  }

  private mutating func judge(_ status: Message.Status, reason: GateReason?, verdict: Verdict) {
    self.status = status.rawValue
    self.reason = reason?.rawValue
    self.verdict = verdict.json
    heldUntilMicros = nil
  }

  private mutating func applyProviderNews(_ change: Message.Event) {
    switch change {
    case .accepted(let providerID):
      status = Message.Status.accepted.rawValue
      self.providerID = providerID
      errorCode = nil
    case .sent(let atMicros):
      status = Message.Status.sent.rawValue
      sentAtMicros = atMicros
    case .delivered(let atMicros):
      status = Message.Status.delivered.rawValue
      deliveredAtMicros = atMicros
      sentAtMicros = sentAtMicros ?? atMicros
    case .failed(let code, _):
      status = Message.Status.failed.rawValue
      errorCode = code
    case .planned, .queued, .held, .skipped, .dispatched, .retryScheduled, .unknown, .cancelled,
      .received, .callEnded, .opened, .clicked, .complained:
      preconditionFailure("only what the provider told")
    }
  }

  private mutating func applyAnswer(_ change: Message.Event) {
    switch change {
    case .callEnded(let result, let atMicros):
      status = (result.wasAnswered ? Message.Status.delivered : .failed).rawValue
      callOutcome = result.outcome.rawValue
      callSeconds = Int64(result.durationSeconds)
      if result.wasAnswered {
        sentAtMicros = atMicros
        deliveredAtMicros = atMicros
      } else {
        errorCode = result.outcome.rawValue
      }
    case .opened(let isMachine, let atMicros):
      if isMachine {
        machineOpenedAtMicros = machineOpenedAtMicros ?? atMicros
      } else {
        openedAtMicros = openedAtMicros ?? atMicros
      }
    case .clicked(_, let isMachine, let atMicros):
      if !isMachine { clickedAtMicros = clickedAtMicros ?? atMicros }
    case .complained(let atMicros):
      complainedAtMicros = atMicros
    case .planned, .queued, .held, .skipped, .dispatched, .retryScheduled, .unknown, .cancelled,
      .received, .accepted, .sent, .delivered, .failed:
      preconditionFailure("only what came back from the other end")
    }
  }
}
