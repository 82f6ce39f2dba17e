import Domain

// Random values for property tests: any text, any number, every case.

extension SplitMix64 {
  private static let alphabet: [Character] =
    Array("abcXYZ 019_-.,:;{}[]@€ßéñ漢🎉👩‍👩‍👧\u{1}\u{1F}\u{7F}\u{2028}") + [
      "\"", "\\", "\n", "\r", "\t", "\r\n",
    ]

  mutating func bool() -> Bool { Bool.random(using: &self) }

  mutating func text() -> String {
    String((0..<Int.random(in: 0...12, using: &self)).map { _ in one(of: Self.alphabet) })
  }

  mutating func count() -> Int {
    bool() ? Int.random(in: 0...9, using: &self) : Int(int64())
  }

  mutating func int64() -> Int64 {
    switch Int.random(in: 0...5, using: &self) {
    case 0: .min
    case 1: .max
    case 2: 0
    case 3: Int64.random(in: -20...20, using: &self)
    default: Int64.random(in: .min ... .max, using: &self)
    }
  }

  mutating func id(_ kind: Identifier.Kind) -> Identifier {
    Identifier(kind, bool() ? UInt128.random(in: .min ... .max, using: &self) : .max)
  }

  mutating func one<Value>(of values: [Value]) -> Value {
    values[Int.random(in: 0..<values.count, using: &self)]
  }

  mutating func one<Value: CaseIterable>(_: Value.Type = Value.self) -> Value {
    one(of: Array(Value.allCases))
  }

  mutating func maybe<Value>(_ value: (inout SplitMix64) -> Value) -> Value? {
    bool() ? value(&self) : nil
  }

  mutating func list<Value>(_ value: (inout SplitMix64) -> Value) -> [Value] {
    (0..<Int.random(in: 0...3, using: &self)).map { _ in value(&self) }
  }

  mutating func personal<Value>(
    _ value: (inout SplitMix64) -> Value
  ) -> Personal<Value> {
    .known(value(&self))
  }

  mutating func fieldValue() -> FieldValue {
    switch Int.random(in: 0...4, using: &self) {
    case 0: .flag(bool())
    case 1: .number(Double(Int.random(in: -9...9, using: &self)))
    case 2: .number(Double.random(in: -1e300...1e300, using: &self))
    default: .text(text())
    }
  }
}

// MARK: - Parts of events

extension SplitMix64 {
  mutating func filter(depth: Int = 3) -> Filter {
    switch Int.random(in: depth > 0 ? 0...4 : 3...4, using: &self) {
    case 0: .all(list { $0.filter(depth: depth - 1) })
    case 1: .any(list { $0.filter(depth: depth - 1) })
    case 2: .not(filter(depth: depth - 1))
    case 3: .happened(happened())
    default:
      .condition(Filter.Condition(field: text(), comparison: one(), value: fieldValue()))
    }
  }

  private mutating func happened() -> Filter.Happened {
    Filter.Happened(
      kind: one(), comparison: one(), count: count(),
      window: maybe { Filter.Duration("\(Int.random(in: 1...90, using: &$0))d") } ?? nil)
  }

  mutating func details() -> ContactDetails {
    ContactDetails(
      firstName: maybe { $0.text() }, lastName: maybe { $0.text() }, company: maybe { $0.text() },
      email: maybe { $0.text() }, phone: maybe { $0.text() }, rawPhone: maybe { $0.text() },
      custom: FieldValues(
        Dictionary(
          list { ($0.text(), $0.fieldValue()) }, uniquingKeysWith: { first, _ in first })))
  }

  mutating func consent() -> Consent {
    Consent(
      channel: one(), purpose: one(), method: one(), source: text(), grantedAtMicros: int64(),
      evidence: personal {
        ConsentEvidence(address: $0.text(), wording: $0.text(), ip: $0.maybe { $0.text() })
      }, sender: maybe { $0.text() }, wordingHash: maybe { $0.text() })
  }

  mutating func optOut() -> OptOut {
    OptOut(
      channel: one(), method: one(), message: maybe { $0.id(.message) },
      address: personal { $0.text() }, scope: one())
  }

  mutating func sendingRules() -> SendingRules {
    SendingRules(
      capCount: maybe { $0.count() }, capHours: maybe { $0.count() },
      messagesPerSecond: maybe { $0.count() }, dailyBudgetMicros: maybe { $0.int64() },
      lowBalanceMicros: maybe { $0.int64() }, registration: maybe { $0.one() },
      concurrentCalls: maybe { $0.count() }, duplicateHours: maybe { $0.count() },
      maxAgeHours: maybe { $0.count() }, brand: maybe { $0.one() },
      program: MessagingProgram(
        optOut: list { $0.text() }, optIn: list { $0.text() }, help: list { $0.text() },
        helpText: maybe { $0.text() }), advertisementNotice: maybe { $0.text() })
  }

  mutating func suppression() -> Suppression {
    Suppression(list: one(), channel: one(), source: text(), address: personal { $0.text() })
  }

  mutating func content() -> Personal<MessageContent> {
    personal {
      MessageContent(
        address: $0.text(), body: $0.text(), subject: $0.maybe { $0.text() },
        html: $0.maybe { $0.text() }, media: $0.list { $0.text() },
        voicemail: $0.maybe { $0.text() })
    }
  }

