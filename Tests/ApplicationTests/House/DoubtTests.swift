import Application
import Domain
import EventCodec
import EventLog
import JSON
import Sandbox
import Synchronization
import Testing

@testable import Application

/// A provider that answers calls and questions as it is told.
final class ToldProvider: MessageProvider {
  struct State {
    var outcome = SendOutcome.inDoubt(reason: "lost")
    /// What becomes of a question; nil: it is answered by `listed`.
    var error: ProviderError?
    var listed: [ProviderMessage] = []
    var provesAbsence = true
    var sent: [OutboundMessage] = []
    var questionCount = 0
  }

  private let state: Mutex<State>
  let name: String
  let channels: Set<Channel>

  init(_ name: String = SMSCredentials.provider, _ channels: Set<Channel> = [.sms, .voice]) {
    self.name = name
    self.channels = channels
    state = Mutex(State())
  }

  var sentBodies: [String] {
    state.withLock {
      $0.sent.compactMap { if case .sms(let sms) = $0 { sms.body } else { nil } }
    }
  }
  var sentCount: Int { state.withLock { $0.sent.count } }
  var questionCount: Int { state.withLock { $0.questionCount } }

  func change(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  /// It took a message at this moment. `to` nil: one that looks like any that it is asked about.
  func list(
    _ id: String, _ status: ProviderStatus.Kind = .sent, to: String? = nil,
    call: CallResult? = nil, atMicros: Micros = .max
  ) {
    state.withLock {
      $0.listed.append(
        ProviderMessage(
          providerID: id, from: "", to: to ?? "", body: "", status: status, errorCode: nil,
          call: call,
          createdAtMicros: atMicros))
    }
  }

  func send(_ request: OutboundMessage) async -> SendOutcome {
    state.withLock {
      $0.sent.append(request)
      return $0.outcome
    }
  }

  func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] {
    let (error, listed) = state.withLock { state in
      state.questionCount += 1
      return (state.error, state.listed)
    }
    if let error { throw error }
    let to =
      switch message {
      case .sms(let sms): sms.to
      case .call(let call): call.to
      case .email(let email): email.to
      }
    return listed.filter {
      $0.createdAtMicros >= sinceMicros && ($0.to.isEmpty || $0.to == to)
    }
  }

  func provesAbsence(
    of message: OutboundMessage, handedOverAtMicros: Micros
  ) async throws(ProviderError) -> Bool { state.withLock { $0.provesAbsence } }
}

extension HouseTests {
  /// Calls to a provider whose answer nobody knows, and messages that it took and never speaks of.
  @Suite(.serialized) struct DoubtTests {
    private static let phone = "+12125550123"
    private static let otherPhone = "+12125550124"

    private func reactor(
      _ org: TestOrg, _ providers: [any MessageProvider], restored: RestoreRecord? = nil
    ) throws -> OrgReactor {
      var settings = ReactorSettings(
        links: OutboundLinks(publicURL: "http://127.0.0.1:1", tokens: LinkTokens(secret: [1])))
      settings.doubtGraceMillis = 0
      return OrgReactor(
        executor: try org.executor, providers: MessageProviders(providers), log: org.house.log,
        settings: settings, desk: RateDesk(rates: RateTable()), restored: restored,
        texts: CursorFile(directory: org.house.cursorDirectory, name: "texts"), report: { _ in })
    }

    private func with(
      _ providers: ToldProvider..., body: (House, TestOrg, OrgReactor) async throws -> Void
    ) async throws {
      try await House.with(log: nil, isRunning: false) { house in
        let org = try await house.org()
        try await body(house, org, try reactor(org, providers))
      }
    }

    private func running(
      _ reactor: OrgReactor, _ body: () async throws -> Void
    ) async throws {
      let running = Task { await reactor.run() }
      let result: Result<Void, any Error>
      do {
        result = .success(try await body())
      } catch {
        result = .failure(error)
      }
      running.cancel()
      await running.value
      try result.get()
    }

    /// On record as handed over; nobody makes the call.
    private func dispatch(_ messages: [Identifier], in org: TestOrg) async throws {
      let dispatched = try await org.perform { workspace throws(CommandError) in
        try workspace.dispatch(messages)
      }.output
      #expect(dispatched == messages)
    }

    private func setUpMail(in org: TestOrg, key: String = "k", isSameAccount: Bool = false)
      async throws
    {
      try await org.perform { workspace throws(CommandError) in
        try workspace.configureProvider(
          ProviderSettings(
            service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:1",
            options: ["from": "hi@acme.example"], secrets: .known(["api_key": key])),
          isSameAccount: isSameAccount)
      }
    }

