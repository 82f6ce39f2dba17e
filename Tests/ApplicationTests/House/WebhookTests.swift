import Application
import Domain
import EventCodec
import EventLog
import Foundation
import HTTP
import JSON
import Synchronization
import TestSupport
import Testing

@testable import Application

/// A subscriber that keeps what it is sent, and answers as it is told.
final class Subscriber: Sendable {
  struct Delivery: Sendable, Equatable {
    let id: String
    let type: String
    let sequence: Int64
    let subject: String
    let isSigned: Bool
    let body: String
  }

  private final class Memory: Sendable {
    struct State {
      var deliveries: [Delivery] = []
      var attempts: [String] = []
      var status = 204
      var refusedSubject: String?
      var gate: TestSupport.Gate?
      var secret = ""
    }

    let state = Mutex(State())
  }

  private let memory: Memory
  private let server: HTTPServer

  init() throws {
    let memory = Memory()
    self.memory = memory
    server = try HTTPServer(host: "127.0.0.1", port: 0) { request in
      let (status, gate) = memory.state.withLock { (Self.take(request, &$0), $0.gate) }
      await gate?.wait()
      return HTTPResponse(status: status)
    }
  }

  var url: String { "http://127.0.0.1:\(server.port)/hook" }
  /// What was answered with 2xx.
  var deliveries: [Delivery] { memory.state.withLock { $0.deliveries } }
  /// The ids of all calls.
  var attempts: [String] { memory.state.withLock { $0.attempts } }

  func answer(with status: Int) { memory.state.withLock { $0.status = status } }
  /// Answers what is about one object with 503.
  func refuse(subject: String?) { memory.state.withLock { $0.refusedSubject = subject } }
  /// Answers what comes from now on once the gate is open.
  func hold(until gate: TestSupport.Gate) { memory.state.withLock { $0.gate = gate } }
  func expect(secret: String) { memory.state.withLock { $0.secret = secret } }
  func stop() async { await server.stop(graceMillis: 500) }

  private static func take(_ request: HTTPRequest, _ state: inout Memory.State) -> Int {
    let id = request.headers["webhook-id"] ?? ""
    state.attempts.append(id)
    guard (200..<300).contains(state.status) else { return state.status }
    let body = try? JSON(parsing: request.body)
    let subject = body?["data"]?["subject"]?["id"]?.string ?? ""
    guard subject != state.refusedSubject else { return 503 }
    let seconds = request.headers["webhook-timestamp"].flatMap { Int64($0) } ?? 0
    let expected = try? WebhookMessage.signature(
      id: id, timestampSeconds: seconds, body: request.body, secrets: [state.secret])
    state.deliveries.append(
      Delivery(
        id: id, type: body?["type"]?.string ?? "", sequence: body?["data"]?["sequence"]?.int ?? -1,
        subject: subject,
        isSigned: expected == request.headers["webhook-signature"],
        body: String(decoding: request.body, as: UTF8.self)))
    return state.status
  }
}

