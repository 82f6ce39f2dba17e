import Domain

/// Events of every case with random contents, in the order of the catalogue.
enum RandomEvents {
  static func every(using random: inout SplitMix64) -> [DomainEvent] {
    org(&random).map(DomainEvent.org) + user(&random).map(DomainEvent.user)
      + apiKey(&random).map(DomainEvent.apiKey) + role(&random).map(DomainEvent.role)
      + contact(&random).map(DomainEvent.contact)
      + message(&random).map(DomainEvent.message) + wallet(&random).map(DomainEvent.wallet)
      + segment(&random).map(DomainEvent.segment) + campaign(&random).map(DomainEvent.campaign)
      + workflow(&random).map(DomainEvent.workflow) + run(&random).map(DomainEvent.run)
      + timer(&random).map(DomainEvent.timer)
      + webhook(&random).map(DomainEvent.webhookEndpoint)
      + importJob(&random).map(DomainEvent.importJob)
      + template(&random).map(DomainEvent.template) + payment(&random).map(DomainEvent.payment)
      + hook(&random).map(DomainEvent.inboundHook)
  }

  private static func org(_ random: inout SplitMix64) -> [Org.Event] {
    [
      .created(
        name: random.text(), kind: random.one(), agency: random.maybe { $0.id(.org) },
        timeZone: random.text(), isTest: random.bool(), clockOffsetMicros: random.int64()),
      .smsConfigured(
        SMSSettings(
          from: random.text(), accountSID: random.text(), baseURL: random.text(),
          authToken: random.personal { $0.text() })),
      .statusChanged(random.one()), .clockAdvanced(byMicros: random.int64()),
      .providerConfigured(
        ProviderSettings(
          service: random.one(), provider: random.text(), baseURL: random.text(),
          options: [random.text(): random.text()],
          secrets: random.personal { [$0.text(): $0.text()] })),
      .postalAddressSet(random.text()),
      .checkpointPublished(size: random.int64(), note: random.text()),
      .auditExported(
        AuditExportRecord(
          id: random.id(.auditExport), scope: auditScope(&random), opensCredentials: random.bool())),
      .historyRestored(
        HistoryRestore(
          incarnation: random.int64(), reason: random.text(),
          restoredAtMicros: random.maybe { $0.int64() },
          lastCheckpoint: random.maybe { $0.text() })),
      .rateLimitSet(random.maybe { RateLimit(perMinute: $0.count(), burst: $0.count()) }),
      .accessRefused(
        AccessRefusal(
          actor: random.text(), operation: random.text(), reason: random.text(),
          address: random.personal { $0.text() })),
      .sendingHalted(
        scope: random.one(), mode: random.one(), reason: random.text(), by: random.text()),
      .sendingResumed(scope: random.one(), by: random.text()),
      .sendingRulesSet(random.sendingRules()),
      .priceSet(
        PriceOverride(
          resource: random.one(), markupPercent: random.maybe { $0.count() },
          fromMicros: random.int64(),
          reach: random.one())),
      .suppressed(random.suppression()),
      .unsuppressed(random.suppression()),
      .autoRechargeSet(
        AutoRecharge(
          isOn: random.bool(), thresholdMicros: random.int64(), amountMicros: random.int64(),
          monthlyCapMicros: random.int64())),
      .addressKeyDrawn(.known(random.text())),
      .detailsChanged(name: random.text(), timeZone: random.text()),
      .providerRemoved(random.one(), isForgotten: random.bool()),
      .letterWritten(
        AdministratorLetter(
          throughPosition: random.int64(), recipients: [random.id(.user), random.id(.user)],
          writtenAtMicros: random.int64())),
      .clientAdded(random.id(.org)),
      .requestHadNoEffect(on: random.id(.contact)),
      .readModelOrdered(random.one(), readModel: random.text()),
    ]
  }

  private static func auditScope(_ random: inout SplitMix64) -> AuditScope {
    switch random.one() as AuditScope.Kind {
    case .account: .account
    case .contact: .contact(random.id(.contact))
    case .message: .message(random.id(.message))
    case .campaign: .campaign(random.id(.campaign))
    case .number: .number(contacts: [random.id(.contact), random.id(.contact)])
    case .period: .period(fromMicros: random.int64(), untilMicros: random.int64())
    }
  }

  private static func user(_ random: inout SplitMix64) -> [User.Event] {
    [
      .created(
        details: random.personal {
          UserDetails(email: $0.text(), name: $0.text(), passwordHash: $0.text())
        }, role: random.text()),
      .signedIn, .signInFailed(address: random.personal { $0.text() }),
      .signedOut(session: random.text(), untilMicros: random.int64()),
      .renamed(name: random.personal { $0.text() }),
      .roleChanged(from: random.text(), to: random.text()),
      .passwordChanged(hash: random.personal { $0.text() }),
      .locked(untilMicros: random.int64()), .unlocked, .deactivated, .reactivated,
    ]
  }

