import Application
import Domain
import EventCodec
import EventLog
import Testing

@testable import Application

extension HouseTests {
  @Suite(.serialized) struct ExecutorTests {
    static let phone = "+12125550123"

    @Test func `one key used twice at the same time happens once`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let before = try org.events.count { $0.type == "contact.tagged" }
        log.next(.delay)
        let first = Task {
          try await org.perform(key: "k", fingerprint: 7) { workspace throws(CommandError) in
            try workspace.addTags(["vip"], to: contact)
          }
        }
        try await wait("the first waits") { log.delayedCount == 1 }
        await #expect(throws: CommandError.idempotencyInProgress) {
          try await org.perform(key: "k", fingerprint: 7) { workspace throws(CommandError) in
            try workspace.addTags(["vip2"], to: contact)
          }
        }
        await log.release()
        let receipt = try #require(try await first.value.receipt)
        let again = try await org.perform(key: "k", fingerprint: 7) {
          workspace throws(CommandError) in
          try workspace.addTags(["vip3"], to: contact)
        }
        #expect(again.isReplay && again.receipt?.firstPosition == receipt.firstPosition)
        await #expect(throws: CommandError.log(.idempotencyMismatch)) {
          try await org.perform(key: "k", fingerprint: 8) { workspace throws(CommandError) in
            try workspace.addTags(["vip4"], to: contact)
          }
        }
        #expect(try org.events.count { $0.type == "contact.tagged" } == before + 1)
      }
    }

    @Test func `nothing that was decided on a failed flush survives, and work goes on`()
      async throws
    {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org(fundsMicros: 12_000)
        let contact = try await org.contact(Self.phone)
        log.next(.delay)
        // The first takes the money, the second is refused for lack of it, the third opts out, the
        // fourth finds that done.
        let tasks = Tasks()
        await tasks.add { try await org.send("One", to: contact) }
        try await wait("the first waits") { log.delayedCount == 1 }
        await tasks.add { try await org.send("Two", to: contact) }
        try await wait("the second waits") { log.delayedCount == 2 }
        await tasks.add { try await org.receive("STOP", from: Self.phone, id: "1") }
        try await wait("the third waits") { log.delayedCount == 3 }
        await tasks.add {
          try await org.perform { workspace throws(CommandError) in
            try workspace.recordOptOut(contact, channel: .sms, method: .staff)
          }
        }
        await tasks.add {
          try await org.perform { workspace throws(CommandError) in
            _ = try workspace.createContact(
              ContactRequest(details: ContactDetails(phone: Self.phone), source: "test"))
          }
        }
        try await Task.sleep(for: .milliseconds(20))
        let head = try house.log.head()
        await log.release(failingFirstWith: .logFull(capacityBytes: 1))
        #expect(await tasks.failureCount() == 5)
        #expect(try house.log.head() == head)
        #expect(try await org.send("Three", to: contact).verdict.isAllowed)
        #expect(try org.story(of: contact) == ["created", "opted_in"])
        try await Invariants.check(org)
      }
    }

    /// Whoever races for an object with `If-Match` loses alone: what others write in the same moment stands.
    @Test func `a stale version is refused for itself, and nothing that was decided after it`()
      async throws
    {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let seen = try house.engine.version(of: contact, in: org.id)
        log.next(.delay)
        let first = Task {
          try await org.perform { workspace throws(CommandError) in
            try workspace.addTags(["first"], to: contact)
          }
        }
        try await wait("the first waits") { log.delayedCount == 1 }
        let second = Task {
          try await org.perform(expecting: ExpectedObject(id: contact, version: seen)) {
            workspace throws(CommandError) in
            try workspace.addTags(["second"], to: contact)
          }
        }
        // The first made it so, and nobody but the executor can know yet.
        let third = Task {
          try await org.perform(expecting: ExpectedObject(id: contact, version: seen + 1)) {
            workspace throws(CommandError) in
            try workspace.addTags(["third"], to: contact)
          }
        }
        try await wait("those after it were decided") { log.delayedCount == 2 }
        await log.release()
        _ = try await first.value
        _ = try await third.value
        // Whether the third came before it or after it.
        let refusal = await #expect(throws: CommandError.self) { try await second.value }
        guard case .versionMismatch(seen, let actual)? = refusal else {
          Issue.record("\(String(describing: refusal))")
          return
        }
        #expect(actual > seen)
        #expect(try house.engine.version(of: contact, in: org.id) == seen + 2)
      }
    }

    @Test func `what is too large for one write is refused alone`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        log.next(.refuse(.invalidCommit(reason: "more than can be")))
        await #expect(throws: CommandError.log(.invalidCommit(reason: "more than can be"))) {
          try await org.perform { workspace throws(CommandError) in
            try workspace.addTags(["too large"], to: contact)
          }
        }
        // Nobody has to read the book again for it.
        log.setReadable(false)
        try await org.perform { workspace throws(CommandError) in
          try workspace.addTags(["vip"], to: contact)
        }
      }
    }

    @Test func `an append whose fate is unknown is read again`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org(fundsMicros: 12_000)
        let contact = try await org.contact(Self.phone)
        log.next(.storeAndFail)
        await #expect(throws: CommandError.self) { try await org.send("One", to: contact) }
        #expect(
          try await org.send("Two", to: contact).verdict.outcome == .refused(.insufficientFunds))
        try await Invariants.check(org)
      }
    }

    @Test func `reactors go on after failed flushes`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        var messages: [Identifier] = []
        for index in 0..<20 {
          // What is decided on top of a refused commit is refused with it, and may be asked again.
          try await wait("number \(index) is taken") {
            guard let sent = try? await org.send("Number \(index)", to: contact) else {
              return false
            }
            messages.append(sent.id)
            return true
          }
          if index % 10 == 0 { log.refuseReactors(2, with: .overloaded(waiting: 1)) }
        }
        for message in messages { try await org.waitFor(message, .delivered) }
        #expect(try await house.stat("received") == 20)
        #expect(try await house.stat("duplicates") == 0)
        try await Invariants.check(org)
      }
    }

    /// After a failed flush the org's book is read again. A provider that calls meanwhile is told to come back:
    /// turned away for good, a STOP would be lost.
    @Test func `a secret that cannot be read now is not a wrong one`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        log.next(.refuse(.logFull(capacityBytes: 1)))
        await #expect(throws: CommandError.self) { try await org.send("One", to: contact) }
        log.setReadable(false)
        await #expect(throws: CommandError.self) { try await org.executor.providerTokens() }
        await #expect(throws: CommandError.self) {
          _ = try await org.executor.credentials(of: "sendgrid", for: .email)
        }
        try await org.text("STOP", from: Self.phone)
        try await wait("the provider was told to come back") {
          try await house.stat("callbacks_pending") == 1
        }
        log.setReadable(true)
        try await wait("the STOP is in the book") {
          try org.events.contains { $0.type == "contact.opted_out" }
        }
        #expect(try await org.executor.providerTokens() == ["token"])
        #expect(try await house.stat("callbacks_rejected") == 0)
      }
    }

    @Test func `an org that could not be created is not there`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        log.next(.refuse(.logFull(capacityBytes: 1)))
        await #expect(throws: CommandError.self) { _ = try await house.org() }
        let executors = try house.engine.allExecutors
        #expect(executors.isEmpty)
      }
    }

    @Test func `two contacts of one commit cannot share a number`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        await #expect(throws: CommandError.self) {
          try await org.perform { workspace throws(CommandError) in
            for name in ["Ann", "Bob"] {
              _ = try workspace.createContact(
                ContactRequest(
                  details: ContactDetails(firstName: name, phone: Self.phone), source: "test"))
            }
          }
        }
        #expect(try org.events.contains { $0.type == "contact.created" } == false)
      }
    }

    @Test func `state folded from the log decides like the state that wrote it`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await org.waitFor(try await org.send("One", to: contact).id, .delivered)
        try await org.receive("STOP", from: Self.phone)
        let before = try await org.executor.read { workspace throws(CommandError) in
          try workspace.previewMessage(
            MessageRequest(contact: contact, body: "Two", purpose: .transactional))
        }
        try await house.restart()
        let after = try await org.executor.read { workspace throws(CommandError) in
          try workspace.previewMessage(
            MessageRequest(contact: contact, body: "Two", purpose: .transactional))
        }
        #expect(before.verdict.outcome == after.verdict.outcome)
        #expect(
          before.verdict.facts.walletAvailableMicros == after.verdict.facts.walletAvailableMicros)
      }
    }
  }
}

/// Work that goes on beside the test.
private actor Tasks {
  private var tasks: [Task<Void, any Error>] = []

  func add<Output: Sendable>(_ body: @escaping @Sendable () async throws -> Output) {
    tasks.append(Task { _ = try await body() })
  }

  func failureCount() async -> Int {
    var count = 0
    for task in tasks {
      if case .failure = await task.result { count += 1 }
    }
    return count
  }
}
