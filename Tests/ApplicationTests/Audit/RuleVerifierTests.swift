import Application
import Domain
import EventCodec
import EventLog
import Testing

/// What `daybook verify --rules` finds in books that no decider would write: each rule, and nothing in a sound one.
@Suite struct RuleVerifierTests {
  private static let noonMicros: Micros = 1_795_023_000_000_000
  private static let number = "+13125550101"
  private static let contact = Identifier(.contact, 1)
  private static let message = Identifier(.message, 2)
  private static let wallet = Identifier(.wallet, 3)
  private static let campaign = Identifier(.campaign, 4)
  private static let org = Identifier(.org, 0xA)

  /// An org's book, event by event.
  private struct Book {
    private(set) var verifier = RuleVerifier(numbers: PhoneBook(), clock: SystemZoneClock())
    private var position: UInt64 = 0

    mutating func add(_ event: DomainEvent, of stream: Identifier) {
      position += 1
      verifier.check(
        RecordedDomainEvent(
          position: position, org: org, orgSequence: position - 1, stream: stream, version: 1,
          recordedAtMicros: noonMicros,
          context: CommitContext(
            actor: "system:dispatcher", origin: "reactor", correlation: "test",
            occurredAtMicros: noonMicros),
          commitPosition: position, type: "", event: event))
    }

    mutating func add(_ events: [Message.Event], of message: Identifier = message) {
      for event in events { add(.message(event), of: message) }
    }

    mutating func add(_ event: Org.Event) { add(.org(event), of: org) }
    mutating func add(_ event: Wallet.Event) { add(.wallet(event), of: wallet) }
    mutating func add(_ event: Contact.Event) { add(.contact(event), of: contact) }
    mutating func add(_ event: Campaign.Event) { add(.campaign(event), of: campaign) }

    var rules: [String] { verifier.violations.map(\.rule) }
  }

  private static func planned(
    _ channel: Channel = .sms, _ purpose: Purpose = .marketing, campaign: Identifier? = nil
  ) -> Message.Event {
    .planned(
      MessagePlan(
        contact: contact, channel: channel, purpose: purpose, from: "+13125550100",
        content: .known(MessageContent(address: number, body: "Hi")), segmentCount: 1,
        encoding: "gsm7", campaign: campaign))
  }

  /// Of facts that the gate has nothing against.
  private static func verdict(
    _ channel: Channel = .sms, _ purpose: Purpose = .marketing
  ) -> Verdict {
    Gate.judge(
      GateFacts(
        nowMicros: noonMicros, channel: channel, purpose: purpose, hasAddress: true,
        accountStatus: "active", consent: .optedIn, consentPurpose: .marketing,
        isAddressOptedOut: false, isReply: false,
        zones: [ZoneTime(zone: "America/Chicago", minuteOfDay: 720, nextOpenMicros: noonMicros)],
        priceMicros: 1, walletAvailableMicros: 1))
  }

  private static let queued = Message.Event.queued(verdict: verdict(), priceMicros: 1)
  private static let dispatched = Message.Event.dispatched(attempt: 1, verdict: verdict())
  private static let no = Contact.Event.optedOut(
    OptOut(channel: .sms, method: .keyword, address: .known(number), scope: .seller))

  private static func listed(_ list: Suppression.List, _ channel: Channel = .sms) -> Org.Event {
    .suppressed(Suppression(list: list, channel: channel, source: "file", address: .known(number)))
  }

  private static func charge(_ id: String) -> Charge {
    Charge(amountMicros: 1, resourceType: "sms", resourceID: id, description: "")
  }

  @Test func `a sound book has nothing`() {
    var book = Book()
    book.add([Self.planned(), Self.queued, Self.dispatched, .sent(atMicros: 1)])
    book.add(Self.no)
    // News that comes late, of a message that went out before.
    book.add([.delivered(atMicros: 2), .failed(code: "30003", atMicros: 3)])
    #expect(book.rules == [] && book.verifier.intentCount == 2 && book.verifier.optOutCount == 1)
  }

  /// A text that a STOP has just ended is the one that must not go out: however it came to be handed out all the same.
  @Test(arguments: [
    Message.Event.skipped(reason: .revoked, verdict: verdict()), .cancelled(by: "user:usr_1"),
    .failed(code: "21610", atMicros: 1), .sent(atMicros: 1), .delivered(atMicros: 1),
  ])
  func `what had ended may not be handed out, nor what nobody planned`(ended: Message.Event) {
    var book = Book()
    book.add([Self.planned(), Self.queued])
    if case .skipped = ended { book.add(Self.no) }
    book.add([ended, Self.dispatched])
    #expect(book.rules == ["intent_not_planned"])
    book.add([Self.queued], of: Identifier(.message, 9))
    #expect(book.rules == ["intent_not_planned", "intent_not_planned"])
  }

