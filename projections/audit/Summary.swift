internal import Domain

// What happened, in a line without personal data: kinds, counts, reasons and amounts.

extension DomainEvent {
  var summary: String {
    switch self {
    case .org(let event): event.summary
    case .user(let event): event.summary
    case .apiKey(let event): event.summary
    case .role(let event): event.summary
    case .contact(let event): event.summary
    case .message(let event): event.summary
    case .wallet(let event): event.summary
    case .segment(let event): event.summary
    case .campaign(let event): event.summary
    case .workflow(let event): event.summary
    case .run(let event): event.summary
    case .timer(let event): event.summary
    case .webhookEndpoint(let event): event.summary
    case .importJob(let event): event.summary
    case .template(let event): event.summary
    case .payment(let event): event.summary
    case .inboundHook(let event): event.summary
    }
  }

  /// What the gate said, where it was asked.
  var verdict: Verdict? {
    guard case .message(let event) = self else { return nil }
    return switch event {
    case .queued(let verdict, _), .held(_, _, let verdict), .skipped(_, let verdict),
      .dispatched(_, let verdict):
      verdict
    case .planned, .accepted, .retryScheduled, .unknown, .sent, .delivered, .failed, .cancelled,
      .received, .callEnded, .opened, .clicked, .complained:
      nil
    }
  }
}

extension Org.Event {
  fileprivate var summary: String {
    switch self {
    case .created(_, let kind, _, let timeZone, let isTest, _):
      "Account created: \(kind.rawValue), \(timeZone)\(isTest ? ", test" : "")"
    case .smsConfigured: "SMS provider configured"
    case .statusChanged(let status): "Account status: \(status.rawValue)"
    case .providerConfigured(let settings):
      "Provider of \(settings.service.rawValue) configured: \(settings.provider)"
    case .postalAddressSet: "Postal address set"
    case .autoRechargeSet(let settings): "Auto-recharge \(settings.isOn ? "on" : "off")"
    case .clockAdvanced(let micros): "Test clock advanced by \(micros / 1_000_000) s"
    case .checkpointPublished(let size, _): "Checkpoint of \(size) events published"
    case .auditExported(let record): "Book exported: \(record.scope.kind.rawValue)"
    case .historyRestored(let restore):
      "History \(restore.incarnation) begins after a restore: \(restore.reason)"
    case .rateLimitSet(let limit):
      limit.map { "Limited to \($0.perMinute) requests a minute" } ?? "Limit set to the standard"
    case .accessRefused(let refusal): "Refused \(refusal.operation): \(refusal.reason)"
    case .readModelOrdered(.rebuild, let name): "Rebuild of the read model \(name) ordered"
    case .readModelOrdered(.cancelRebuild, let name): "Rebuild of the read model \(name) cancelled"
    case .readModelOrdered(.drain, let name): "Parked events of the read model \(name) tried again"
    case .sendingHalted(let scope, .wait, let reason, _):
      "Sending halted (\(scope.rawValue)): \(reason)"
    case .sendingHalted(let scope, .skip, let reason, _):
      "Sending halted (\(scope.rawValue)), what waited is skipped: \(reason)"
    case .sendingResumed(let scope, _): "Sending resumed (\(scope.rawValue))"
    case .sendingRulesSet: "Sending rules set"
    case .priceSet(let price):
      "Markup on \(price.resource.rawValue): \(price.markupPercent.map { "\($0) %" } ?? "none")"
    case .suppressed(let entry): "Address added to \(entry.list.rawValue) (\(entry.source))"
    case .unsuppressed(let entry): "Address taken off \(entry.list.rawValue)"
    case .detailsChanged(let name, let timeZone): "Account is called \(name), in \(timeZone)"
    case .providerRemoved(let service, let isForgotten):
      "Provider of \(service.rawValue) removed\(isForgotten ? ", and no longer listened to" : "")"
    case .clientAdded(let client): "Client account \(client) added"
    case .requestHadNoEffect(let subject): "A request changed nothing of \(subject)"
    case .letterWritten(let letter): "Mail to \(letter.recipients.count) administrators"
    case .addressKeyDrawn: "Key drawn for the addresses of erased people"
    }
  }
}

extension User.Event {
  fileprivate var summary: String {
    switch self {
    case .created(_, let role): "User created: \(role)"
    case .signedIn: "Signed in"
    case .signInFailed: "Sign-in failed"
    case .signedOut: "Signed out"
    case .renamed: "User renamed"
    case .roleChanged(let from, let to): "Role changed from \(from) to \(to)"
    case .passwordChanged: "Password changed"
    case .locked: "Locked out after wrong passwords"
    case .unlocked: "Unlocked"
    case .deactivated: "User deactivated"
    case .reactivated: "User reactivated"
    }
  }
}

