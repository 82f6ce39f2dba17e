import Application
import Domain
import EventCodec
import EventLog
import Testing

@testable import Application

extension HouseTests {
  /// What reading the log again must not change.
  @Suite(.serialized) struct ReplayTests {
    static let phone = "+12125550123"

    private func open(_ message: Identifier, in org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        _ = try workspace.run(
          Message.self, message,
          .recordEngagement(.opened(isMachine: false), atMicros: workspace.nowMicros))
      }
    }

    @Test func `a link in a mail that was opened works after a restart, and the opening counts`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let message = try await org.send("Hello", to: contact).id
        try await org.waitFor(message, .delivered)
        try await open(message, in: org)
        try await Invariants.check(org)
        try await house.restart()
        let activity = try await org.executor.withState { $0.contacts[contact]?.activity }
        #expect(activity?.moments.contains { $0.kind == .messageOpened } == true)
        // Once more, and of a message that nobody asked for since the start.
        try await open(message, in: org)
        try await Invariants.check(org)
        try await house.restart()
        try await org.perform { workspace throws(CommandError) in
          try workspace.unsubscribe(by: message)
        }
        #expect(try await org.send("Hello", to: contact).verdict.outcome == .refused(.revoked))
        try await Invariants.check(org)
      }
    }

    @Test func `what ended is not kept because of news that came later`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let message = try await org.send("Hello", to: contact).id
        try await org.waitFor(message, .delivered)
        try await open(message, in: org)
        try await house.restart()
        #expect(try await org.executor.withState { $0.tables.messages.isEmpty })
      }
    }

    /// Of millions of messages each has a receipt, some pages after what ended it.
    @Test func `receipts that come soon cost no look into a stream when a book is read`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        for index in 0..<3 {
          let contact = try await org.contact("+1212555012\(index)")
          try await org.waitFor(try await org.send("Hello", to: contact).id, .delivered)
        }
        var loader = OrgLoader(log: house.log)
        let state = OrgState(org: org.id, contacts: ContactMemory())
        for event in try house.log.readOrg(OrgID(org.id.value), from: 0, limit: 1_000) {
          try loader.fold(event, into: state)
          loader.forget(in: state)
        }
        #expect(state.tables.messages.isEmpty)
        #expect(loader.streamReadCount == 0)
      }
    }

    @Test func `the undo of a message reads nothing of the wallet that paid for it`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        for number in 0..<5 { try await org.send("Hello \(number)", to: contact) }
        let events = try org.events
        let last = try #require(events.last)
        let wanted = events.filter { $0.commitPosition == last.commitPosition }
        #expect(wanted.contains { $0.type == "wallet.held" })
        let readCount = log.readCount
        let plan = try UndoPlan(
          wanted,
          UndoPlan.Question(
            org: org.id, position: last.position, restoresEdited: false,
            resources: [.message: "messages"],
            grants: Grants(["*"])), log)
        let ofMessages = wanted.count { $0.stream.kind == .message }
        #expect(log.readCount - readCount == ofMessages)
        #expect(plan.items.count == wanted.count)
        #expect(
          plan.items.allSatisfy {
            $0.outcome == ($0.subject.kind == .message ? .undone : .refused(.moneyMoved))
          })
      }
    }

    @Test func `of two users with one email it is always the first who signs in`() async throws {
      try await House.with(isRunning: false) { house in
        var users: [Identifier] = []
        for number in ["+12125550100", "+12125550101"] {
          let org = try await house.org(number: number)
          let created = try await org.perform { workspace throws(CommandError) in
            try workspace.createUser(
              UserDetails(email: "Ann@example.com", name: "Ann", passwordHash: "x"),
              role: "administrator")
          }
          users.append(try #require(created.output))
          house.clock.advance(byMicros: 1_000_000)
        }
        for _ in 0..<10 {
          #expect(try house.engine.directory.user(email: "ann@example.com")?.id == users[0])
          await house.stop()
          try house.start(reactors: false)
        }
      }
    }

    @Test func `an email is promised to one at a time`() async throws {
      try await House.with(isRunning: false) { house in
        let directory = try house.engine.directory
        let (first, second) = (
          directory.claim("Ann@example.com"), directory.claim("ann@example.com")
        )
        try first.hold()
        try first.hold()
        #expect(throws: CommandError.emailTaken) { try second.hold() }
        second.release()
        #expect(throws: CommandError.emailTaken) { try second.hold() }
        first.release()
        try second.hold()
        second.release()
      }
    }

    @Test func `a draft whose segment was deleted is launched to nobody`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        _ = try await org.contact(Self.phone, tags: ["all"])
        let segment = try await org.segment(tagged: "all")
        let definition = CampaignDefinition(
          name: "Sale", segment: segment, channel: .sms, purpose: .marketing, body: "Hi")
        let created = try await org.perform { workspace throws(CommandError) in
          let campaign = try workspace.createCampaign(definition)
          try workspace.deleteSegment(segment)
          return campaign
        }
        let campaign = try #require(created.output)
        let unknown = CommandError.invalid(
          field: "segment", code: "unknown_segment", message: "There is no such segment.")
        await #expect(throws: unknown) {
          try await org.perform { workspace throws(CommandError) in
            try workspace.launchCampaign(campaign)
          }
        }
        await #expect(throws: unknown) {
          _ = try await org.executor.read { workspace throws(CommandError) in
            try workspace.checkCampaign(campaign).recipientCount
          }
        }
        #expect(try org.messages.isEmpty)
      }
    }

    @Test func `a call that proves to have been made after it was held again is paid`() async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        var request = MessageRequest(
          contact: contact, body: "Hello", purpose: .transactional, channel: .voice)
        request.voice = VoicePlan(maxMinutes: 5, isRecorded: false, isVoicemailDrop: false)
        let planned = try await org.perform { [request] workspace throws(CommandError) in
          let id = try workspace.planMessage(request).id
          _ = try workspace.dispatch([id])
          try workspace.record(.notTaken(code: "not_listed", retryAtMicros: 0), for: id)
          return id
        }
        let call = try #require(planned.output)
        try house.advance(byMicros: 12 * Moment.hourMicros)
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.dispatch([call])
        }
        #expect(try org.message(call).status == .held)
        try await org.perform { workspace throws(CommandError) in
          try workspace.record(
            CallResult(outcome: .answered, durationSeconds: 61), providerID: "CA1", for: call)
        }
        #expect(try org.message(call).status == .delivered)
        #expect(try org.wallet.balanceMicros == 100_000_000 - 2 * 21_000)
        try await Invariants.check(org)
      }
    }
  }
}
