import Domain

/// One event of every type with values of its own in every field: what the golden payloads must give.
enum SampleEvents {
  static let all: [DomainEvent] =
    org.map(DomainEvent.org) + user.map(DomainEvent.user) + apiKey.map(DomainEvent.apiKey)
    + role.map(DomainEvent.role)
    + contact.map(DomainEvent.contact) + message.map(DomainEvent.message)
    + wallet.map(DomainEvent.wallet) + segment.map(DomainEvent.segment)
    + campaign.map(DomainEvent.campaign) + workflow.map(DomainEvent.workflow)
    + run.map(DomainEvent.run) + timer.map(DomainEvent.timer)
    + webhook.map(DomainEvent.webhookEndpoint) + importJob.map(DomainEvent.importJob)
    + template.map(DomainEvent.template) + payment.map(DomainEvent.payment)
    + hook.map(DomainEvent.inboundHook)

  static let orgID = Identifier(.org, 0x0193_A000_0000_0000_0000_0000_0000_0001)
  static let contactID = Identifier(.contact, 0x0193_A000_0000_0000_0000_0000_0000_0002)
  static let messageID = Identifier(.message, 0x0193_A000_0000_0000_0000_0000_0000_0003)
  static let segmentID = Identifier(.segment, 0x0193_A000_0000_0000_0000_0000_0000_0004)
  static let campaignID = Identifier(.campaign, 0x0193_A000_0000_0000_0000_0000_0000_0005)
  static let workflowID = Identifier(.workflow, 0x0193_A000_0000_0000_0000_0000_0000_0006)
  static let runID = Identifier(.run, 0x0193_A000_0000_0000_0000_0000_0000_0007)
  static let timerID = Identifier(.timer, 0x0193_A000_0000_0000_0000_0000_0000_0008)

  private static let org: [Org.Event] = [
    .created(
      name: "Bright Dental", kind: .client, agency: orgID, timeZone: "America/Chicago",
      isTest: true, clockOffsetMicros: -86_400_000_000),
    .smsConfigured(
      SMSSettings(
        from: "+12025550100", accountSID: "AC0123", baseURL: "http://127.0.0.1:8090",
        authToken: .known("token"))),
    .statusChanged(.pastDue), .clockAdvanced(byMicros: 3_600_000_000),
    .providerConfigured(
      ProviderSettings(
        service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:8090",
        options: ["from": "hi@acme.example", "from_name": "Acme"],
        secrets: .known(["api_key": "SG.x"]))),
    .postalAddressSet("1 Main St\nAustin, TX 78701"),
    .checkpointPublished(size: 12, note: "daybook/0a/i1/org/0b\n12\n"),
    .auditExported(
      AuditExportRecord(
        id: Identifier(.auditExport, 0x0193_A000_0000_0000_0000_0000_0000_0011),
        scope: .contact(contactID), opensCredentials: false)),
    .historyRestored(
      HistoryRestore(
        incarnation: 2, reason: "the disk was lost", restoredAtMicros: 1_763_600_000_000_003,
        lastCheckpoint: "daybook/0a/i1/org/0b\n12\n")),
    .rateLimitSet(RateLimit(perMinute: 600, burst: 1_200)),
    .accessRefused(
      AccessRefusal(
        actor: "key:key_1", operation: "POST /api/contacts", reason: "missing_scope",
        address: .erased)),
    .sendingHalted(scope: .all, mode: .wait, reason: "wrong list", by: "operator"),
    .sendingResumed(scope: .all, by: "operator"),
    .sendingRulesSet(
      SendingRules(
        capCount: 3, capHours: 24, messagesPerSecond: 12, dailyBudgetMicros: 50_000_000,
        lowBalanceMicros: 10_000_000, registration: .verified)),
    .priceSet(
      PriceOverride(resource: .mms, markupPercent: 75, fromMicros: 1_763_600_000_000_003)),
    .suppressed(suppression), .unsuppressed(suppression),
    .autoRechargeSet(
      AutoRecharge(
        isOn: true, thresholdMicros: 21, amountMicros: 22, monthlyCapMicros: 23)),
    .addressKeyDrawn(.known("00ff")),
    .detailsChanged(name: "Acme West", timeZone: "America/Denver"),
    .providerRemoved(.email, isForgotten: false),
    .letterWritten(
      AdministratorLetter(
        throughPosition: 31, recipients: [Identifier(.user, 33)], writtenAtMicros: 32)),
    .clientAdded(Identifier(.org, 34)),
    .requestHadNoEffect(on: Identifier(.contact, 34)),
    .readModelOrdered(.cancelRebuild, readModel: "wallet"),
  ]