extension APIKey.Event {
  fileprivate var summary: String {
    switch self {
    case .created(_, _, let scopes): "API key created: \(scopes.joined(separator: ", "))"
    case .revoked: "API key revoked"
    case .restricted(let restrictions):
      "API key restricted: \(restrictions.networks.count) networks"
        + (restrictions.expiresAtMicros == nil ? "" : ", expires")
        + (restrictions.signingSecret == nil ? "" : ", signed requests only")
    case .renamed: "API key renamed"
    case .scopesChanged(let scopes): "API key may: \(scopes.joined(separator: ", "))"
    case .limitSet(let limit):
      limit.map { "API key limited to \($0.perMinute) a minute" } ?? "API key's limit removed"
    case .rolled: "API key rolled"
    }
  }
}

extension Role.Event {
  fileprivate var summary: String {
    switch self {
    case .created(_, let scopes): "Role created: \(scopes.joined(separator: ", "))"
    case .updated(_, let scopes): "Role may: \(scopes.joined(separator: ", "))"
    case .deleted: "Role deleted"
    }
  }
}

extension Contact.Event {
  fileprivate var summary: String {
    switch self {
    case .created(_, let source): "Contact created (\(source))"
    case .updated(let fields, _): "Changed: \(fields.joined(separator: ", "))"
    case .tagged(let tag): "Tag added: \(tag)"
    case .untagged(let tag): "Tag removed: \(tag)"
    case .optedOut(let optOut):
      "Opted out of \(optOut.channel.rawValue) by \(optOut.method.rawValue)"
    case .optedIn(let consent):
      "Opted in to \(consent.purpose.rawValue) \(consent.channel.rawValue) "
        + "by \(consent.method.rawValue)"
    case .optOutSuspected(let channel, _):
      "May have opted out of \(channel.rawValue): marketing paused"
    case .optOutDismissed(let channel):
      "Decided: no opt-out of \(channel.rawValue)"
    case .erasureRequested(let request): "Erasure requested (\(request.reason.rawValue))"
    case .dataDestroyed: "Keys destroyed, data taken out of the log"
    case .erased(let record): "Erased: \(record.keyIDs.count) keys"
    case .leadCaptured(let lead): "Lead: \(lead.source)"
    case .archived: "Archived: out of lists, segments and sends"
    case .restored: "Restored"
    }
  }
}

extension Message.Event {
  fileprivate var summary: String {
    switch self {
    case .planned(let plan): "Planned: \(plan.purpose.rawValue) \(plan.channel.rawValue)"
    case .queued(_, let priceMicros): "Allowed, price \(Dollars.text(priceMicros))"
    case .held(let reason, _, _): "Held: \(reason.rawValue)"
    case .skipped(let reason, _): "Skipped: \(reason.rawValue)"
    case .dispatched(let attempt, _): "Handed to the provider, attempt \(attempt)"
    case .accepted: "Accepted by the provider"
    case .retryScheduled(let attempt, let code, _):
      "Not taken (\(code)), to be tried again after attempt \(attempt)"
    case .unknown(_, let reason): "Outcome unknown: \(reason)"
    case .sent: "Sent"
    case .delivered: "Delivered"
    case .failed(let code, _): "Failed: \(code)"
    case .cancelled: "Cancelled"
    case .callEnded(let result, _):
      "Call ended: \(result.outcome.rawValue), \(result.durationSeconds) s"
    case .opened(let isMachine, _): isMachine ? "Fetched by a machine" : "Opened"
    case .clicked(let link, let isMachine, _):
      "Link \(link) followed\(isMachine ? " by a machine" : "")"
    case .complained: "Called spam by the person"
    case .received(let inbound):
      "Received\(inbound.keyword.map { ": " + $0.rawValue } ?? "") by \(inbound.channel.rawValue)"
    }
  }
}

extension Wallet.Event {
  fileprivate var summary: String {
    switch self {
    case .opened: "Wallet opened"
    case .funded(let amountMicros, _, let method):
      "Funded with \(Dollars.text(amountMicros)) by \(method)"
    case .held(_, let amountMicros): "Held \(Dollars.text(amountMicros))"
    case .settled(_, let charge): "Charged \(charge.summary), hold ended"
    case .released(_, let amountMicros): "Released \(Dollars.text(amountMicros))"
    case .debited(let charge): "Charged \(charge.summary)"
    case .waived(let charge): "Waived \(charge.summary): no credit"
    case .refunded(_, let charge): "Refunded \(charge.summary)"
    }
  }
}

extension Charge {
  fileprivate var summary: String { "\(Dollars.text(amountMicros)) for \(resourceType)" }
}

extension Segment.Event {
  fileprivate var summary: String {
    switch self {
    case .created(let name, _): "Segment created: \(name)"
    case .updated(let name, _): "Segment changed: \(name)"
    case .deleted: "Segment deleted"
    case .restored(let name, _, _): "Segment restored: \(name)"
    }
  }
}

extension Campaign.Event {
  fileprivate var summary: String {
    switch self {
    case .created(let definition): "Campaign created: \(definition.name)"
    case .launched(_, let plannedCount): "Campaign launched to \(plannedCount)"
    case .audienceRecorded(let ordinal, let contacts):
      "Audience slice \(ordinal): \(contacts.count)"
    case .batchPlanned(let ordinal): "Audience slice \(ordinal) planned"
    case .completed(let outcome):
      "Campaign completed: \(outcome.sentCount) sent, \(outcome.failedCount) failed, "
        + "\(outcome.skippedCount) skipped, \(outcome.cancelledCount) cancelled"
    case .cancelled: "Campaign cancelled"
    case .paused: "Campaign paused"
    case .resumed: "Campaign resumed"
    case .paceSet(let perMinute):
      "Campaign pace: \(perMinute.map { "\($0) a minute" } ?? "unlimited")"
    case .updated(let definition): "Campaign changed: \(definition.name)"
    case .deleted: "Campaign deleted"
    }
  }
}