  private static func apiKey(_ random: inout SplitMix64) -> [APIKey.Event] {
    [
      .created(
        name: random.text(), secretHash: random.text(), scopes: random.list { $0.text() }),
      .revoked,
      .restricted(
        APIKey.Restrictions(
          expiresAtMicros: random.maybe { $0.int64() }, networks: random.list { $0.text() },
          signingSecret: random.maybe { random in random.personal { $0.text() } })),
      .renamed(name: random.text()), .scopesChanged(scopes: random.list { $0.text() }),
      .limitSet(random.maybe { RateLimit(perMinute: $0.count(), burst: $0.count()) }),
      .rolled(secretHash: random.text(), previousUntilMicros: random.int64()),
    ]
  }

  private static func role(_ random: inout SplitMix64) -> [Role.Event] {
    [
      .created(name: random.text(), scopes: random.list { $0.text() }),
      .updated(name: random.text(), scopes: random.list { $0.text() }), .deleted,
    ]
  }

  private static func contact(_ random: inout SplitMix64) -> [Contact.Event] {
    [
      .created(details: random.personal { $0.details() }, source: random.text()),
      .updated(
        fields: random.list { $0.text() },
        changes: random.personal {
          $0.list { FieldChange(field: $0.text(), value: $0.maybe { $0.fieldValue() }) }
        }),
      .tagged(tag: random.text()), .untagged(tag: random.text()), .optedOut(random.optOut()),
      .optedIn(random.consent()),
      .optOutSuspected(channel: random.one(), message: random.id(.message)),
      .optOutDismissed(channel: random.one()),
      .erasureRequested(
        ErasureRequest(
          reason: random.one(), by: random.text(), atMicros: random.int64(),
          addresses: .known([
            KeyedAddress(
              channel: random.one(), hash: random.text(), isOptedOut: random.bool(),
              isListed: random.bool())
          ]))),
      .dataDestroyed(atMicros: random.int64()),
      .erased(
        ErasureRecord(
          keyIDs: [random.text()], reason: random.one(), requestedAtMicros: random.int64(),
          rewrittenAtMicros: random.int64(), purgedAtMicros: random.int64(),
          erasedAtMicros: random.int64())),
      .leadCaptured(random.lead()), .archived, .restored,
    ]
  }

  private static func message(_ random: inout SplitMix64) -> [Message.Event] {
    [
      .planned(random.plan()),
      .queued(verdict: random.verdict(), priceMicros: random.int64()),
      .held(reason: random.one(), untilMicros: random.int64(), verdict: random.verdict()),
      .skipped(reason: random.one(), verdict: random.verdict()),
      .dispatched(attempt: random.count(), verdict: random.verdict()),
      .accepted(providerID: random.text()),
      .retryScheduled(
        attempt: random.count(), code: random.text(), notBeforeMicros: random.int64()),
      .unknown(attempt: random.count(), reason: random.text()), .sent(atMicros: random.int64()),
      .delivered(atMicros: random.int64()), .failed(code: random.text(), atMicros: random.int64()),
      .cancelled(by: random.text()), .received(random.inbound()),
      .callEnded(
        CallResult(outcome: random.one(), durationSeconds: random.count()),
        atMicros: random.int64()),
      .opened(isMachine: random.bool(), atMicros: random.int64()),
      .clicked(link: random.count(), isMachine: random.bool(), atMicros: random.int64()),
      .complained(atMicros: random.int64()),
    ]
  }

  private static func hook(_ random: inout SplitMix64) -> [InboundHook.Event] {
    [
      .created(settings: random.hookSettings(), secret: random.personal { $0.text() }),
      .updated(settings: random.hookSettings()),
      .secretRotated(secret: random.personal { $0.text() }), .enabled, .disabled, .deleted,
    ]
  }

  private static func template(_ random: inout SplitMix64) -> [Template.Event] {
    [
      .created(name: random.text(), channel: random.one(), content: random.templateContent()),
      .revised(
        version: random.count(), name: random.text(), content: random.templateContent()),
      .archived, .restored,
    ]
  }

  private static func payment(_ random: inout SplitMix64) -> [Payment.Event] {
    [
      .requested(amountMicros: random.int64(), reason: random.one()),
      .pending(providerID: random.text()), .succeeded(providerID: random.text()),
      .failed(code: random.text()), .refundRequested(amountMicros: random.int64()),
      .refunded(
        amountMicros: random.int64(), providerID: random.text(),
        refund: random.maybe { Int($0.int64()) }),
      .refundFailed(
        amountMicros: random.int64(), code: random.text(),
        refund: random.maybe { Int($0.int64()) }),
      .refundPending(refund: Int(random.int64()), providerID: random.text()),
    ]
  }