  private static let suppression = Suppression(
    list: .doNotCall, channel: .sms, source: "letter", address: .known("+12025550123"))

  private static let user: [User.Event] = [
    .created(
      details: .known(
        UserDetails(email: "ann@example.com", name: "Ann Lee", passwordHash: "scrypt$1$2")),
      role: "owner"),
    .signedIn, .signInFailed(address: .erased),
    .signedOut(session: "00ff00ff00ff00ff", untilMicros: 18),
    .renamed(name: .known("Ann Li")),
    .roleChanged(from: "owner", to: "developer"), .passwordChanged(hash: .known("scrypt$3$4")),
    .locked(untilMicros: 17), .unlocked, .deactivated, .reactivated,
  ]

  private static let apiKey: [APIKey.Event] = [
    .created(name: "Zapier", secretHash: "9f86d081", scopes: ["read", "write"]), .revoked,
    .restricted(
      APIKey.Restrictions(
        expiresAtMicros: 18, networks: ["203.0.113.0/24"], signingSecret: .known("sig_1"))),
    .renamed(name: "Make"), .scopesChanged(scopes: ["contacts:read"]),
    .limitSet(RateLimit(perMinute: 30, burst: 60)),
    .rolled(secretHash: "60303ae2", previousUntilMicros: 19),
  ]

  private static let role: [Role.Event] = [
    .created(name: "Reader", scopes: ["contacts:read"]),
    .updated(name: "Writer", scopes: ["contacts:*"]), .deleted,
  ]

  private static let contact: [Contact.Event] = [
    .created(
      details: .known(
        ContactDetails(
          firstName: "Zoë", lastName: "O\"Neil", company: "Acme \\ Co", email: "zoe@example.com",
          phone: "+12025550123", rawPhone: "(202) 555-0123",
          custom: ["age": .number(42.5), "city": .text("Ürgup"), "member": .flag(true)])),
      source: "csv"),
    .updated(
      fields: ["first_name", "custom.age", "company"],
      changes: .known([
        FieldChange(field: "first_name", value: .text("Zoe")),
        FieldChange(field: "custom.age", value: .number(43)),
        FieldChange(field: "company", value: nil),
      ])),
    .tagged(tag: "vip"), .untagged(tag: "cold"),
    .optedOut(
      OptOut(
        channel: .sms, method: .keyword, message: messageID, address: .known("+12025550123"))),
    .optedIn(
      Consent(
        channel: .email, purpose: .transactional, method: .webForm, source: "https://a.example/f",
        grantedAtMicros: 1_763_600_000_000_001,
        evidence: .known(
          ConsentEvidence(address: "zoe@example.com", wording: "I agree", ip: "203.0.113.9")))),
    .optOutSuspected(channel: .sms, message: messageID), .optOutDismissed(channel: .sms),
    .erasureRequested(
      ErasureRequest(
        reason: .personAsked, by: "user:usr_1", atMicros: 24,
        addresses: .known([KeyedAddress(channel: .sms, hash: "0a1b", isOptedOut: true)]))),
    .dataDestroyed(atMicros: 25),
    .erased(
      ErasureRecord(
        keyIDs: ["0c2d"], reason: .personAsked, requestedAtMicros: 24, rewrittenAtMicros: 25,
        purgedAtMicros: 26, erasedAtMicros: 27)),
    .leadCaptured(
      Lead(
        source: "pricing page", isNewContact: true, hook: Identifier(.inboundHook, 9),
        unrecordedConsents: [.sms],
        origin: .known(
          LeadOrigin(
            utm: .init(
              source: "google", medium: "cpc", campaign: "spring", term: "crm", content: "a"),
            page: "https://example.com/pricing", referrer: "https://example.org",
            ip: "203.0.113.7")))),
    .archived, .restored,
  ]

