import Domain
import EventCodec
import EventLog
import Synchronization

/// Events as they happened: a log in memory with a clock of its own.
final class History: Sendable {
  let log: MemoryEventLog
  private let clock: Clock

  /// 2025-06-01T12:00:00Z; each commit comes a second later.
  static let startMicros: Micros = 1_748_779_200_000_000
  /// A moment after all commits of a test.
  static let laterMicros = startMicros + 86_400_000_000

  init() {
    let clock = Clock()
    self.clock = clock
    log = MemoryEventLog(nowMicros: { clock.nowMicros })
  }

  /// Nothing happens for a while.
  func pass(seconds: Int64) { clock.pass(seconds: seconds) }

  /// On the org's clock.
  var nowMicros: Micros { clock.nowMicros }

  /// Appends events of one stream in one commit and gives the position of the last.
  @discardableResult
  func append(
    _ stream: Identifier, _ events: [DomainEvent], by who: Who = Who()
  ) async throws -> UInt64 {
    try await commit(events.map { (stream, $0) }, by: who)
  }

  /// Appends events of several streams in one commit.
  @discardableResult
  func commit(
    _ events: [(stream: Identifier, event: DomainEvent)], by who: Who = Who()
  ) async throws -> UInt64 {
    try await log.append(made(events, by: who)).lastPosition
  }

  /// Appends events of one stream from where nothing can be awaited. A log in memory has them at once.
  func put(_ stream: Identifier, _ events: [DomainEvent], by who: Who = Who()) {
    _ = log.enqueue(made(events.map { (stream, $0) }, by: who))
  }

  private func made(_ events: [(stream: Identifier, event: DomainEvent)], by who: Who) -> Commit {
    Commit(
      org: OrgID(who.org.value),
      events: events.map { EventCodec.encode($0.event, stream: $0.stream, org: who.org) },
      context: CommitContext(
        actor: who.actor, origin: who.origin, correlation: who.correlation,
        causation: who.causation, occurredAtMicros: clock.tick()))
  }
}

/// Who does something, and why. A value of its own and not a list of parameters: an async function
/// whose 128-bit arguments do not fit in registers crashes with Swift 6.3.1.
struct Who: Sendable {
  var org = acme
  var actor = "user:usr_1"
  var origin = "api"
  var correlation = "req_1"
  var causation: UInt64?
}

private final class Clock: Sendable {
  private let seconds = Atomic<Int64>(0)

  var nowMicros: Micros { History.startMicros + seconds.load(ordering: .relaxed) * 1_000_000 }

  func pass(seconds: Int64) { self.seconds.add(seconds, ordering: .relaxed) }

  func tick() -> Micros {
    seconds.add(1, ordering: .relaxed)
    return nowMicros
  }
}

// MARK: - Who and what

let acme = Identifier(.org, 0xAC)
let other = Identifier(.org, 0xBD)
let ann = Identifier(.contact, 0xA1)
let bob = Identifier(.contact, 0xB0)
let cid = Identifier(.contact, 0xC1)
let wallet = Identifier(.wallet, 0x11)

func message(_ number: UInt128) -> Identifier { Identifier(.message, number) }

func created(
  _ firstName: String, phone: String? = nil, email: String? = nil, lastName: String? = nil,
  company: String? = nil, custom: FieldValues = [:], source: String = "api"
) -> DomainEvent {
  .contact(
    .created(
      details: .known(
        ContactDetails(
          firstName: firstName, lastName: lastName, company: company, email: email, phone: phone,
          custom: custom)), source: source))
}

func updated(_ changes: FieldChange...) -> DomainEvent {
  .contact(.updated(fields: changes.map(\.field), changes: .known(changes)))
}

func tagged(_ tag: String) -> DomainEvent { .contact(.tagged(tag: tag)) }
func untagged(_ tag: String) -> DomainEvent { .contact(.untagged(tag: tag)) }

func optedIn(_ channel: Channel = .sms, purpose: Purpose = .marketing) -> DomainEvent {
  .contact(
    .optedIn(
      Consent(
        channel: channel, purpose: purpose, method: .webForm, source: "form",
        grantedAtMicros: History.startMicros,
        evidence: .known(ConsentEvidence(address: "+12025550100", wording: "Yes")))))
}

func optedOut(_ channel: Channel = .sms) -> DomainEvent {
  .contact(
    .optedOut(OptOut(channel: channel, method: .keyword, address: .known("+12025550100"))))
}

func planned(
  to contact: Identifier, _ body: String, campaign: Identifier? = nil, run: Identifier? = nil
) -> DomainEvent {
  .message(
    .planned(
      MessagePlan(
        contact: contact, channel: .sms, purpose: .marketing, from: "+12025550199",
        content: .known(MessageContent(address: "+12025550100", body: body)), segmentCount: 1,
        encoding: "gsm7", campaign: campaign, run: run, step: run.map { _ in "s1" })))
}

func received(from contact: Identifier, _ body: String, providerID: String) -> DomainEvent {
  .message(
    .received(
      InboundMessage(
        contact: contact, channel: .sms, to: "+12025550199", providerID: providerID, keyword: nil,
        content: .known(MessageContent(address: "+12025550100", body: body)))))
}

func verdict(_ outcome: Verdict.Outcome = .allowed) -> Verdict {
  Verdict(
    outcome: outcome, ruleSet: "2025-06-01",
    facts: GateFacts(
      nowMicros: History.startMicros, channel: .sms, purpose: .marketing, hasAddress: true,
      accountStatus: "active", consent: .optedIn, consentPurpose: .marketing,
      isAddressOptedOut: false, isReply: false,
      zones: [
        ZoneTime(
          zone: "America/Chicago", minuteOfDay: 420,
          nextOpenMicros: History.startMicros + 3_600_000_000)
      ],
      priceMicros: 7_900, walletAvailableMicros: 5_000_000))
}

let queued = DomainEvent.message(.queued(verdict: verdict(), priceMicros: 7_900))
let dispatched = DomainEvent.message(.dispatched(attempt: 1, verdict: verdict()))
let accepted = DomainEvent.message(.accepted(providerID: "SM1"))
let sent = DomainEvent.message(.sent(atMicros: History.startMicros + 60_000_000))
let delivered = DomainEvent.message(.delivered(atMicros: History.startMicros + 90_000_000))

func charge(_ amountMicros: Int64, _ resourceID: String = "SM1") -> Charge {
  Charge(
    amountMicros: amountMicros, resourceType: "sms", resourceID: resourceID,
    description: "SMS, segments: 1")
}