  private static func wallet(_ random: inout SplitMix64) -> [Wallet.Event] {
    [
      .opened,
      .funded(amountMicros: random.int64(), paymentID: random.text(), method: random.text()),
      .held(message: random.id(.message), amountMicros: random.int64()),
      .settled(message: random.id(.message), charge: random.charge()),
      .released(message: random.id(.message), amountMicros: random.int64()),
      .debited(random.charge()), .waived(random.charge()),
      .refunded(message: random.id(.message), charge: random.charge()),
    ]
  }

  private static func segment(_ random: inout SplitMix64) -> [Segment.Event] {
    [
      .created(name: random.text(), filter: random.filter()),
      .updated(name: random.text(), filter: random.filter()), .deleted,
      .restored(
        name: random.text(), filter: random.filter(), createdAtMicros: random.int64()),
    ]
  }

  private static func campaign(_ random: inout SplitMix64) -> [Campaign.Event] {
    [
      .created(definition(&random)),
      .launched(filter: random.filter(), plannedCount: random.count()),
      .audienceRecorded(ordinal: random.count(), contacts: random.list { $0.id(.contact) }),
      .batchPlanned(ordinal: random.count()),
      .completed(
        CampaignOutcome(
          sentCount: random.count(), failedCount: random.count(), skippedCount: random.count(),
          cancelledCount: random.count())),
      .cancelled(by: random.text()), .paused(by: random.text()), .resumed(by: random.text()),
      .paceSet(perMinute: random.maybe { $0.count() }), .updated(definition(&random)), .deleted,
    ]
  }

  private static func definition(_ random: inout SplitMix64) -> CampaignDefinition {
    CampaignDefinition(
      name: random.text(), segment: random.id(.segment), channel: random.one(),
      purpose: random.one(), body: random.text(), subject: random.maybe { $0.text() },
      html: random.maybe { $0.text() }, voicemail: random.maybe { $0.text() },
      template: random.maybe { TemplateUse(id: $0.id(.template), version: $0.count()) },
      holdoutPercent: random.maybe { $0.count() })
  }

  private static func workflow(_ random: inout SplitMix64) -> [Workflow.Event] {
    [
      .published(
        version: random.count(), definition: random.definition(), source: random.text()),
      .paused, .resumed, .deleted,
    ]
  }

  private static func run(_ random: inout SplitMix64) -> [WorkflowRun.Event] {
    [
      .started(
        workflow: random.id(.workflow), version: random.count(), contact: random.id(.contact),
        firstStep: random.text()),
      .stepAdvanced(
        step: random.text(), outcome: random.text(), message: random.maybe { $0.id(.message) },
        next: random.maybe { $0.text() }),
      .waiting(step: random.text(), timer: random.id(.timer), untilMicros: random.int64()),
      .completed, .failed(step: random.text(), reason: random.text()),
    ]
  }

  private static func timer(_ random: inout SplitMix64) -> [Timer.Event] {
    [
      .scheduled(owner: random.id(random.one(of: [.message, .run])), dueMicros: random.int64()),
      .fired, .cancelled,
    ]
  }

  private static func webhook(_ random: inout SplitMix64) -> [WebhookEndpoint.Event] {
    [
      .created(
        url: random.text(), types: random.list { $0.text() },
        secret: random.personal { $0.text() }),
      .updated(url: random.text(), types: random.list { $0.text() }),
      .disabled(reason: random.text()), .enabled, .paused, .resumed, .deleted,
      .deliveryFailed(
        position: UInt64.random(in: 0...UInt64(Int64.max), using: &random),
        attempt: random.count(), reason: random.text(),
        retryAtMicros: random.maybe { $0.int64() }),
      .styleSet(WebhookEndpoint.Style(payload: random.one(), format: random.one())),
      .secretRotated(
        secret: random.personal { $0.text() }, previousUntilMicros: random.int64()),
      .tested,
      .redeliveryRequested(
        from: UInt64.random(in: 0...UInt64(Int64.max), using: &random),
        to: UInt64.random(in: 0...UInt64(Int64.max), using: &random)),
      .redelivered(deliveredCount: random.count(), failedCount: random.count()),
    ]
  }

  private static func importJob(_ random: inout SplitMix64) -> [ImportJob.Event] {
    [
      .started(
        fingerprint: random.text(), rowCount: random.count(), mapping: random.list { $0.text() }),
      .completed(
        ImportOutcome(
          createdCount: random.count(), updatedCount: random.count(),
          unchangedCount: random.count(), failedCount: random.count())),
    ]
  }
}
