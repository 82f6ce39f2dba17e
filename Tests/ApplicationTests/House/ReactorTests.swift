import Application
import Domain
import EventCodec
import EventLog
import JSON
import Synchronization
import Testing

@testable import Application

/// A provider that answers when it is told to.
private final class SlowProvider: MessageProvider {
  private struct State {
    var running = 0
    var started = 0
    var questionCount = 0
    var isReleased = false
  }

  private let state = Mutex(State())

  var running: Int { state.withLock { $0.running } }
  var started: Int { state.withLock { $0.started } }
  var questionCount: Int { state.withLock { $0.questionCount } }
  func release() { state.withLock { $0.isReleased = true } }

  let name = SMSCredentials.provider
  let channels: Set<Channel> = [.sms]

  func send(_ request: OutboundMessage) async -> SendOutcome {
    let number = state.withLock { state in
      state.running += 1
      state.started += 1
      return state.started
    }
    defer { state.withLock { $0.running -= 1 } }
    while !state.withLock({ $0.isReleased }) {
      if Task.isCancelled { return .inDoubt(reason: "cancelled") }
      await Task.yield()
    }
    return .accepted(providerID: "SM\(number)")
  }

  func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] {
    state.withLock { $0.questionCount += 1 }
    return []
  }
}

/// A provider whose answers get lost, and whose list shows nothing for a while, or ever.
private final class LossyProvider: MessageProvider {
  private struct State {
    var sentCount = 0
    var askingCount = 0
    var mostAtOnce = 0
  }

  private let state = Mutex(State())
  private let delayMillis: Int64
  /// A question is answered once so many are asked at once.
  private let questionsAtOnce: Int

  init(delayMillis: Int64 = 0, questionsAtOnce: Int = 1) {
    self.delayMillis = delayMillis
    self.questionsAtOnce = questionsAtOnce
  }

  var sentCount: Int { state.withLock { $0.sentCount } }

  let name = SMSCredentials.provider
  let channels: Set<Channel> = [.sms]

  func listingDelayMillis(of message: OutboundMessage) -> Int64 { delayMillis }

  func send(_ request: OutboundMessage) async -> SendOutcome {
    state.withLock { $0.sentCount += 1 }
    return .inDoubt(reason: "lost")
  }

  func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] {
    state.withLock { state in
      state.askingCount += 1
      state.mostAtOnce = max(state.mostAtOnce, state.askingCount)
    }
    defer { state.withLock { $0.askingCount -= 1 } }
    while state.withLock({ $0.mostAtOnce }) < questionsAtOnce {
      if Task.isCancelled { throw .unreachable(reason: "cancelled") }
      await Task.yield()
    }
    guard questionsAtOnce > 1, case .sms(let sms) = message else { return [] }
    return [
      ProviderMessage(
        providerID: "SM\(sms.to)", from: sms.from, to: sms.to, body: sms.body, status: .sent,
        errorCode: nil, createdAtMicros: sinceMicros)
    ]
  }
}

/// Takes no mail, whoever asks.
private struct ClosedPost: MessageProvider {
  let name = "sendgrid"
  let channels: Set<Channel> = [.email]

  func send(_ request: OutboundMessage) async -> SendOutcome {
    .notTaken(code: "http_401", retryAfterMillis: 60_000)
  }

  func find(
    _ message: OutboundMessage, sinceMicros: Micros
  ) async throws(ProviderError) -> [ProviderMessage] { [] }
}

extension HouseTests {
  @Suite(.serialized) struct ReactorTests {
    private func reactor(
      _ org: TestOrg, _ providers: any MessageProvider..., graceMillis: Int64
    ) throws -> OrgReactor {
      var settings = ReactorSettings(
        links: OutboundLinks(
          publicURL: "http://127.0.0.1:1", tokens: LinkTokens(secret: [1])))
      settings.stopGraceMillis = graceMillis
      settings.doubtGraceMillis = 0
      return OrgReactor(
        executor: try org.executor, providers: MessageProviders(providers), log: org.house.log,
        settings: settings, desk: RateDesk(rates: RateTable()), restored: nil,
        texts: CursorFile(directory: org.house.cursorDirectory, name: "texts"), report: { _ in })
    }