    private func mail(to contact: Identifier, in org: TestOrg) async throws -> Identifier {
      let planned = try await org.perform { workspace throws(CommandError) in
        try workspace.updateContact(
          contact, [FieldChange(field: "email", value: .text("ann@example.com"))])
        var request = MessageRequest(
          contact: contact, body: "Mail", purpose: .transactional, channel: .email)
        request.subject = "Mail"
        return try workspace.planMessage(request)
      }
      return try #require(planned.output).id
    }

    private func call(
      _ contact: Identifier, saying body: String, in org: TestOrg
    ) async throws -> Identifier {
      let planned = try await org.perform { workspace throws(CommandError) in
        var request = MessageRequest(
          contact: contact, body: body, purpose: .transactional, channel: .voice)
        request.voice = VoicePlan(maxMinutes: 10, isRecorded: false, isVoicemailDrop: false)
        return try workspace.planMessage(request)
      }
      return try #require(planned.output).id
    }

    // MARK: Providers that do not answer

    @Test(arguments: [ProviderError.unauthorized, .throttled(retryAfterMillis: nil)])
    func `a provider that answers no question keeps no other one's messages open`(
      error: ProviderError
    ) async throws {
      let post = ToldProvider("sendgrid", [.email])
      post.change { $0.error = error }
      let texts = ToldProvider()
      texts.list("SM2")
      try await with(post, texts) { house, org, reactor in
        let contact = try await org.contact(Self.phone)
        try await setUpMail(in: org)
        let mail = try await mail(to: contact, in: org)
        let silent = try await org.send("Silent", to: contact).id
        let text = try await org.send("Hello", to: contact).id
        try await dispatch([mail, silent, text], in: org)
        try await org.news(.accepted, of: silent, id: "SM1")
        try await running(reactor) {
          try await org.waitFor(text, .sent)
          try await wait("the mail was asked about") { post.questionCount > 0 }
          #expect(try org.message(mail).status == .dispatched)
          try house.advance(byMicros: 73 * Moment.hourMicros)
          try await org.waitFor(silent, .failed)
          try await org.waitFor(mail, .failed)
        }
        #expect(try org.message(silent).errorCode == "no_receipt")
        #expect(try org.message(mail).errorCode == "no_answer")
        #expect(post.sentCount == 0)
        #expect(try org.wallet.holds.isEmpty)
        try await Invariants.check(org)
      }
    }

    /// It was off, say, and so is the network for a moment.
    @Test func `the first failure to connect after days ends nothing`() async throws {
      let texts = ToldProvider()
      texts.change { $0.error = .unreachable(reason: "x") }
      try await with(texts) { house, org, reactor in
        let text = try await org.send("Hello", to: try await org.contact(Self.phone)).id
        try await dispatch([text], in: org)
        house.clock.advance(byMicros: 100 * Moment.hourMicros)
        try await running(reactor) {
          try await wait("it was asked about") { texts.questionCount > 0 }
          try await reactor.settle(text)
          #expect(try org.message(text).status == .dispatched)
          texts.change { $0.error = nil }
          texts.list("SM1")
          try await org.waitFor(text, .sent)
        }
      }
    }

    @Test func `what was taken by a provider that was forgotten is closed`() async throws {
      let texts = ToldProvider()
      try await with(texts) { house, org, reactor in
        let text = try await org.send("Hello", to: try await org.contact(Self.phone)).id
        try await dispatch([text], in: org)
        try await org.news(.accepted, of: text, id: "SM1")
        try await org.perform { workspace throws(CommandError) in
          try workspace.removeProvider(.sms, isForgotten: true)
        }
        try await running(reactor) {
          try house.advance(byMicros: 2 * Moment.hourMicros)
          try await wait("it is to be asked about") { await reactor.silent[text] != nil }
          #expect(try org.message(text).status == .accepted)
          try house.advance(byMicros: 72 * Moment.hourMicros)
          try await org.waitFor(text, .failed)
        }
        #expect(try org.message(text).errorCode == "no_receipt")
        #expect(try org.wallet.holds.isEmpty)
      }
    }

    @Test func `a list that shows nothing at all proves nothing`() async throws {
      let post = ToldProvider("sendgrid", [.email])
      post.change { $0.provesAbsence = false }
      try await with(post) { house, org, reactor in
        let contact = try await org.contact(Self.phone)
        try await setUpMail(in: org)
        let mail = try await mail(to: contact, in: org)
        try await running(reactor) { try await org.waitFor(mail, .failed) }
        #expect(try org.message(mail).errorCode == "not_listed")
        #expect(post.sentCount == 1)
        #expect(try org.wallet.holds.isEmpty)
      }
    }

    @Test func `a clock that is ahead of the provider's hides nothing`() async throws {
      let texts = ToldProvider()
      try await with(texts) { house, org, reactor in
        let text = try await org.send("Hello", to: try await org.contact(Self.phone)).id
        texts.list("SM1", atMicros: house.clock.nowMicros() - 30_000_000)
        try await running(reactor) { try await org.waitFor(text, .sent) }
        #expect(texts.sentCount == 1)
      }
    }