extension Workflow.Event {
  fileprivate var summary: String {
    switch self {
    case .published(let version, let definition, _):
      "Workflow published: \(definition.name), version \(version)"
    case .paused: "Workflow paused"
    case .resumed: "Workflow resumed"
    case .deleted: "Workflow deleted"
    }
  }
}

extension WorkflowRun.Event {
  fileprivate var summary: String {
    switch self {
    case .started(_, let version, _, _): "Run started, version \(version)"
    case .stepAdvanced(let step, let outcome, _, _): "Step \(step): \(outcome)"
    case .waiting(let step, _, _): "Waiting at \(step)"
    case .completed: "Run completed"
    case .failed(let step, let reason): "Run failed at \(step): \(reason)"
    }
  }
}

extension Timer.Event {
  fileprivate var summary: String {
    switch self {
    case .scheduled(let owner, _): "Timer set for \(owner.text)"
    case .fired: "Timer fired"
    case .cancelled: "Timer cancelled"
    }
  }
}

extension WebhookEndpoint.Event {
  fileprivate var summary: String {
    switch self {
    case .created(_, let types, _):
      "Webhook endpoint created for \(types.joined(separator: ", "))"
    case .updated(_, let types): "Webhook endpoint changed: \(types.joined(separator: ", "))"
    case .disabled(let reason): "Webhook endpoint disabled: \(reason)"
    case .enabled: "Webhook endpoint enabled"
    case .paused: "Webhook endpoint paused"
    case .resumed: "Webhook endpoint resumed"
    case .deleted: "Webhook endpoint deleted"
    case .deliveryFailed(let position, let attempt, let reason, _):
      "Delivery of event \(position) failed at attempt \(attempt): \(reason)"
    case .styleSet(let style):
      "Webhook sends \(style.payload.rawValue) \(style.format.rawValue) payloads"
    case .secretRotated: "Webhook secret rotated"
    case .tested: "Webhook tested"
    case .redeliveryRequested(let from, let to): "Redelivery of \(from) to \(to) asked for"
    case .redelivered(let deliveredCount, let failedCount):
      "Redelivered: \(deliveredCount), failed: \(failedCount)"
    }
  }
}

extension ImportJob.Event {
  fileprivate var summary: String {
    switch self {
    case .started(_, let rowCount, _): "Import of \(rowCount) rows started"
    case .completed(let outcome):
      "Import completed: \(outcome.createdCount) created, \(outcome.updatedCount) updated, "
        + "\(outcome.unchangedCount) unchanged, \(outcome.failedCount) failed"
    }
  }
}

/// Amounts as people read them.
enum Dollars {
  /// Millionths of a dollar with as many decimals as they need, at least two: `$0.0079`.
  static func text(_ micros: Int64) -> String {
    let magnitude = micros.magnitude
    var decimals = String(String(magnitude % 1_000_000 + 1_000_000).dropFirst())
    while decimals.count > 2, decimals.hasSuffix("0") { decimals.removeLast() }
    return "\(micros < 0 ? "-" : "")$\(magnitude / 1_000_000).\(decimals)"
  }
}

extension Template.Event {
  fileprivate var summary: String {
    switch self {
    case .created(let name, let channel, _): "Template created: \(name), \(channel.rawValue)"
    case .revised(let version, let name, _): "Template changed: \(name), version \(version)"
    case .archived: "Template archived"
    case .restored: "Template restored"
    }
  }
}

extension Payment.Event {
  fileprivate var summary: String {
    switch self {
    case .requested(let amountMicros, let reason):
      "Payment of \(Dollars.text(amountMicros)) asked for: \(reason.rawValue)"
    case .pending: "Payment under way"
    case .succeeded: "Payment succeeded"
    case .failed(let code): "Payment failed: \(code)"
    case .refundRequested(let amountMicros): "Refund of \(Dollars.text(amountMicros)) asked for"
    case .refunded(let amountMicros, _, _): "Refunded \(Dollars.text(amountMicros))"
    case .refundFailed(_, let code, _): "Refund failed: \(code)"
    case .refundPending: "Refund under way"
    }
  }
}

extension InboundHook.Event {
  fileprivate var summary: String {
    switch self {
    case .created(let settings, _):
      "Inbound hook created: \(settings.name), \(settings.action.rawValue)"
    case .updated(let settings):
      "Inbound hook changed: \(settings.name), \(settings.action.rawValue)"
    case .secretRotated: "Inbound hook has a new secret"
    case .enabled: "Inbound hook enabled"
    case .disabled: "Inbound hook disabled"
    case .deleted: "Inbound hook deleted"
    }
  }
}