extension HouseTests {
  @Suite(.serialized) struct WebhookTests {
    private func with(
      _ body: (House, TestOrg, Subscriber, Identifier) async throws -> Void
    ) async throws {
      let subscriber = try Subscriber()
      try await House.with { house in
        let org = try await house.org()
        let secret = WebhookMessage.newSecret()
        subscriber.expect(secret: secret)
        let url = subscriber.url
        let created = try await org.perform { workspace throws(CommandError) in
          try workspace.createWebhookEndpoint(url: url, types: ["contact.*"], secret: secret)
        }
        try await body(house, org, subscriber, try #require(created.output))
      }
      await subscriber.stop()
    }

    private func failures(of endpoint: Identifier, in org: TestOrg) throws -> Int {
      try org.story(of: endpoint).count { $0 == "delivery_failed" }
    }

    @Test func `deliveries come in order, signed, once, also over a restart`() async throws {
      try await with { house, org, subscriber, _ in
        let contact = try await org.contact("+12125550123")
        for index in 0..<20 { try await org.tag(contact, "tag-\(index)") }
        try await wait("the first half") { subscriber.deliveries.count >= 10 }
        try await house.restart()
        for index in 20..<40 { try await org.tag(contact, "tag-\(index)") }
        try await wait("all of it") {
          Set(subscriber.deliveries.map(\.id)).count == 42
        }
        let deliveries = subscriber.deliveries
        let unsigned = deliveries.filter { !$0.isSigned }
        #expect(unsigned.isEmpty)
        #expect(deliveries.map(\.sequence) == deliveries.map(\.sequence).sorted())
        #expect(deliveries.first?.type == "contact.created")
        // The one that was under way when the house stopped may come again, under the same id.
        #expect(deliveries.count <= 43)
      }
    }

    @Test func `a failure is tried again later, with nothing overtaking it`() async throws {
      try await with { house, org, subscriber, endpoint in
        subscriber.answer(with: 500)
        let contact = try await org.contact("+12125550123", tags: ["a", "b"])
        try await wait("a failure") { try failures(of: endpoint, in: org) == 1 }
        // Other news do not make it come sooner.
        try await org.tag(contact, "c")
        try await Task.sleep(for: .milliseconds(30))
        #expect(subscriber.attempts.count == 1)
        try await house.restart()
        try await Task.sleep(for: .milliseconds(30))
        #expect(subscriber.attempts.count == 1)
        try house.advance(byMicros: 6_000_000)
        try await wait("another failure") { try failures(of: endpoint, in: org) == 2 }
        #expect(Set(subscriber.attempts).count == 1)
        subscriber.answer(with: 200)
        try house.advance(byMicros: 6 * Moment.minuteMicros)
        try await wait("all of it") { subscriber.deliveries.count == 5 }
        #expect(
          subscriber.deliveries.map(\.type) == [
            "contact.created", "contact.tagged", "contact.tagged", "contact.opted_in",
            "contact.tagged",
          ])
      }
    }

    @Test func `events about others go on while one waits, its own stay behind it`() async throws {
      try await with { house, org, subscriber, endpoint in
        let stuck = try await org.contact("+12125550123")
        try await wait("both of it") { subscriber.deliveries.count == 2 }
        subscriber.refuse(subject: stuck.text)
        try await org.tag(stuck, "first")
        try await wait("a failure") { try failures(of: endpoint, in: org) == 1 }
        try await org.tag(stuck, "second")
        let other = try await org.contact("+12125550124")
        try await org.tag(other, "third")
        try await wait("the others") { subscriber.deliveries.count == 5 }
        // Of what is stuck only the first is tried, once more where five seconds have passed here.
        #expect(Set(subscriber.attempts).count == 6)
        // The last answer is on its way to the courier.
        try await wait("the others are settled") {
          try house.engine.deliveries.standing(of: endpoint)?.waitingCount == 2
        }
        // What was taken came once.
        #expect(subscriber.deliveries.count == 5)
        #expect(try (house.engine.deliveries.standing(of: endpoint)?.failureCount ?? 0) >= 1)
        try await house.restart()
        subscriber.refuse(subject: nil)
        try house.advance(byMicros: 6_000_000)
        try await wait("all of it") { subscriber.deliveries.count == 7 }
        let ofStuck = subscriber.deliveries.filter { $0.subject == stuck.text }
        #expect(ofStuck.map(\.sequence) == ofStuck.map(\.sequence).sorted())
        // How it went is known after a restart, once the last answers have arrived.
        try await wait("every attempt is on record") {
          try house.engine.deliveries.deliveries(of: endpoint).count == subscriber.attempts.count
        }
        let log = try house.engine.deliveries.deliveries(of: endpoint)
        let refusedCount = subscriber.attempts.count - subscriber.deliveries.count
        #expect(log.map(\.delivery.status).count { $0 == 503 } == refusedCount)
        #expect(log.allSatisfy { $0.delivery.url == subscriber.url })
      }
    }