  static let facts = GateFacts(
    nowMicros: 1_763_600_000_000_002, channel: .sms, purpose: .marketing, hasAddress: true,
    accountStatus: "active", consent: .optedIn, consentPurpose: .transactional,
    isAddressOptedOut: false, isReply: true,
    zones: [
      ZoneTime(
        zone: "America/Chicago", minuteOfDay: 1_200, nextOpenMicros: 1_763_640_000_000_000)
    ], priceMicros: 12_000, walletAvailableMicros: 5_000_000)

  static let allowed = Verdict(outcome: .allowed, ruleSet: "2026-11-21", facts: facts)

  private static let content = MessageContent(address: "+12025550123", body: "Hi Zoë\n👋")

  private static let message: [Message.Event] = [
    .planned(
      MessagePlan(
        contact: contactID, channel: .sms, purpose: .marketing, from: "+12025550100",
        content: .known(content), segmentCount: 2, encoding: "ucs2", campaign: campaignID,
        run: runID, step: "step-1")),
    .queued(verdict: allowed, priceMicros: 24_000),
    .held(
      reason: .quietHours, untilMicros: 7,
      verdict: Verdict(
        outcome: .held(.quietHours, untilMicros: 8), ruleSet: "2026-11-21", facts: facts)),
    .skipped(
      reason: .revoked,
      verdict: Verdict(outcome: .refused(.noConsent), ruleSet: "2026-11-21", facts: facts)),
    .dispatched(attempt: 2, verdict: allowed), .accepted(providerID: "SM0123"),
    .retryScheduled(attempt: 2, code: "20429", notBeforeMicros: 9),
    .unknown(attempt: 3, reason: "timeout"), .sent(atMicros: 10), .delivered(atMicros: 11),
    .failed(code: "30005", atMicros: 12), .cancelled(by: "user:usr_1"),
    .received(
      InboundMessage(
        contact: contactID, channel: .sms, to: "+12025550100", providerID: "SM0456",
        keyword: .optOut, content: .known(content))),
    .callEnded(CallResult(outcome: .noAnswer, durationSeconds: 31), atMicros: 17),
    .opened(isMachine: true, atMicros: 18), .clicked(link: 2, isMachine: false, atMicros: 19),
    .complained(atMicros: 20),
  ]

  private static let charge = Charge(
    amountMicros: 24_000, resourceType: "sms", resourceID: "SM0123", description: "2 segments")

  private static let wallet: [Wallet.Event] = [
    .opened, .funded(amountMicros: 5_000_000, paymentID: "pi_1", method: "card"),
    .held(message: messageID, amountMicros: 24_000), .settled(message: messageID, charge: charge),
    .released(message: messageID, amountMicros: 24_001), .debited(charge), .waived(charge),
    .refunded(message: messageID, charge: charge),
  ]

  private static let filter = Filter.all([
    .condition(Filter.Condition(field: "tags", comparison: .contains, value: .text("vip"))),
    .any([
      .not(
        .condition(Filter.Condition(field: "custom.age", comparison: .less, value: .number(18)))),
      .condition(Filter.Condition(field: "email", comparison: .exists, value: .flag(false))),
    ]),
  ])

  private static let segment: [Segment.Event] = [
    .created(name: "VIP", filter: filter), .updated(name: "Best", filter: filter), .deleted,
    .restored(name: "Best", filter: filter, createdAtMicros: 1_767_225_600_000_000),
  ]

  private static let campaign: [Campaign.Event] = [
    .created(
      CampaignDefinition(
        name: "Spring", segment: segmentID, channel: .sms, purpose: .marketing, body: "Sale")),
    .launched(filter: filter, plannedCount: 5),
    .audienceRecorded(ordinal: 1, contacts: [contactID, Identifier(.contact, 9)]),
    .batchPlanned(ordinal: 2),
    .completed(
      CampaignOutcome(sentCount: 1, failedCount: 2, skippedCount: 3, cancelledCount: 4)),
    .cancelled(by: "user:usr_1"), .paused(by: "user:usr_1"), .resumed(by: "user:usr_2"),
    .paceSet(perMinute: 120),
    .updated(
      CampaignDefinition(
        name: "Summer", segment: segmentID, channel: .sms, purpose: .marketing, body: "Sun")),
    .deleted,
  ]