  mutating func hookSettings() -> HookSettings {
    HookSettings(
      name: text(), authentication: one(), signatureHeader: maybe { $0.text() }, action: one(),
      mapping: list { HookSettings.Mapping(field: $0.text(), source: $0.text()) },
      deliveryID: maybe { $0.text() })
  }

  mutating func lead() -> Lead {
    Lead(
      source: text(), isNewContact: bool(), hook: maybe { $0.id(.inboundHook) },
      unrecordedConsents: list { $0.one() },
      origin: personal {
        LeadOrigin(
          utm: .init(
            source: $0.maybe { $0.text() }, medium: $0.maybe { $0.text() },
            campaign: $0.maybe { $0.text() }, term: $0.maybe { $0.text() },
            content: $0.maybe { $0.text() }),
          page: $0.maybe { $0.text() }, referrer: $0.maybe { $0.text() }, ip: $0.maybe { $0.text() }
        )
      })
  }

  mutating func templateContent() -> TemplateContent {
    TemplateContent(
      body: text(), subject: maybe { $0.text() }, html: maybe { $0.text() },
      voicemail: maybe { $0.text() })
  }

  mutating func plan() -> MessagePlan {
    MessagePlan(
      contact: id(.contact), channel: one(), purpose: one(), from: text(), content: content(),
      segmentCount: count(), encoding: one(of: ["gsm7", "ucs2"]),
      campaign: maybe { $0.id(.campaign) }, run: maybe { $0.id(.run) }, step: maybe { $0.text() },
      voice: maybe {
        VoicePlan(
          maxMinutes: $0.count(), isRecorded: $0.bool(), isVoicemailDrop: $0.bool())
      }, template: maybe { TemplateUse(id: $0.id(.template), version: $0.count()) },
      sendAtMicros: maybe { $0.int64() }, expiresAtMicros: maybe { $0.int64() })
  }

  mutating func verdict() -> Verdict {
    Verdict(outcome: verdictOutcome(), ruleSet: text(), facts: facts())
  }

  private mutating func verdictOutcome() -> Verdict.Outcome {
    switch Int.random(in: 0...2, using: &self) {
    case 0: .allowed
    case 1: .held(one(), untilMicros: int64())
    default: .refused(one())
    }
  }

  mutating func facts() -> GateFacts {
    var facts = GateFacts(
      nowMicros: int64(), channel: one(), purpose: one(), hasAddress: bool(), accountStatus: text(),
      consent: one(), consentPurpose: maybe { $0.one() }, isAddressOptedOut: bool(),
      isReply: bool(),
      zones: list {
        ZoneTime(
          zone: $0.text(), minuteOfDay: $0.count(), nextOpenMicros: $0.int64(),
          localDay: $0.maybe { Int.random(in: -99_999...99_999, using: &$0) })
      },
      priceMicros: int64(), walletAvailableMicros: int64())
    facts.regions = list { $0.text() }
    facts.opensAtMicros = maybe { $0.int64() }
    facts.recentMicros = list { $0.int64() }
    facts.orgCap = maybe { FrequencyCap(count: $0.count(), hours: $0.count()) }
    facts.registration = maybe { $0.one() }
    facts.isSuppressed = bool()
    facts.spentTodayMicros = maybe { $0.int64() }
    facts.dailyBudgetMicros = maybe { $0.int64() }
    facts.ending = maybe { $0.one() }
    facts.expiresAtMicros = maybe { $0.int64() }
    facts.sameTextMicros = maybe { $0.int64() }
    facts.duplicateHours = maybe { $0.count() }
    facts.holdout = maybe { HoldoutDraw(percent: $0.count(), lot: $0.count()) }
    facts.testReach = maybe { $0.one() }
    facts.isKilled = bool()
    facts.carrier = maybe {
      CarrierUse(
        brand: $0.one(), segmentCount: $0.count(), usedCount: $0.count(),
        resetsAtMicros: $0.int64())
    }
    facts.numberFault = maybe { $0.one() }
    facts.isArchived = bool()
    return facts
  }

  mutating func inbound() -> InboundMessage {
    InboundMessage(
      contact: id(.contact), channel: one(), to: text(), providerID: text(),
      keyword: maybe { $0.one() }, content: content(), sentAtMicros: maybe { $0.int64() })
  }

  mutating func charge() -> Charge {
    Charge(
      amountMicros: int64(), resourceType: text(), resourceID: text(), description: text())
  }

  mutating func definition() -> WorkflowDefinition {
    WorkflowDefinition(
      name: text(),
      trigger: one(of: [.tagAdded(text()), .contactCreated, .messageReceived, .manual]),
      steps: list { random in
        WorkflowStep(
          id: random.text(), action: random.action(), next: random.maybe { $0.text() })
      })
  }

  private mutating func action() -> WorkflowStep.Action {
    one(of: [
      .sendSMS(body: text(), purpose: one()), .send(stepMessage()), .wait(durationMicros: int64()),
      .addTag(text()),
      .removeTag(text()),
      .branch(condition(), then: maybe { $0.text() }, otherwise: maybe { $0.text() }),
    ])
  }

  private mutating func stepMessage() -> StepMessage {
    StepMessage(
      channel: one(), purpose: one(), body: text(), subject: maybe { $0.text() },
      html: maybe { $0.text() }, voicemail: maybe { $0.text() }, maxMinutes: maybe { $0.count() },
      template: maybe { $0.id(.template) })
  }

  private mutating func condition() -> WorkflowStep.Condition {
    one(of: [.replied, .contact(filter()), .not(.replied), .not(.not(.contact(filter())))])
  }
}