    /// A campaign's callbacks did not come, say, and the provider answers so many questions only.
    @Test func `a provider that asks for patience is not asked about one after the other`()
      async throws
    {
      let log = FaultyLog(MemoryEventLog { Moment.openMicros })
      let texts = ToldProvider()
      texts.change { $0.error = .throttled(retryAfterMillis: nil) }
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        var messages: [Identifier] = []
        for number in 100..<200 {
          let contact = try await org.contact("+12125550\(number)")
          messages.append(try await org.send("Hello", to: contact).id)
        }
        try await dispatch(messages, in: org)
        let silent = messages.prefix(50)
        for message in silent { try await org.news(.accepted, of: message, id: "\(message)") }
        house.clock.advance(byMicros: 2 * Moment.hourMicros)
        let reactor = try reactor(org, [texts])
        // Who is in doubt is known by now, and when that ends.
        _ = await reactor.settleDoubts()
        let questionCount = texts.questionCount
        let readCount = log.readCount
        for _ in 0..<3 { _ = await reactor.settleDoubts() }
        #expect(texts.questionCount - questionCount <= 3 * 17)
        #expect(log.readCount - readCount < 3 * 17 * 5)
        // The end comes all the same.
        house.clock.advance(byMicros: 73 * Moment.hourMicros)
        _ = await reactor.settleDoubts()
        for message in messages { #expect(try org.message(message).status == .failed) }
      }
    }

    // MARK: What a list cannot tell apart

    @Test func `a second call to a number waits for the answer about the first`() async throws {
      let calls = ToldProvider()
      calls.change { $0.error = .unreachable(reason: "x") }
      try await with(calls) { house, org, reactor in
        let contact = try await org.contact(Self.phone)
        let first = try await call(contact, saying: "Your table is ready", in: org)
        let second = try await call(contact, saying: "Your bill", in: org)
        let other = try await call(
          try await org.contact(Self.otherPhone), saying: "Your bill", in: org)
        try await running(reactor) {
          try await org.waitFor(first, .unknown)
          try house.advance(byMicros: 10 * Moment.minuteMicros)
          // The circuit is open for all; the other number's turn comes.
          try await org.waitFor(other, .unknown)
          #expect(try org.message(second).status == .queued)
          calls.list(
            "CA1", .accepted, to: Self.phone,
            call: CallResult(outcome: .answered, durationSeconds: 5))
          calls.change { state in
            state.outcome = .accepted(providerID: "CA2")
            state.error = nil
          }
          try await org.waitFor(first, .delivered)
          try await wait("the second is called") {
            try house.advance(byMicros: Moment.minuteMicros)
            return try org.message(second).providerID == "CA2"
          }
        }
        #expect(try org.message(first).providerID == "CA1")
      }
    }

    @Test func `of two calls in doubt of which one was placed neither is placed again`()
      async throws
    {
      let calls = ToldProvider()
      calls.list("CA1", .accepted)
      try await with(calls) { house, org, reactor in
        let contact = try await org.contact(Self.phone)
        let first = try await call(contact, saying: "Your table is ready", in: org)
        let second = try await call(contact, saying: "Your bill", in: org)
        try await dispatch([first, second], in: org)
        try await running(reactor) {
          try await wait("both were asked about") { calls.questionCount >= 2 }
          #expect(try org.message(first).providerID == nil)
          #expect(try org.message(second).providerID == nil)
          try house.advance(byMicros: 73 * Moment.hourMicros)
          try await wait("both end") {
            try [first, second].allSatisfy { try org.message($0).status != .dispatched }
          }
        }
        // Once the one is given up, the other must be meant, as far as anybody knows.
        let ended = try [first, second].map { try org.message($0) }
        #expect(ended.count { $0.errorCode == "no_answer" } == 1)
        #expect(ended.count { $0.providerID == "CA1" } == 1)
        #expect(calls.sentCount == 0)
      }
    }

    @Test func `of two calls in doubt that were both placed each has one`() async throws {
      let calls = ToldProvider()
      calls.list("CA2", .accepted)
      calls.list("CA1", .accepted)
      try await with(calls) { house, org, reactor in
        let contact = try await org.contact(Self.phone)
        let first = try await call(contact, saying: "Your table is ready", in: org)
        let second = try await call(contact, saying: "Your bill", in: org)
        try await dispatch([first, second], in: org)
        try await running(reactor) {
          try await org.waitFor(first, .accepted)
          try await org.waitFor(second, .accepted)
        }
        let ids = try [first, second].map { try org.message($0).providerID }
        #expect(Set(ids) == ["CA1", "CA2"])
        #expect(calls.sentCount == 0)
      }
    }