  private static let workflow: [Workflow.Event] = [
    .published(
      version: 3,
      definition: WorkflowDefinition(
        name: "Follow-up", trigger: .tagAdded("webinar"),
        steps: [
          WorkflowStep(
            id: "s1", action: .sendSMS(body: "Hi", purpose: .transactional), next: "s2"),
          WorkflowStep(id: "s2", action: .wait(durationMicros: 86_400_000_000), next: "s3"),
          WorkflowStep(
            id: "s3", action: .branch(.not(.replied), then: "s4", otherwise: "s5"), next: nil),
          WorkflowStep(id: "s4", action: .addTag("hot"), next: "s6"),
          WorkflowStep(id: "s5", action: .removeTag("webinar"), next: "s6"),
          WorkflowStep(
            id: "s6", action: .branch(.contact(filter), then: nil, otherwise: nil), next: nil),
        ]), source: "name: Follow-up\n"),
    .paused, .resumed, .deleted,
  ]

  private static let run: [WorkflowRun.Event] = [
    .started(workflow: workflowID, version: 3, contact: contactID, firstStep: "s1"),
    .stepAdvanced(step: "s1", outcome: "planned", message: messageID, next: "s2"),
    .waiting(step: "s2", timer: timerID, untilMicros: 13), .completed,
    .failed(step: "s3", reason: "missing_field"),
  ]

  private static let timer: [Timer.Event] = [
    .scheduled(owner: runID, dueMicros: 14), .fired, .cancelled,
  ]

  private static let webhook: [WebhookEndpoint.Event] = [
    .created(
      url: "https://a.example/h", types: ["message.*", "contact.created"],
      secret: .known("whsec_MfKQ")),
    .updated(url: "https://b.example/h", types: ["*"]), .disabled(reason: "410"), .enabled,
    .paused, .resumed, .deleted,
    .deliveryFailed(position: 15, attempt: 2, reason: "503", retryAtMicros: 16),
    .styleSet(WebhookEndpoint.Style(payload: .thin, format: .cloudEvents)),
    .secretRotated(secret: .known("whsec_Q2hh"), previousUntilMicros: 20), .tested,
    .redeliveryRequested(from: 21, to: 22), .redelivered(deliveredCount: 23, failedCount: 24),
  ]

  private static let hookSettings = HookSettings(
    name: "Website form", authentication: .hmac, signatureHeader: "X-Form-Signature",
    action: .lead,
    mapping: [
      .init(field: "email", source: "data.email"), .init(field: "tags", source: "=web"),
    ], deliveryID: "data.id")

  private static let hook: [InboundHook.Event] = [
    .created(settings: hookSettings, secret: .known("s3cret")), .updated(settings: hookSettings),
    .secretRotated(secret: .known("s4cret")), .enabled, .disabled, .deleted,
  ]

  private static let templateContent = TemplateContent(
    body: "Hi {{first_name|there}}", subject: "News", html: "<p>Hi</p>", voicemail: "Bye")

  private static let template: [Template.Event] = [
    .created(name: "Welcome", channel: .email, content: templateContent),
    .revised(version: 2, name: "Hello", content: templateContent), .archived, .restored,
  ]

  private static let payment: [Payment.Event] = [
    .requested(amountMicros: 50_000_000, reason: .autoRecharge), .pending(providerID: "pi_1"),
    .succeeded(providerID: "pi_1"), .failed(code: "card_declined"),
    .refundRequested(amountMicros: 10_000_000),
    .refunded(amountMicros: 10_000_000, providerID: "re_1", refund: nil),
    .refundFailed(amountMicros: 10_000_000, code: "charge_disputed", refund: nil),
    .refundPending(refund: 2, providerID: "re_1"),
  ]

  private static let importJob: [ImportJob.Event] = [
    .started(fingerprint: "9f86d081", rowCount: 10, mapping: ["first_name", "phone"]),
    .completed(
      ImportOutcome(createdCount: 1, updatedCount: 2, unchangedCount: 3, failedCount: 4)),
  ]
}
