internal import Domain
internal import EventCodec

// What happens beside the campaigns: receipts by email, calls, and the welcome that new contacts get.

extension SeedStory {
  /// One kind of message beside the campaigns' texts.
  struct Sent {
    let id: Identifier
    let contact: Int
    let channel: Channel
    let priceMicros: Int64
    let voice: VoicePlan?

    var cause: String { "\(id)" }
  }

  /// Of a hundred people of a campaign's audience, so many get an email too, and so many a call.
  private static let emailShare = 12
  private static let callShare = 3

  /// What staff do on the day of a campaign.
  func attend(_ index: Int) throws {
    let luck = dice.below(100)
    if luck < Self.emailShare {
      try email(index)
    } else if luck < Self.emailShare + Self.callShare {
      try call(index)
    }
  }

  private func email(_ index: Int) throws {
    pace()
    let sent = Sent(
      id: dice.id(.message, atMicros: nowMicros), contact: index, channel: .email,
      priceMicros: Prices.priceMicros(of: .email, atMicros: nowMicros), voice: nil)
    var message = Message.State()
    let providerID = "m-" + String(dice.next(), radix: 16)
    let body = "Hi \(SeedPeople.firstName(index)), here is your receipt."
    let content = MessageContent(
      address: SeedPeople.email(index), body: body, subject: "Your receipt")
    guard try handOut(sent, content, &message) else { return }
    let charge = Charge(
      amountMicros: sent.priceMicros, resourceType: "email", resourceID: providerID,
      description: "Email")
    commit(
      try take(
        .recordOutcome(.accepted(providerID: providerID), atMicros: nowMicros), sent.id, &message)
        + (try wallet(.settle(message: sent.id, charge: charge))), by: "system:dispatcher",
      origin: "reactor", cause: sent.cause)
    try hear(of: sent, &message, providerID)
  }

  /// Delivered, mostly; opened by some, and clicked by a few of them.
  private func hear(
    of sent: Sent, _ message: inout Message.State, _ providerID: String
  ) throws {
    let luck = dice.below(100)
    var news: [Message.Command] = [
      .recordProviderStatus(
        ProviderStatus(
          kind: luck < 2 ? .failed : .delivered, providerID: providerID,
          errorCode: luck < 2 ? "550" : nil, atMicros: nowMicros))
    ]
    if luck >= 60 {
      news.append(.recordEngagement(.opened(isMachine: luck < 70), atMicros: nowMicros))
    }
    if luck >= 92 {
      news.append(.recordEngagement(.clicked(link: 0, isMachine: false), atMicros: nowMicros))
    }
    for command in news {
      pace()
      commit(
        try take(command, sent.id, &message), by: "provider:sendgrid", origin: "webhook",
        cause: providerID)
    }
  }

  private func call(_ index: Int) throws {
    pace()
    let voice = VoicePlan(maxMinutes: 2, isRecorded: false, isVoicemailDrop: false)
    let minuteMicros = Prices.priceMicros(of: .voice, atMicros: nowMicros)
    let sent = Sent(
      id: dice.id(.message, atMicros: nowMicros), contact: index, channel: .voice,
      priceMicros: minuteMicros * 2, voice: voice)
    var message = Message.State()
    let providerID = "CA" + String(dice.next(), radix: 16)
    let content = MessageContent(
      address: SeedPeople.phone(index), body: "Your appointment is tomorrow at nine.")
    guard try handOut(sent, content, &message) else { return }
    commit(
      try take(
        .recordOutcome(.accepted(providerID: providerID), atMicros: nowMicros), sent.id, &message),
      by: "system:dispatcher", origin: "reactor", cause: sent.cause)
    pace()
    let outcomes: [CallResult.Outcome] = [.answered, .answered, .voicemail, .noAnswer, .busy]
    let outcome = outcomes[dice.below(outcomes.count)]
    let result = CallResult(
      outcome: outcome, durationSeconds: outcome == .answered ? 20 + dice.below(80) : 15)
    let ended = try take(
      .recordCall(result, providerID: providerID, atMicros: nowMicros), sent.id, &message)
    let charge = Charge(
      amountMicros: minuteMicros * Int64(result.billedMinutes), resourceType: "voice",
      resourceID: providerID, description: "Call, minutes: \(result.billedMinutes)")
    let paid = try wallet(
      result.wasAnswered
        ? .settle(message: sent.id, charge: charge) : .release(message: sent.id))
    commit(ended + paid, by: "provider:twilio", origin: "webhook", cause: providerID)
  }