    private func erase(_ contact: Identifier, in org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.requestErasure(of: contact, reason: .personAsked)
      }
      try await wait("the erasure is on record") {
        try org.events.contains { $0.type == "subject.erased" && $0.stream == contact }
      }
    }

    private func name(_ contact: Identifier, _ name: String, in org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.updateContact(
          contact, [FieldChange(field: "first_name", value: .text(name))])
      }
    }

    @Test func `what waits behind a failure tells nothing of somebody who was erased meanwhile`()
      async throws
    {
      try await with { house, org, subscriber, endpoint in
        let contact = try await org.contact("+12125550123")
        try await wait("the contact") { subscriber.deliveries.count == 2 }
        subscriber.refuse(subject: contact.text)
        try await org.tag(contact, "first")
        try await wait("a failure") { try failures(of: endpoint, in: org) >= 1 }
        try await name(contact, "Zebediah", in: org)
        try await wait("both wait") {
          try house.engine.deliveries.standing(of: endpoint)?.waitingCount == 2
        }
        try await erase(contact, in: org)
        subscriber.refuse(subject: nil)
        try house.advance(byMicros: 2 * Moment.dayMicros)
        try await wait("both") { subscriber.deliveries.count >= 4 }
        let late = try #require(subscriber.deliveries.first { $0.type == "contact.updated" })
        #expect(late.subject == contact.text)
        #expect(!late.body.contains("Zebediah"), "\(late.body)")
      }
    }

    /// Goal: what outlives the keys is gone with them, also where the rest of the erasure waits for days, and is not looked for
    /// again each time: an export that somebody else ordered meanwhile would not live for two seconds.
    @Test func `what waits tells nothing of somebody whose erasure waits for a backup folder`()
      async throws
    {
      try await with { house, org, subscriber, endpoint in
        let contact = try await org.contact("+12125550123")
        try await wait("the contact") { subscriber.deliveries.count == 2 }
        subscriber.refuse(subject: contact.text)
        try await name(contact, "Zebediah", in: org)
        try await wait("it waits") {
          try house.engine.deliveries.standing(of: endpoint)?.waitingCount == 1
        }
        house.erasures.setBackup(away: true)
        try await org.perform { workspace throws(CommandError) in
          try workspace.requestErasure(of: contact, reason: .personAsked)
        }
        try await wait("two failures") { house.erasures.counts.erasings >= 2 }
        #expect(house.erasures.counts.discardings == 1)
        subscriber.refuse(subject: nil)
        try house.advance(byMicros: 2 * Moment.dayMicros)
        try await wait("it comes") { subscriber.deliveries.count >= 3 }
        #expect(subscriber.deliveries.contains { $0.type == "contact.updated" })
        #expect(subscriber.deliveries.allSatisfy { !$0.body.contains("Zebediah") })
        house.erasures.setBackup(away: false)
        try await wait("the erasure is on record") {
          try org.events.contains { $0.type == "subject.erased" && $0.stream == contact }
        }
        #expect(house.erasures.counts.discardings == 1)
      }
    }

    @Test func `a redelivery that takes long tells nothing of somebody who was erased meanwhile`()
      async throws
    {
      try await with { house, org, subscriber, endpoint in
        let other = try await org.contact("+12125550123")
        let contact = try await org.contact("+12125550124")
        try await name(contact, "Zebediah", in: org)
        try await wait("all of it") { subscriber.deliveries.count == 5 }
        #expect(subscriber.deliveries.contains { $0.body.contains("Zebediah") })
        let gate = TestSupport.Gate()
        subscriber.hold(until: gate)
        let head = try house.log.head()
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .redeliver(from: 1, to: head))
        }
        try await wait("the first once more") { subscriber.deliveries.count == 6 }
        try await erase(contact, in: org)
        gate.open()
        try await wait("all of it once more") {
          try org.story(of: endpoint).contains("redelivered")
        }
        let again = subscriber.deliveries.dropFirst(5)
        #expect(again.first?.subject == other.text)
        #expect(again.contains { $0.subject == contact.text && $0.type == "contact.updated" })
        #expect(again.allSatisfy { !$0.body.contains("Zebediah") })
        // Nothing of the stretch came twice in it, and nothing was left out.
        let first = Array(subscriber.deliveries.prefix(5))
        let stretch = again.filter { late in first.contains { $0.id == late.id } }
        #expect(stretch.map(\.sequence) == first.map(\.sequence).sorted())
      }
    }

    /// Changed while a stretch is under way, the endpoint is what it was changed to for the rest of it.
    @Test func `a redelivery goes on where and how the endpoint is wanted by now`() async throws {
      let next = try Subscriber()
      try await with { house, org, subscriber, endpoint in
        for number in 0..<5 { _ = try await org.contact("+1212555013\(number)", consents: []) }
        try await wait("all of it") { subscriber.deliveries.count == 5 }
        let gate = TestSupport.Gate()
        subscriber.hold(until: gate)
        let head = try house.log.head()
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .redeliver(from: 1, to: head))
        }
        try await wait("the first once more") { subscriber.deliveries.count == 6 }
        let secret = WebhookMessage.newSecret()
        next.expect(secret: secret)
        let url = next.url
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .update(url: url, types: nil))
          try workspace.change(endpoint, by: .rotateSecret(secret, previousUntilMicros: 0))
        }
        gate.open()
        try await wait("all of it once more") {
          try org.story(of: endpoint).contains("redelivered")
        }
        #expect(subscriber.deliveries.count == 6)
        let rest = next.deliveries.filter { late in
          subscriber.deliveries.contains { $0.id == late.id }
        }
        #expect(rest.count == 4 && rest.allSatisfy(\.isSigned))
      }
      await next.stop()
    }

    @Test func `410 in a redelivery disables the endpoint`() async throws {
      try await with { house, org, subscriber, endpoint in
        for number in 0..<5 { _ = try await org.contact("+1212555013\(number)", consents: []) }
        try await wait("all of it") { subscriber.deliveries.count == 5 }
        subscriber.answer(with: 410)
        let head = try house.log.head()
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .redeliver(from: 1, to: head))
        }
        try await wait("disabled") { try org.story(of: endpoint).contains("disabled") }
        #expect(subscriber.attempts.count == 6)
        subscriber.answer(with: 204)
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .enable)
        }
        try await wait("all of it once more") {
          try org.story(of: endpoint).contains("redelivered")
        }
        #expect(Set(subscriber.deliveries.suffix(5).map(\.id)).count == 5)
      }
    }

    @Test func `one event that is never taken is given up; the endpoint stays`() async throws {
      try await with { house, org, subscriber, endpoint in
        let stuck = try await org.contact("+12125550123")
        let other = try await org.contact("+12125550124")
        try await wait("the beginning") { subscriber.deliveries.count == 4 }
        subscriber.refuse(subject: stuck.text)
        try await org.tag(stuck, "poison")
        for attempt in 1...10 {
          try await wait("failure \(attempt)") {
            try failures(of: endpoint, in: org) == attempt
          }
          let taken = subscriber.deliveries.count
          try await org.tag(other, "tag-\(attempt)")
          try await wait("another's") { subscriber.deliveries.count == taken + 1 }
          try house.advance(byMicros: 2 * Moment.dayMicros)
        }
        #expect(try !org.story(of: endpoint).contains("disabled"))
        subscriber.refuse(subject: nil)
        try await org.tag(stuck, "next")
        try await wait("what came behind") {
          subscriber.deliveries.last?.subject == stuck.text
        }
      }
    }

    @Test func `an endpoint that fails for three days is disabled, and goes on once enabled`()
      async throws
    {
      try await with { house, org, subscriber, endpoint in
        subscriber.answer(with: 503)
        _ = try await org.contact("+12125550123")
        for attempt in 1...10 {
          try await wait("failure \(attempt)") {
            try failures(of: endpoint, in: org) == attempt
          }
          try house.advance(byMicros: 2 * Moment.dayMicros)
        }
        try await wait("disabled") { try org.story(of: endpoint).last == "disabled" }
        try await Task.sleep(for: .milliseconds(30))
        #expect(subscriber.attempts.count == 10)
        subscriber.answer(with: 200)
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .enable)
        }
        try await wait("all of it") { subscriber.deliveries.count == 2 }
      }
    }

    @Test func `what happens during a pause comes after it in order, also over a restart`()
      async throws
    {
      try await with { house, org, subscriber, endpoint in
        let contact = try await org.contact("+12125550123")
        try await wait("the contact") { subscriber.deliveries.count == 2 }
        subscriber.answer(with: 503)
        try await org.tag(contact, "first")
        try await wait("a failure") { try failures(of: endpoint, in: org) == 1 }
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .pause)
        }
        subscriber.answer(with: 204)
        for index in 0..<20 { try await org.tag(contact, "tag-\(index)") }
        try house.advance(byMicros: 2 * Moment.dayMicros)
        try await house.restart()
        try await Task.sleep(for: .milliseconds(30))
        #expect(subscriber.deliveries.count == 2)
        #expect(subscriber.attempts.count == 3)
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .resume)
        }
        try await wait("all of it") { subscriber.deliveries.count == 23 }
        let deliveries = subscriber.deliveries
        #expect(deliveries.map(\.sequence) == deliveries.map(\.sequence).sorted())
        #expect(Set(deliveries.map(\.id)).count == 23)
      }
    }

    @Test func `a subscriber that is gone hears no more`() async throws {
      try await with { house, org, subscriber, endpoint in
        subscriber.answer(with: 410)
        _ = try await org.contact("+12125550123")
        try await wait("disabled") { try org.story(of: endpoint).last == "disabled" }
        #expect(subscriber.attempts.count == 1)
      }
    }

    @Test func `an attempt from before somebody enabled it again does not end it`() async throws {
      try await with { house, org, subscriber, endpoint in
        let (first, second) = (TestSupport.Gate(), TestSupport.Gate())
        subscriber.answer(with: 410)
        for (number, gate) in [first, second].enumerated() {
          subscriber.hold(until: gate)
          _ = try await org.contact("+1212555013\(number)", consents: [])
          try await wait("it is under way") { subscriber.attempts.count == number + 1 }
        }
        first.open()
        try await wait("disabled") { try org.story(of: endpoint).contains("disabled") }
        subscriber.answer(with: 204)
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .enable)
        }
        second.open()
        try await wait("both") { Set(subscriber.deliveries.map(\.id)).count == 2 }
        #expect(try org.story(of: endpoint).count { $0 == "disabled" } == 1)
      }
    }

    @Test func `of several attempts that find it gone one says so, and nothing is given up`()
      async throws
    {
      try await with { house, org, subscriber, endpoint in
        let gate = TestSupport.Gate()
        subscriber.answer(with: 410)
        subscriber.hold(until: gate)
        for number in 0..<3 { _ = try await org.contact("+1212555013\(number)", consents: []) }
        try await wait("all are under way") { subscriber.attempts.count == 3 }
        gate.open()
        try await wait("disabled") { try org.story(of: endpoint).contains("disabled") }
        subscriber.answer(with: 204)
        // The courier has to have left before it can come again, and leaves when it has heard of all attempts.
        try await org.perform { workspace throws(CommandError) in
          try workspace.change(endpoint, by: .enable)
        }
        try await wait("all of it") { Set(subscriber.deliveries.map(\.id)).count == 3 }
        #expect(try failures(of: endpoint, in: org) == 1)
        #expect(try org.story(of: endpoint).count { $0 == "disabled" } == 1)
      }
    }
  }
}
