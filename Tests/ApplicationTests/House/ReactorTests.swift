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
    var isReleased = false
  }

  private let state = Mutex(State())

  var running: Int { state.withLock { $0.running } }
  var started: Int { state.withLock { $0.started } }
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
  ) async throws(ProviderError) -> [ProviderMessage] { [] }
  var optOutCodes: Set<String> { [] }
}

extension HouseTests {
  @Suite(.serialized) struct ReactorTests {
    private func reactor(
      _ org: TestOrg, _ provider: SlowProvider, graceMillis: Int64
    ) throws -> OrgReactor {
      var settings = ReactorSettings(
        links: OutboundLinks(
          publicURL: "http://127.0.0.1:1", tokens: LinkTokens(secret: [1])))
      settings.stopGraceMillis = graceMillis
      return OrgReactor(
        executor: try org.executor, providers: MessageProviders([provider]), log: org.house.log,
        settings: settings, desk: RateDesk(rates: RateTable()), restored: nil,
        report: { _ in })
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