  /// Plans and dispatches; false where the gate said no.
  private func handOut(
    _ sent: Sent, _ content: MessageContent, _ message: inout Message.State
  ) throws -> Bool {
    noteMessage()
    let verdict = Gate.judge(
      facts(
        of: sent.contact, channel: sent.channel, purpose: .transactional,
        priceMicros: sent.priceMicros))
    let plan = MessagePlan(
      contact: contactID(sent.contact), channel: sent.channel, purpose: .transactional,
      from: sent.channel == .email ? "hello@example.com" : Self.ourNumber,
      content: .known(content), segmentCount: 1,
      encoding: SMSSegments.Encoding.gsm7.rawValue, voice: sent.voice)
    let planned = try take(
      .plan(plan, verdict: verdict, priceMicros: sent.priceMicros), sent.id, &message)
    guard verdict.isAllowed else {
      commit(planned, by: "user:seed", origin: "console", cause: sent.cause)
      return false
    }
    let held = try wallet(.hold(message: sent.id, amountMicros: sent.priceMicros))
    commit(planned + held, by: "user:seed", origin: "console", cause: sent.cause)
    commit(
      try take(.dispatch(verdict: verdict), sent.id, &message), by: "system:dispatcher",
      origin: "reactor", cause: sent.cause)
    return true
  }

}

// MARK: - The welcome

extension SeedStory {
  /// Of the new contacts, every so manieth goes through the workflow.
  private static let welcomedShare = 8

  /// A run that waits for its second day.
  struct Welcome {
    let run: Identifier
    let contact: Int
    var state: WorkflowRun.State
  }

  /// Started by hand: a system that begins on this log would greet everybody whom the story left out.
  static let welcome = WorkflowDefinition(
    name: "Welcome", trigger: .manual,
    steps: [
      WorkflowStep(id: "hello", action: .addTag("new"), next: "pause"),
      WorkflowStep(id: "pause", action: .wait(durationMicros: dayMicros), next: "mark"),
      WorkflowStep(id: "mark", action: .addTag("welcomed"), next: nil),
    ])

  func publishWelcome() throws {
    let events = try Workflow.decide(
      .publish(Self.welcome, source: "name: Welcome"), given: Workflow.initialState)
    commit(
      events.map { (workflow, .workflow($0)) }, by: "operator", origin: "cli", cause: "seed")
  }

  func welcome(_ index: Int) throws {
    guard index.isMultiple(of: Self.welcomedShare) else { return }
    var welcome = Welcome(
      run: dice.id(.run, atMicros: nowMicros), contact: index, state: WorkflowRun.State())
    try go(
      .start(
        workflow: workflow, version: 1, contact: contactID(index), firstStep: "hello"), &welcome)
    try tag(index, "new", cause: "\(welcome.run)")
    try go(.advance(step: "hello", outcome: "tagged", message: nil, next: "pause"), &welcome)
    try go(
      .wait(
        step: "pause", timer: dice.id(.timer, atMicros: nowMicros),
        untilMicros: nowMicros + Self.dayMicros), &welcome)
    waiting.append(welcome)
  }

  /// The runs that have waited long enough go to their end.
  func endWelcomes() throws {
    while let first = waiting.first, first.state.waitingUntilMicros ?? 0 <= nowMicros {
      waiting.removeFirst()
      var welcome = first
      try go(.advance(step: "pause", outcome: "waited", message: nil, next: "mark"), &welcome)
      try tag(welcome.contact, "welcomed", cause: "\(welcome.run)")
      try go(.advance(step: "mark", outcome: "tagged", message: nil, next: nil), &welcome)
    }
  }

  private func go(_ command: WorkflowRun.Command, _ welcome: inout Welcome) throws {
    let events = try WorkflowRun.decide(command, given: welcome.state)
    for event in events { welcome.state = WorkflowRun.evolve(welcome.state, with: event) }
    commit(
      events.map { (welcome.run, .run($0)) }, by: "system:workflows", origin: "reactor",
      cause: "\(welcome.run)")
  }
}
