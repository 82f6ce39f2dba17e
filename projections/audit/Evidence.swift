internal import Domain
internal import JSON

// What an event rests on beside a verdict, as far as it is not personal: how consent was given or taken
// back, what a provider calls the thing, what was paid for.

extension DomainEvent {
  /// nil where the summary says it all.
  var evidence: JSON? {
    switch self {
    case .contact(let event): event.evidence
    case .message(let event): event.evidence
    case .wallet(let event): event.evidence
    case .org, .user, .apiKey, .role, .segment, .campaign, .workflow, .run, .timer,
      .webhookEndpoint, .importJob, .template, .payment, .inboundHook:
      nil
    }
  }
}

extension Contact.Event {
  fileprivate var evidence: JSON? {
    switch self {
    case .optedIn(let consent):
      [
        "method": .string(consent.method.rawValue), "source": .string(consent.source),
        "granted_at": .string(Timestamp.text(consent.grantedAtMicros)),
      ]
    case .optedOut(let optOut):
      ["method": .string(optOut.method.rawValue), "message": JSON(optOut.message?.text)]
    case .optOutSuspected(_, let message): ["message": .string(message.text)]
    case .erasureRequested(let request):
      ["reason": .string(request.reason.rawValue), "by": .string(request.by)]
    case .erased(let record):
      [
        "reason": .string(record.reason.rawValue),
        "key_ids": .array(record.keyIDs.map(JSON.string)),
      ]
    case .created, .updated, .tagged, .untagged, .optOutDismissed, .dataDestroyed, .leadCaptured,
      .archived, .restored:
      nil
    }
  }
}

extension Message.Event {
  fileprivate var evidence: JSON? {
    switch self {
    case .accepted(let providerID): ["provider_id": .string(providerID)]
    case .received(let inbound): ["provider_id": .string(inbound.providerID)]
    case .failed(let code, let atMicros):
      ["code": .string(code), "at": .string(Timestamp.text(atMicros))]
    case .sent(let atMicros), .delivered(let atMicros), .complained(let atMicros):
      ["at": .string(Timestamp.text(atMicros))]
    case .callEnded(let result, _):
      [
        "outcome": .string(result.outcome.rawValue), "seconds": .int(Int64(result.durationSeconds)),
      ]
    case .opened(let isMachine, _): ["machine": .bool(isMachine)]
    case .clicked(let link, let isMachine, _):
      ["link": .int(Int64(link)), "machine": .bool(isMachine)]
    case .planned, .queued, .held, .skipped, .dispatched, .retryScheduled, .unknown, .cancelled:
      nil
    }
  }
}

extension Wallet.Event {
  fileprivate var evidence: JSON? {
    switch self {
    case .funded(_, let paymentID, _): ["payment_id": .string(paymentID)]
    case .held(let message, _), .released(let message, _): ["message": .string(message.text)]
    case .settled(let message, let charge), .refunded(let message, let charge):
      ["message": .string(message.text), "resource_id": .string(charge.resourceID)]
    case .debited(let charge), .waived(let charge):
      ["resource_id": .string(charge.resourceID)]
    case .opened: nil
    }
  }
}
