// MARK: - Decide

extension Message: Decider {
  /// Tries after which a message that the provider keeps refusing to take is given up: about a day,
  /// as tries come to be five minutes apart.
  package static let attemptLimit = 300

  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .plan(let plan, let verdict, let priceMicros):
      guard state.status == nil else { throw .alreadyPlanned }
      return [.planned(plan), judged(verdict, priceMicros: priceMicros)]
    case .schedule(let plan):
      guard state.status == nil else { throw .alreadyPlanned }
      return [.planned(plan)]
    case .receive(let inbound):
      guard state.status == nil else { throw .alreadyPlanned }
      return [.received(inbound)]
    case .release, .dispatch, .recordOutcome, .recordProviderStatus, .revoke, .cancel, .recordCall,
      .recordEngagement:
      guard let status = state.status else { throw .notFound }
      return try decide(command, given: state, at: status)
    }
  }

  private static func decide(
    _ command: Command, given state: State, at status: Status
  ) throws(Rejection) -> [Event] {
    switch command {
    case .plan, .schedule, .receive:
      preconditionFailure("handled by the caller")
    case .release(let verdict, let priceMicros):
      guard status == .held || status == .planned else { return [] }
      return [judged(verdict, priceMicros: priceMicros)]
    case .dispatch(let verdict):
      guard status == .queued else { return [] }
      guard verdict.isAllowed else { return [judged(verdict, priceMicros: 0)] }
      return [.dispatched(attempt: state.attempt + 1, verdict: verdict)]
    case .recordOutcome(let outcome, let atMicros):
      return record(outcome, atMicros: atMicros, given: state, at: status)
    case .recordProviderStatus(let news):
      return record(news, given: state, at: status)
    case .recordCall(let result, let providerID, let atMicros):
      return record(result, providerID: providerID, atMicros: atMicros, given: state, at: status)
    case .recordEngagement(let engagement, let atMicros):
      return record(engagement, atMicros: atMicros, given: state)
    case .revoke(let verdict):
      guard case .refused(let reason) = verdict.outcome, status.isWaiting else { return [] }
      return [.skipped(reason: reason, verdict: verdict)]
    case .cancel(let by):
      if status == .cancelled { return [] }
      guard status.isWaiting else { throw .notAllowed(status: status) }
      return [.cancelled(by: by)]
    }
  }

  private static func judged(_ verdict: Verdict, priceMicros: Int64) -> Event {
    switch verdict.outcome {
    case .allowed: .queued(verdict: verdict, priceMicros: priceMicros)
    case .held(let reason, let untilMicros):
      .held(reason: reason, untilMicros: untilMicros, verdict: verdict)
    case .refused(let reason): .skipped(reason: reason, verdict: verdict)
    }
  }

  /// The answer to our call. News by callback may have come first and then knows better.
  private static func record(
    _ outcome: DispatchOutcome, atMicros: Micros, given state: State, at status: Status
  ) -> [Event] {
    guard status == .dispatched || status == .unknown else { return [] }
    switch outcome {
    case .accepted(let providerID):
      return [.accepted(providerID: providerID)]
    case .refused(let code):
      return [.failed(code: code, atMicros: atMicros)]
    case .notTaken(let code, let retryAtMicros):
      guard state.attempt < attemptLimit else { return [.failed(code: code, atMicros: atMicros)] }
      return [.retryScheduled(attempt: state.attempt, code: code, notBeforeMicros: retryAtMicros)]
    case .inDoubt(let reason):
      return status == .unknown ? [] : [.unknown(attempt: state.attempt, reason: reason)]
    }
  }

  /// Callbacks come late, twice, in any order or never: the state only moves forward.
  private static func record(
    _ news: ProviderStatus, given state: State, at status: Status
  ) -> [Event] {
    // Never handed out: not our message, whatever the callback says.
    guard state.attempt > 0 else { return [] }
    guard !state.isOfAnotherAttempt(news.providerID, isFailure: news.kind == .failed) else {
      return []
    }
    var events: [Event] = []
    if state.providerID == nil, !status.isFinal {
      events.append(.accepted(providerID: news.providerID))
    }
    // A call that was carried out has its own end: what else is said of it would be charged, or given back, as a text.
    let isOfCall = state.plan?.channel == .voice
    switch news.kind {
    case .accepted:
      break
    case .sent where !isOfCall && status.isBefore(.sent):
      events.append(.sent(atMicros: news.atMicros))
    case .delivered where !isOfCall && status.isBefore(.delivered):
      events.append(.delivered(atMicros: news.atMicros))
    case .failed where status.isBefore(.failed) || !isOfCall && status == .delivered:
      events.append(.failed(code: news.errorCode ?? "undelivered", atMicros: news.atMicros))
    case .sent, .delivered, .failed:
      break
    }
    return events
  }
}

extension Message.State {
  /// A provider that was slow may have taken an earlier attempt after all, under an id of its own. What becomes of that
  /// one decides nothing of the message once the provider's id for it is known. Until then its failure, while another
  /// attempt is on its way, may be that of either; its arrival is what everybody wanted.
  fileprivate func isOfAnotherAttempt(_ newsOf: String, isFailure: Bool) -> Bool {
    if let providerID { return !newsOf.isEmpty && newsOf != providerID }
    return isFailure && attempt > 1 && (status == .dispatched || status == .unknown)
  }
}

// MARK: - Calls and emails

extension Message {
  /// Events of one message beyond which further openings and clicks are no news.
  package static let engagementLimit = 50