    @Test func `a stop waits for the calls under way and records their answers`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        let message = try await org.send("Hello", to: contact).id
        let provider = SlowProvider()
        let reactor = try reactor(org, provider, graceMillis: 60_000)
        let running = Task { await reactor.run() }
        try await wait("the call") { provider.running == 1 }
        running.cancel()
        try await Task.sleep(for: .milliseconds(20))
        #expect(provider.running == 1)
        provider.release()
        await running.value
        #expect(provider.running == 0)
        #expect(try org.message(message).status == .accepted)
      }
    }

    // Who looks for doubts may have seen the message before it was known that its call is being made.
    @Test func `a message whose call is being made is not in doubt`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        let message = try await org.send("Hello", to: contact).id
        let provider = SlowProvider()
        let reactor = try reactor(org, provider, graceMillis: 60_000)
        let running = Task { await reactor.run() }
        try await wait("the call") { provider.running == 1 }
        try await reactor.settle(message)
        #expect(provider.questionCount == 0)
        provider.release()
        try await org.waitFor(message, .accepted)
        running.cancel()
        await running.value
        #expect(provider.started == 1)
        #expect(try !org.events.contains { $0.type == "message.retry_scheduled" })
      }
    }

    @Test func `an outcome of an earlier attempt changes nothing`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        let message = try await org.send("Hello", to: contact).id
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.dispatch([message])
        }
        func lose(attempt: Int) async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.record(
              .notTaken(code: "lost", retryAtMicros: workspace.nowMicros), for: message,
              ofAttempt: attempt)
          }
        }
        try await lose(attempt: 2)
        #expect(try org.message(message).status == .dispatched)
        try await lose(attempt: 1)
        #expect(try org.message(message).status == .queued)
      }
    }

    @Test func `a stop cuts off what takes too long, and nothing runs after it`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        let message = try await org.send("Hello", to: contact).id
        let provider = SlowProvider()
        let reactor = try reactor(org, provider, graceMillis: 10)
        let running = Task { await reactor.run() }
        try await wait("the call") { provider.running == 1 }
        running.cancel()
        await running.value
        #expect(provider.running == 0)
        #expect(try org.message(message).status == .unknown)
      }
    }

    @Test func `mail that no provider takes keeps no text waiting`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        try await org.perform { workspace throws(CommandError) in
          try workspace.configureProvider(
            ProviderSettings(
              service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:1",
              options: ["from": "hi@acme.example"], secrets: .known(["api_key": "wrong"])))
          try workspace.updateContact(
            contact, [FieldChange(field: "email", value: .text("ann@example.com"))])
        }
        try await org.perform { workspace throws(CommandError) in
          for number in 0..<3 {
            var request = MessageRequest(
              contact: contact, body: "Mail \(number)", purpose: .transactional, channel: .email)
            request.subject = "Mail"
            _ = try workspace.planMessage(request)
          }
        }
        let provider = SlowProvider()
        provider.release()
        let reactor = try reactor(org, ClosedPost(), provider, graceMillis: 1_000)
        let running = Task { await reactor.run() }
        func turnedAwayCount() throws -> Int {
          try org.events.count { $0.type == "message.retry_scheduled" }
        }
        try await wait("the mails are turned away") { try turnedAwayCount() == 3 }
        // A minute passes before mail is tried again; the clock of the test stands still.
        let texts = [
          try await org.send("One", to: contact).id, try await org.send("Two", to: contact).id,
        ]
        for text in texts { try await org.waitFor(text, .accepted) }
        running.cancel()
        await running.value
        #expect(try turnedAwayCount() == 3)
      }
    }

    @Test func `what the provider does not list yet is not sent again`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        let message = try await org.send("Hello", to: contact).id
        let provider = LossyProvider(delayMillis: 900_000)
        let reactor = try reactor(org, provider, graceMillis: 1_000)
        let running = Task { await reactor.run() }
        try await org.waitFor(message, .unknown)
        // Looked for, over and over, for a quarter of an hour.
        for _ in 0..<5 {
          try await Task.sleep(for: .milliseconds(20))
          try house.advance(byMicros: 2 * Moment.minuteMicros)
        }
        #expect(try org.message(message).status == .unknown)
        #expect(provider.sentCount == 1)
        try await wait("it is given up") {
          try house.advance(byMicros: Moment.minuteMicros)
          return provider.sentCount == 2
        }
        running.cancel()
        await running.value
      }
    }

    @Test func `after a crash many are asked about at once`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        var messages: [Identifier] = []
        for number in 0..<12 {
          let contact = try await org.contact("+121255501\(10 + number)")
          messages.append(try await org.send("Hello", to: contact).id)
        }
        // The process that sent them never hears what became of them.
        let before = LossyProvider(delayMillis: 900_000)
        let first = try reactor(org, before, graceMillis: 1_000)
        let sending = Task { await first.run() }
        for message in messages { try await org.waitFor(message, .unknown) }
        sending.cancel()
        await sending.value
        let provider = LossyProvider(questionsAtOnce: 8)
        let second = try reactor(org, provider, graceMillis: 1_000)
        let running = Task { await second.run() }
        for message in messages { try await org.waitFor(message, .sent) }
        running.cancel()
        await running.value
        #expect(before.sentCount == messages.count)
        #expect(provider.sentCount == 0)
      }
    }

    @Test func `calls at the same time keep to their limit`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        for index in 0..<100 { try await org.send("Hello \(index)", to: contact) }
        let provider = SlowProvider()
        let reactor = try reactor(org, provider, graceMillis: 1_000)
        let running = Task { await reactor.run() }
        try await wait("the calls") { provider.running == 48 }
        try await Task.sleep(for: .milliseconds(20))
        #expect(provider.started == 48)
        provider.release()
        try await wait("all of them") {
          try org.messages.values.allSatisfy { $0.status == .accepted }
        }
        running.cancel()
        await running.value
        #expect(provider.started == 100)
      }
    }

    @Test func `waiting without a time wakes on a change and on cancellation only`() async throws {
      let signal = ChangeSignal()
      let rounds = Mutex(0)
      let waiting = Task {
        while !Task.isCancelled {
          let seen = signal.generation
          rounds.withLock { $0 += 1 }
          await signal.wait(beyond: seen, timeout: nil)
        }
      }
      try await wait("the first round") { rounds.withLock { $0 } == 1 }
      signal.raise()
      try await wait("the second round") { rounds.withLock { $0 } == 2 }
      waiting.cancel()
      await waiting.value
    }
  }
}
