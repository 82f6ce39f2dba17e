import Domain
import EventCodec
import EventLog
import JSON
import Synchronization
import Testing

@testable import Application

/// A provider that lists what it is told to.
private final class ToldInbox: MessageProvider {
  struct State {
    /// By our number.
    var texts: [String: [ListedText]] = [:]
    var pageSize = 100
    /// Why a page is not listed, by its first text's place.
    var pageErrors: [Int: ProviderError] = [:]
    var mediaError: ProviderError?
    /// Whether no question is answered at all.
    var isHanging = false
    var pageCount = 0
    var mediaCount = 0
  }

  private let state = Mutex(State())
  var name: String { SMSCredentials.provider }
  var channels: Set<Channel> { [.sms, .voice] }

  var pageCount: Int { state.withLock { $0.pageCount } }
  var mediaCount: Int { state.withLock { $0.mediaCount } }

  func change(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  func list(
    _ body: String, from: String, to number: String, id: String? = nil, hasMedia: Bool = false,
    atMicros: Micros
  ) {
    state.withLock {
      $0.texts[number, default: []].append(
        ListedText(
          text: InboundText(
            from: from, to: number, body: body, providerID: id ?? "SM-\(body)", segmentCount: 1),
          hasMedia: hasMedia, atMicros: atMicros))
    }
  }

  func send(_ request: OutboundMessage) async -> SendOutcome { .accepted(providerID: "SM1") }

  func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] { [] }

  func received(
    at number: String, by credentials: SMSCredentials, page: String?
  ) async throws(ProviderError) -> ListedTexts {
    let start = page.flatMap { Int($0) } ?? 0
    let (texts, size, error, isHanging) = state.withLock { state in
      state.pageCount += 1
      return (
        state.texts[number] ?? [], state.pageSize, state.pageErrors[start], state.isHanging
      )
    }
    while isHanging, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
    if let error { throw error }
    let newestFirst = texts.sorted { $0.atMicros > $1.atMicros }
    let end = min(start + size, texts.count)
    return ListedTexts(
      texts: Array(newestFirst[min(start, end)..<end]),
      nextPage: end < texts.count ? String(end) : nil)
  }

  func media(
    of text: ListedText, by credentials: SMSCredentials
  ) async throws(ProviderError) -> [String] {
    let error = state.withLock { state in
      state.mediaCount += 1
      return state.mediaError
    }
    if let error { throw error }
    return ["https://media/\(text.text.providerID)"]
  }
}

extension HouseTests {
  /// Texts that a provider could not bring, as they are found on its list.
  @Suite(.serialized) struct TextLookTests {
    private static let phone = "+12125550123"
    private static let otherPhone = "+12125550124"
    private static let newNumber = "+12125550155"

    private let inbox = ToldInbox()

    /// As after a start of the process: all that it knows is on disk.
    private func look(at org: TestOrg) throws -> TextLook {
      var settings = settings
      settings.webhookGraceMillis = 0
      return TextLook(
        executor: try org.executor, providers: MessageProviders([inbox]), settings: settings,
        cursor: cursor(of: org), report: { _ in })
    }

    private var settings: ReactorSettings {
      ReactorSettings(
        links: OutboundLinks(publicURL: "http://127.0.0.1:1", tokens: LinkTokens(secret: [1])))
    }

    private func cursor(of org: TestOrg) -> CursorFile {
      CursorFile(directory: org.house.cursorDirectory, name: "texts-test")
    }

    private func with(
      log: (any EventLogWriter)? = nil, _ body: (House, TestOrg) async throws -> Void
    ) async throws {
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        house.clock.advance(byMicros: Moment.minuteMicros)
        try await body(house, org)
      }
    }

    /// What came, in the order in which it is on record.
    private func received(_ org: TestOrg) throws -> [InboundMessage] {
      try org.events.compactMap {
        if case .message(.received(let inbound)) = $0.event { inbound } else { nil }
      }
    }

    private func words(_ org: TestOrg) throws -> [String] {
      try received(org).compactMap(\.content.value?.body)
    }