  private static func record(
    _ result: CallResult, providerID: String, atMicros: Micros, given state: State,
    at status: Status
  ) -> [Event] {
    guard state.attempt > 0, state.call == nil, !status.isFinal,
      !state.isOfAnotherAttempt(providerID, isFailure: !result.wasAnswered)
    else { return [] }
    let ended = Event.callEnded(result, atMicros: atMicros)
    return state.providerID == nil ? [.accepted(providerID: providerID), ended] : [ended]
  }

  private static func record(
    _ engagement: Engagement, atMicros: Micros, given state: State
  ) -> [Event] {
    guard state.attempt > 0 else { return [] }
    if case .complained = engagement {
      return state.complainedAtMicros == nil ? [.complained(atMicros: atMicros)] : []
    }
    guard state.engagementCount < engagementLimit else { return [] }
    switch engagement {
    case .opened(let isMachine):
      return isMachine && state.machineOpenedAtMicros != nil
        ? [] : [.opened(isMachine: isMachine, atMicros: atMicros)]
    case .clicked(let link, let isMachine):
      return [.clicked(link: link, isMachine: isMachine, atMicros: atMicros)]
    case .complained:
      preconditionFailure("answered above")
    }
  }
}

extension Message.Status {
  /// Planned but not handed out: it can still be stopped.
  package var isWaiting: Bool {
    switch self {
    case .planned, .held, .queued: true
    case .dispatched, .accepted, .sent, .delivered, .failed, .skipped, .cancelled, .unknown,
      .received:
      false
    }
  }

  /// The wallet keeps the price aside in these states.
  package var holdsPrice: Bool {
    switch self {
    case .queued, .dispatched, .accepted, .unknown: true
    case .planned, .held, .sent, .delivered, .failed, .skipped, .cancelled, .received: false
    }
  }

  /// The price was charged in these states.
  package var isCharged: Bool { self == .sent || self == .delivered }

  /// A campaign counts the recipient as done.
  package var isEnded: Bool { isFinal || self == .sent }

  fileprivate func isBefore(_ other: Message.Status) -> Bool {
    switch self {
    case .planned, .held, .queued, .dispatched, .accepted, .unknown: true
    case .sent: other != .sent
    case .delivered, .failed, .skipped, .cancelled, .received: false
    }
  }
}

// MARK: - Evolve

extension Message {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .planned(let plan):
      next.status = .planned
      next.plan = plan
      next.notBeforeMicros = plan.sendAtMicros ?? 0
    case .queued(let verdict, let priceMicros):
      next.status = .queued
      next.verdict = verdict
      next.priceMicros = priceMicros
      next.reason = nil
    case .held(let reason, let untilMicros, let verdict):
      next.status = .held
      next.reason = reason
      next.verdict = verdict
      next.notBeforeMicros = untilMicros
    case .skipped(let reason, let verdict):
      next.status = .skipped
      next.reason = reason
      next.verdict = verdict
    case .dispatched(let attempt, let verdict):
      next.status = .dispatched
      next.attempt = attempt
      next.verdict = verdict
    case .retryScheduled(_, let code, let notBeforeMicros):
      next.status = .queued
      next.errorCode = code
      next.notBeforeMicros = notBeforeMicros
    case .unknown:
      next.status = .unknown
    case .cancelled:
      next.status = .cancelled
    case .received(let inbound):
      next.status = .received
      next.inbound = inbound
      next.providerID = inbound.providerID
    case .accepted, .sent, .delivered, .failed:
      next.apply(providerNews: event)
    case .callEnded, .opened, .clicked, .complained:
      next.apply(answer: event)
    }
    return next
  }
}

extension Message.State {
  fileprivate mutating func apply(providerNews event: Message.Event) {
    switch event {
    case .accepted(let id):
      status = .accepted
      providerID = id
      errorCode = nil
    case .sent(let atMicros):
      status = .sent
      sentAtMicros = atMicros
    case .delivered(let atMicros):
      status = .delivered
      deliveredAtMicros = atMicros
      sentAtMicros = sentAtMicros ?? atMicros
    case .failed(let code, _):
      status = .failed
      errorCode = code
    case .planned, .queued, .held, .skipped, .dispatched, .retryScheduled, .unknown, .cancelled,
      .received, .callEnded, .opened, .clicked, .complained:
      preconditionFailure("only what the provider told")
    }
  }

  /// What became of it at the other end.
  fileprivate mutating func apply(answer event: Message.Event) {
    switch event {
    case .callEnded(let result, let atMicros):
      call = result
      status = result.wasAnswered ? .delivered : .failed
      if result.wasAnswered {
        sentAtMicros = atMicros
        deliveredAtMicros = atMicros
      } else {
        errorCode = result.outcome.rawValue
      }
    case .opened(let isMachine, let atMicros):
      engagementCount += 1
      if isMachine {
        machineOpenedAtMicros = machineOpenedAtMicros ?? atMicros
      } else {
        openedAtMicros = openedAtMicros ?? atMicros
      }
    case .clicked(_, let isMachine, let atMicros):
      engagementCount += 1
      if !isMachine { clickedAtMicros = clickedAtMicros ?? atMicros }
    case .complained(let atMicros):
      complainedAtMicros = atMicros
    case .planned, .queued, .held, .skipped, .dispatched, .retryScheduled, .unknown, .cancelled,
      .received, .accepted, .sent, .delivered, .failed:
      preconditionFailure("only what came back from the other end")
    }
  }
}