    @Test func `a picture message is not taken for another one with the same words`()
      async throws
    {
      let texts = ToldProvider()
      texts.list("MM1")
      try await with(texts) { house, org, reactor in
        let contact = try await org.contact(Self.phone)
        let planned = try await org.perform { workspace throws(CommandError) in
          var planned: [Identifier] = []
          for name in ["a", "b"] {
            var request = MessageRequest(contact: contact, body: "", purpose: .transactional)
            request.media = ["https://acme.example/\(name).png"]
            planned.append(try workspace.planMessage(request).id)
          }
          return planned
        }
        let messages = try #require(planned.output)
        try await dispatch(messages, in: org)
        try await running(reactor) {
          try await wait("both were asked about") { texts.questionCount >= 2 }
        }
        for message in messages { #expect(try org.message(message).providerID == nil) }
      }
    }

    // MARK: Another account

    @Test func `another account does not take over while something waits for the former one`()
      async throws
    {
      let closing = Moment.openMicros + 6 * Moment.hourMicros
      try await House.with(at: closing, isRunning: false) { house in
        let org = try await house.org()
        let held = try await org.send("Hello", to: try await org.contact(Self.phone)).id
        #expect(try org.message(held).status == .held)
        func configure(
          _ account: String, from: String, isSame: Bool = false
        ) async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.configureSMS(
              SMSSettings(
                from: from, accountSID: account, baseURL: house.sandbox.url,
                authToken: .known("t")), isSameAccount: isSame)
          }
        }
        await #expect(throws: CommandError.providerInUse(.sms)) {
          try await configure("AC9", from: "+12125550199")
        }
        // The number moved, or somebody mends a wrong account.
        try await configure("AC9", from: org.number)
        try await configure("AC9", from: "+12125550199")
        try await configure("AC8", from: "+12125550198", isSame: true)
        try await org.perform { workspace throws(CommandError) in
          try workspace.cancelMessage(held)
        }
        try await configure("AC7", from: "+12125550197")
      }
    }

    @Test func `a mail in doubt is not looked for in another account`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await setUpMail(in: org)
        let mail = try await mail(to: try await org.contact(Self.phone), in: org)
        // What merely waits may go out through another one.
        try await setUpMail(in: org, key: "l")
        try await dispatch([mail], in: org)
        await #expect(throws: CommandError.providerInUse(.email)) {
          try await setUpMail(in: org, key: "m")
        }
        try await setUpMail(in: org, key: "m", isSameAccount: true)
        try await org.news(.accepted, of: mail, id: "x")
        try await setUpMail(in: org, key: "n")
      }
    }

    @Test func `the token that a new one took the place of is known for three days`()
      async throws
    {
      try await House.with(log: nil, isRunning: false) { house in
        let org = try await house.org()
        let today = try #require(
          try await org.perform { workspace throws(CommandError) in workspace.settings.sms }.output
            ?? nil)
        func roll(_ token: String) async throws {
          var rolled = today
          rolled.authToken = .known(token)
          let settings = rolled
          try await org.perform { workspace throws(CommandError) in
            try workspace.configureSMS(settings)
          }
        }
        try await roll("second")
        #expect(try await org.executor.providerTokens() == ["second", "token"])
        try await house.restart()
        #expect(try await org.executor.providerTokens() == ["second", "token"])
        try house.advance(byMicros: 3 * Moment.dayMicros)
        #expect(try await org.executor.providerTokens() == ["second"])
        try await roll("third")
        try await org.perform { workspace throws(CommandError) in
          try workspace.removeProvider(.sms, isForgotten: true)
        }
        #expect(try await org.executor.providerTokens().isEmpty)
      }
    }

    // MARK: Attempts that overtake their record

    /// Its record is being flushed when the message could be handed out again already.
    @Test func `a message whose last answer is being recorded is not handed out again`()
      async throws
    {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        let text = try await org.send("Hello", to: try await org.contact(Self.phone)).id
        let texts = ToldProvider()
        texts.change { $0.outcome = .notTaken(code: "20429", retryAfterMillis: nil) }
        let reactor = try reactor(org, [texts])
        log.next(delayingFirst: "message.retry_scheduled")
        try await running(reactor) {
          try await wait("the answer is being recorded") { log.delayedCount == 1 }
          // Long enough for the next attempt.
          for _ in 0..<5 {
            try house.advance(byMicros: Moment.minuteMicros)
            try await Task.sleep(for: .milliseconds(10))
          }
          #expect(log.delayedCount == 1)
          texts.change { $0.outcome = .accepted(providerID: "SM1") }
          await log.release()
          try await wait("it is taken") {
            try house.advance(byMicros: Moment.minuteMicros)
            return try org.message(text).status == .accepted
          }
        }
        #expect(texts.sentCount == 2)
        #expect(texts.questionCount == 0)
      }
    }
  }
}