    private func state(_ contact: Identifier, _ org: TestOrg) throws -> Contact.State {
      try org.house.engine.contact(contact, of: org.id).snapshot.state
    }

    private func configure(_ number: String, _ org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        guard var settings = workspace.settings.sms else { return }
        settings.from = number
        try workspace.configureSMS(settings)
      }
    }

    // MARK: Yes and no

    enum LaterNo: CaseIterable {
      case stop, secondStop, perhaps, staff, call, mail
    }

    @Test(arguments: LaterNo.allCases)
    func `a yes that is found late takes back no no that came after it`(no: LaterNo)
      async throws
    {
      try await with { house, org in
        let contact = try await org.contact(Self.phone)
        try await org.perform { workspace throws(CommandError) in
          try workspace.updateContact(
            contact, [FieldChange(field: "email", value: .text("ann@example.com"))])
        }
        if no == .secondStop { try await org.receive("STOP", from: Self.phone, id: "SM-first") }
        house.clock.advance(byMicros: Moment.hourMicros)
        inbox.list(
          "START", from: Self.phone, to: org.number, atMicros: house.clock.nowMicros())
        house.clock.advance(byMicros: 3 * Moment.minuteMicros)
        switch no {
        case .stop, .secondStop: try await org.receive("STOP", from: Self.phone)
        case .perhaps: try await org.receive("I said leave me alone or else", from: Self.phone)
        case .staff:
          try await org.perform { workspace throws(CommandError) in
            try workspace.recordOptOut(contact, channel: .sms, method: .staff)
          }
        case .call:
          try await org.perform { workspace throws(CommandError) in
            try workspace.endCalls(to: Self.phone)
          }
        case .mail:
          try await org.perform { workspace throws(CommandError) in
            try workspace.receive(
              InboundEmail(
                from: "ann@example.com", to: "hi@acme.example", subject: "Hi", text: "STOP",
                providerID: "<1>", references: []))
          }
        }
        house.clock.advance(byMicros: 2 * Moment.minuteMicros)
        let before = try org.events.count { $0.type == "contact.opted_in" }
        try await look(at: org).look()
        #expect(try words(org).last == "START")
        #expect(try received(org).last?.keyword == nil)
        #expect(try org.events.count { $0.type == "contact.opted_in" } == before)
        #expect(try !(await org.send("Sale", to: contact, .marketing).verdict.isAllowed))
        // What they say from here on counts.
        house.clock.advance(byMicros: 10 * Moment.minuteMicros)
        let atMicros = house.clock.nowMicros() - 1_000_000
        inbox.list(
          "START", from: Self.phone, to: org.number, id: "SM2", atMicros: atMicros)
        try await look(at: org).look()
        #expect(
          try state(contact, org).consents[.sms]
            == .optedIn(purpose: .marketing, atMicros: atMicros))
        try await Invariants.check(org)
        try await ReplayProof.check(org)
        try SnapshotProof.check(house.log, org.id)
      }
    }

    /// They are on two pages, and the newer one comes first.
    @Test func `a yes after a no is the last word, though the no is found later`() async throws {
      try await with { house, org in
        let contact = try await org.contact(Self.phone)
        inbox.change { $0.pageSize = 1 }
        inbox.list("STOP", from: Self.phone, to: org.number, atMicros: house.clock.nowMicros())
        house.clock.advance(byMicros: 10_000_000)
        inbox.list("START", from: Self.phone, to: org.number, atMicros: house.clock.nowMicros())
        house.clock.advance(byMicros: Moment.hourMicros)
        try await look(at: org).look()
        #expect(try words(org) == ["STOP", "START"])
        #expect(try await org.send("Sale", to: contact, .marketing).verdict.isAllowed)
        try await ReplayProof.check(org)
      }
    }

    @Test func `what was written to us long ago is not answered at night`() async throws {
      let nightMicros = Moment.openMicros - 12 * Moment.hourMicros
      try await House.with(at: nightMicros, log: nil, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        inbox.list("Hello", from: Self.phone, to: org.number, atMicros: house.clock.nowMicros())
        house.clock.advance(byMicros: 3 * Moment.dayMicros)
        try await look(at: org).look()
        #expect(try words(org) == ["Hello"])
        #expect(try org.message(try await org.send("Hi", to: contact).id).status == .held)
      }
    }

    // MARK: How far it got

    @Test func `a text that could not be recorded is looked for until it is`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await with(log: log) { house, org in
        let contact = try await org.contact(Self.phone)
        let atMicros = house.clock.nowMicros()
        inbox.list("STOP", from: Self.phone, to: org.number, atMicros: atMicros)
        inbox.list("Hello", from: Self.otherPhone, to: org.number, atMicros: atMicros + 1)
        house.clock.advance(byMicros: Moment.minuteMicros)
        let look = try look(at: org)
        for _ in 0..<3 {
          log.refuseReactors(2, with: .readOnly(reason: "no space"))
          await look.look()
          #expect(try words(org).isEmpty)
          house.clock.advance(byMicros: Moment.hourMicros)
        }
        await look.look()
        #expect(Set(try words(org)) == ["STOP", "Hello"])
        #expect(try state(contact, org).consents[.sms] == .optedOut)
      }
    }

    @Test func `how far the look got is known to the next process`() async throws {
      try await with { house, org in
        _ = try await org.contact(Self.phone)
        try await look(at: org).look()
        house.clock.advance(byMicros: Moment.minuteMicros)
        inbox.list("STOP", from: Self.phone, to: org.number, atMicros: house.clock.nowMicros())
        // Days of starts at which the provider cannot be asked, while others go on.
        inbox.change { $0.pageErrors[0] = .unreachable(reason: "x") }
        for number in 0..<4 {
          house.clock.advance(byMicros: Moment.dayMicros)
          try await look(at: org).look()
          _ = try await org.contact("+1212555016\(number)")
        }
        inbox.change { $0.pageErrors = [:] }
        try await look(at: org).look()
        #expect(try words(org) == ["STOP"])
        // What is on record is not asked for page by page at the next start.
        inbox.change { $0.pageSize = 1 }
        for number in 0..<20 {
          inbox.list(
            "\(number)", from: Self.phone, to: org.number,
            atMicros: house.clock.nowMicros() + Int64(number))
        }
        house.clock.advance(byMicros: Moment.minuteMicros)
        try await look(at: org).look()
        house.clock.advance(byMicros: 2 * Moment.hourMicros)
        try await look(at: org).look()
        let pageCount = inbox.pageCount
        try await look(at: org).look()
        #expect(inbox.pageCount == pageCount + 1)
        #expect(try words(org).count == 21)
      }
    }

    @Test func `what a clock that was ahead has written hides nothing`() async throws {
      try await with { house, org in
        house.clock.advance(byMicros: 10 * Moment.dayMicros)
        try await look(at: org).look()
        house.clock.advance(byMicros: -9 * Moment.dayMicros)
        inbox.list("STOP", from: Self.phone, to: org.number, atMicros: house.clock.nowMicros())
        house.clock.advance(byMicros: Moment.minuteMicros)
        try await look(at: org).look()
        #expect(try words(org) == ["STOP"])
      }
    }

    // MARK: Numbers

    @Test func `a no to yesterday's number counts`() async throws {
      try await with { house, org in
        let contact = try await org.contact(Self.phone)
        inbox.list(
          "Thanks", from: Self.phone, to: org.number, atMicros: house.clock.nowMicros())
        house.clock.advance(byMicros: Moment.minuteMicros)
        try await configure(Self.newNumber, org)
        house.clock.advance(byMicros: Moment.minuteMicros)
        let atMicros = house.clock.nowMicros()
        inbox.list("STOP", from: Self.phone, to: org.number, atMicros: atMicros)
        // By now the number may be somebody else's.
        inbox.list("Hello", from: Self.phone, to: org.number, atMicros: atMicros)
        inbox.list(
          "STOP", from: Self.otherPhone, to: org.number, id: "SM9", atMicros: atMicros)
        house.clock.advance(byMicros: Moment.dayMicros)
        try await look(at: org).look()
        #expect(Set(try words(org)) == ["Thanks", "STOP"])
        #expect(try state(contact, org).consents[.sms] == .optedOut)
        #expect(try org.events.count { $0.type == "contact.created" } == 1)
        // A provider that was forgotten is asked nothing more.
        try await org.perform { workspace throws(CommandError) in
          try workspace.removeProvider(.sms, isForgotten: true)
        }
        let pageCount = inbox.pageCount
        try await look(at: org).look()
        #expect(inbox.pageCount == pageCount)
        try await ReplayProof.check(org)
        try SnapshotProof.check(house.log, org.id)
      }
    }

    @Test func `a number that comes back has what came to it before`() async throws {
      try await with { house, org in
        let startMicros = house.clock.nowMicros()
        inbox.list("Mine", from: Self.phone, to: org.number, atMicros: startMicros)
        inbox.list(
          "Earlier", from: Self.phone, to: org.number, atMicros: startMicros - Moment.dayMicros)
        house.clock.advance(byMicros: Moment.minuteMicros)
        try await configure(Self.newNumber, org)
        house.clock.advance(byMicros: Moment.minuteMicros)
        inbox.list(
          "Theirs", from: Self.phone, to: org.number, atMicros: house.clock.nowMicros())
        house.clock.advance(byMicros: Moment.minuteMicros)
        try await configure(org.number, org)
        try await look(at: org).look()
        #expect(try words(org) == ["Mine"])
      }
    }

    // MARK: Pages and pictures

    @Test func `what a page says counts whatever becomes of the next`() async throws {
      try await with { house, org in
        let contact = try await org.contact(Self.phone)
        inbox.change { state in
          state.pageSize = 2
          state.pageErrors[2] = .unauthorized
        }
        let atMicros = house.clock.nowMicros()
        inbox.list("Hello", from: Self.otherPhone, to: org.number, atMicros: atMicros - 2_000_000)
        inbox.list("STOP", from: Self.phone, to: org.number, atMicros: atMicros)
        inbox.list("START", from: Self.otherPhone, to: org.number, atMicros: atMicros)
        house.clock.advance(byMicros: Moment.minuteMicros)
        let look = try look(at: org)
        await look.look()
        // A yes waits for what came before it.
        #expect(try words(org) == ["STOP"])
        #expect(try state(contact, org).consents[.sms] == .optedOut)
        house.clock.advance(byMicros: Moment.dayMicros)
        inbox.change { $0.pageErrors = [:] }
        await look.look()
        #expect(try words(org) == ["STOP", "Hello", "START"])
      }
    }

    @Test func `pictures are asked for once, and keep no no waiting`() async throws {
      try await with { house, org in
        let contact = try await org.contact(Self.phone)
        let atMicros = house.clock.nowMicros()
        inbox.list(
          "STOP", from: Self.phone, to: org.number, hasMedia: true, atMicros: atMicros)
        for number in 0..<5 {
          inbox.list(
            "Look \(number)", from: Self.otherPhone, to: org.number, hasMedia: true,
            atMicros: atMicros + Int64(number))
        }
        house.clock.advance(byMicros: Moment.minuteMicros)
        inbox.change { $0.mediaError = .throttled(retryAfterMillis: nil) }
        try await look(at: org).look()
        #expect(try words(org) == ["STOP"])
        #expect(try state(contact, org).consents[.sms] == .optedOut)
        #expect(inbox.mediaCount == 1)
        house.clock.advance(byMicros: Moment.dayMicros)
        inbox.change { $0.mediaError = nil }
        try await look(at: org).look()
        #expect(try words(org).count == 6)
        #expect(try received(org).last?.content.value?.media == ["https://media/SM-Look 4"])
        #expect(inbox.mediaCount == 6)
        try await look(at: org).look()
        try cursor(of: org).remove()
        try await look(at: org).look()
        #expect(inbox.mediaCount == 6)
        #expect(try words(org).count == 6)
      }
    }

    @Test func `pictures that never come keep their words back for some looks only`()
      async throws
    {
      try await with { house, org in
        inbox.list(
          "Look", from: Self.phone, to: org.number, hasMedia: true,
          atMicros: house.clock.nowMicros())
        inbox.change { $0.mediaError = .failed(status: 500, code: "x") }
        let look = try look(at: org)
        for _ in 0..<8 {
          #expect(try words(org).isEmpty)
          house.clock.advance(byMicros: Moment.minuteMicros)
          await look.look()
        }
        #expect(try words(org) == ["Look"])
      }
    }

    @Test func `a provider that does not come to an end keeps nothing back for long`()
      async throws
    {
      try await with { house, org in
        inbox.change { $0.isHanging = true }
        let text = try await org.send("Hello", to: try await org.contact(Self.phone)).id
        var settings = settings
        settings.firstLookMillis = 1
        let reactor = OrgReactor(
          executor: try org.executor, providers: MessageProviders([inbox]), log: house.log,
          settings: settings, desk: RateDesk(rates: RateTable()), restored: nil,
          texts: cursor(of: org), report: { _ in })
        let running = Task { await reactor.run() }
        let result: Result<Void, any Error>
        do {
          result = .success(try await org.waitFor(text, .accepted))
        } catch {
          result = .failure(error)
        }
        running.cancel()
        await running.value
        try result.get()
      }
    }

    // MARK: By the sandbox

    /// A house at an hour at which texts may go out, by whose clock the sandbox lists what came.
    private func withCommonClock(
      _ body: (House, TestOrg) async throws -> Void
    ) async throws {
      let weekMicros = 7 * Moment.dayMicros
      let nowMicros = SystemClock().nowMicros()
      let weeks = max(0, (nowMicros - Moment.openMicros) / weekMicros + 1)
      let startMicros = Moment.openMicros + weeks * weekMicros
      try await House.with(
        at: startMicros, log: nil, settings: { $0.webhookGraceMillis = 0 }, isRunning: false
      ) { house in
        let org = try await house.org()
        // What comes from here on comes after the number was set up, and before the next start.
        let aheadMillis = (house.clock.nowMicros() - SystemClock().nowMicros()) / 1_000
        _ = try await house.control(
          "POST", "/sandbox/clock", ["advance_ms": .int(aheadMillis + 2_000)])
        house.clock.advance(byMicros: 10_000_000)
        try await body(house, org)
      }
    }

    @Test func `a no that came while nobody was there is heeded before anything goes out`()
      async throws
    {
      try await withCommonClock { house, org in
        let contact = try await org.contact(Self.phone)
        let message = try await org.send("Hello", to: contact).id
        #expect(try org.message(message).status == .queued)
        await house.stop()
        _ = try await house.control("POST", "/sandbox/pause-callbacks")
        try await org.text("please remove me", from: Self.phone)
        try house.start()
        try await org.waitFor(message, .skipped)
        #expect(try org.message(message).reason == .revoked)
        #expect(try await house.received(by: Self.phone).isEmpty)
        // Its webhook, when it comes at last, says nothing new.
        func texts() throws -> Int { try org.events.count { $0.type == "message.received" } }
        #expect(try texts() == 1)
        _ = try await house.control("POST", "/sandbox/pause-callbacks", ["paused": false])
        try await org.text("Really", from: Self.otherPhone)
        try await wait("the webhooks") { try await house.stat("callbacks_pending") == 0 }
        #expect(try texts() == 2)
        try await Invariants.check(org)
      }
    }

    @Test func `what came to a number before it was set up is not taken in`() async throws {
      try await withCommonClock { house, org in
        _ = try await house.control("POST", "/sandbox/pause-callbacks")
        try await org.text("please remove me", from: Self.phone)
        let today = try #require(
          try await org.perform { workspace throws(CommandError) in workspace.settings.sms }.output
            ?? nil)
        try await org.perform { workspace throws(CommandError) in
          try workspace.removeProvider(.sms, isForgotten: true)
        }
        house.clock.advance(byMicros: Moment.minuteMicros)
        try await org.perform { workspace throws(CommandError) in
          try workspace.configureSMS(today)
        }
        try await house.restart()
        let message = try await org.send("Hello", to: try await org.contact(Self.phone)).id
        try await wait("it is handed out") { try org.dispatchedCount() == 1 }
        #expect(try !org.events.contains { $0.type == "message.received" })
        #expect(try org.message(message).status != .skipped)
      }
    }
  }
}