  @Test(arguments: [
    (Suppression.List.suppression, Channel.sms, Purpose.transactional, "intent_to_suppressed"),
    (.suppression, .voice, .marketing, ""),
    (.doNotCall, .sms, .marketing, "intent_to_suppressed"),
    (.doNotCall, .voice, .marketing, "intent_to_suppressed"),
    (.doNotCall, .sms, .transactional, ""),
    (.reassignedNumber, .sms, .transactional, "intent_to_reassigned"),
    (.reassignedNumber, .voice, .marketing, "intent_to_reassigned"),
    (.landline, .sms, .transactional, "intent_to_landline"),
    (.landline, .voice, .transactional, ""),
  ])
  func `every list is kept, as far as it reaches`(
    list: Suppression.List, channel: Channel, purpose: Purpose, rule: String
  ) {
    var book = Book()
    book.add([Self.planned(channel, purpose)])
    book.add(Self.listed(list))
    book.add([.queued(verdict: Self.verdict(channel, purpose), priceMicros: 1)])
    #expect(book.rules == (rule.isEmpty ? [] : [rule]))
    book.add(
      .unsuppressed(
        Suppression(list: list, channel: .sms, source: "file", address: .known(Self.number))))
    book.add([.dispatched(attempt: 1, verdict: Self.verdict(channel, purpose))])
    #expect(book.rules == (rule.isEmpty ? [] : [rule]), "nothing once it is off the list")
  }

  @Test func `a no, a doubt and an erasure end what waits`() {
    for (event, rule) in [
      (Self.no, "intent_after_opt_out"),
      (.optOutSuspected(channel: .sms, message: Self.message), "intent_while_in_doubt"),
      (
        .erasureRequested(
          ErasureRequest(reason: .personAsked, by: "", atMicros: 1, addresses: .known([]))),
        "intent_to_erased"
      ),
    ] as [(Contact.Event, String)] {
      var book = Book()
      book.add([Self.planned(), Self.queued])
      book.add(event)
      book.add([Self.dispatched])
      #expect(book.rules == [rule])
    }
  }

  @Test func `nothing goes out while sending is stopped, nor ever what was stopped for good`() {
    var book = Book()
    book.add([Self.planned(), Self.queued])
    book.add(.sendingHalted(scope: .org, mode: .skip, reason: "", by: ""))
    book.add([Self.dispatched])
    #expect(book.rules == ["intent_while_halted", "intent_after_kill_switch"])
    book.add(.sendingResumed(scope: .org, by: ""))
    book.add([.retryScheduled(attempt: 1, code: "", notBeforeMicros: 0), Self.dispatched])
    #expect(book.rules.dropFirst(2) == ["intent_after_kill_switch"])
  }

  @Test func `a campaign that was stopped sends nothing, and every one adds up`() {
    var book = Book()
    book.add(.launched(filter: .all([]), plannedCount: 2))
    book.add([Self.planned(campaign: Self.campaign), Self.queued])
    book.add(.paused(by: ""))
    book.add([Self.dispatched, .sent(atMicros: 1), .delivered(atMicros: 1)])
    #expect(book.rules == ["intent_of_stopped_campaign"])
    book.add(
      .completed(
        CampaignOutcome(sentCount: 2, failedCount: 0, skippedCount: 0, cancelledCount: 0)))
    #expect(book.rules.last == "campaign_not_conserved", "one of two went out")
  }

  @Test func `a verdict must allow it, and follow from its facts`() {
    var book = Book()
    var verdict = Self.verdict()
    verdict.facts.hasAddress = false
    book.add([Self.planned(), .queued(verdict: verdict, priceMicros: 1)])
    #expect(book.rules == ["verdict_wrong"])
    book.add([.dispatched(attempt: 1, verdict: Gate.judge(verdict.facts))])
    #expect(book.rules.dropFirst() == ["verdict_missing", "verdict_wrong"])
  }

  @Test func `a wallet is never below zero, and nothing is charged twice`() {
    var book = Book()
    book.add(.funded(amountMicros: 2, paymentID: "p", method: "card"))
    book.add(.debited(Self.charge("SM1")))
    book.add(.debited(Self.charge("SM1")))
    #expect(book.rules == ["charged_twice"])
    book.add(.refunded(message: Self.message, charge: Self.charge("SM1")))
    book.add(.debited(Self.charge("SM1")))
    #expect(book.rules == ["charged_twice"], "what was given back may be charged anew")
    book.add(.debited(Self.charge("SM2")))
    #expect(book.rules.dropFirst() == ["wallet_negative"])
    book.add(.released(message: Self.message, amountMicros: 1))
    #expect(book.rules.contains("wallet_not_conserved"))
  }

  /// Goal: memory does not grow with what went out.
  @Test func `a message that is over is forgotten`() {
    var book = Book()
    var mostCount = 0
    for number in 0..<1_000 {
      book.add(
        [Self.planned(), Self.queued, Self.dispatched, .sent(atMicros: 1)],
        of: Identifier(.message, UInt128(number)))
      mostCount = max(mostCount, book.verifier.openMessageCount)
    }
    #expect(mostCount == 0)
    book.add([Self.planned(), Self.queued])
    #expect(book.verifier.openMessageCount == 1)
    #expect(book.rules == [])
  }
}
