import Application
import Domain
import EventCodec
import EventLog
import Foundation
import Testing

@testable import Application

extension HouseTests {
  @Suite(.serialized) struct ErasureTests {
    static let phone = "+12125550123"
    static let nightMicros = Moment.openMicros - 12 * Moment.hourMicros

    private func erase(_ contact: Identifier, in org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.requestErasure(of: contact, reason: .personAsked)
      }
    }

    private func waitUntilErased(_ contact: Identifier, in org: TestOrg) async throws {
      try await wait("the erasure is on record") {
        try org.events.contains { $0.type == "subject.erased" && $0.stream == contact }
      }
    }

    /// How a message to a new contact with the number is judged.
    private func reason(
      of purpose: Purpose, to contact: Identifier, in org: TestOrg
    ) async throws -> GateReason? {
      let planned = try await org.send("Hello again", to: contact, purpose)
      if case .refused(let reason) = planned.verdict.outcome { return reason }
      return nil
    }

    @Test func `what waits for the person ends with the request, in one commit`() async throws {
      try await House.with(at: Self.nightMicros, isRunning: false) { house in
        let org = try await house.org()
        let workflow = try await org.publish(
          """
          name: Slow
          trigger: manual
          steps:
            - wait: 1 hour
            - send_sms: Still here?
          """)
        let contact = try await org.contact(Self.phone)
        let other = try await org.contact("+12125550199")
        let held = try await org.send("Later", to: contact).id
        let kept = try await org.send("Later", to: other).id
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.startRun(
            workspace.newID(.run), of: workflow, contact: contact)
        }
        try await erase(contact, in: org)
        let commit = try #require(try org.events.last).commitPosition
        let types = try org.events.filter { $0.commitPosition == commit }.map(\.type).sorted()
        #expect(
          types == [
            "message.cancelled", "subject.erasure_requested", "timer.cancelled",
            "timer.cancelled", "workflow.run_failed",
          ])
        #expect(try org.message(held).status == .cancelled)
        #expect(try org.message(kept).status == .held)
        try await Invariants.check(org)
      }
    }

    @Test func `an opt-out outlives the person: a new contact with the number is refused`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await org.receive("STOP", from: Self.phone)
        try await erase(contact, in: org)
        try await waitUntilErased(contact, in: org)

        let again = try await org.contact(Self.phone, name: "Again", consents: [])
        // By the live state, and by one folded from a log in which the number stands no more.
        for isRestarted in [false, true] {
          if isRestarted { try await house.restart() }
          #expect(try await reason(of: .transactional, to: again, in: org) == .revoked)
          // Nobody but the person takes it back.
          await #expect(throws: CommandError.self) {
            try await org.perform { workspace throws(CommandError) in
              try workspace.recordConsent(
                ConsentRequest(
                  channel: .sms, purpose: .marketing, method: .importStatement, source: "list",
                  wording: "I agree"), of: again)
            }
          }
        }
        try await Invariants.check(org)
      }
    }

    /// A list is about an address, whoever has it; whoever erases is told before.
    @Test func `the lists on which an address of the person's stays are named before`() async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        try await org.perform { workspace throws(CommandError) in
          try workspace.optOut(phone: Self.phone, email: nil, channel: .sms)
          _ = try workspace.suppress(
            ["+12125550177"], on: .sms, list: .landline, source: "provider")
          _ = try workspace.suppress(
            ["+12125550188"], on: .sms, list: .doNotCall, source: "letter")
        }
        let contact = try await org.contact("+12125550177", consents: [])
        let other = try await org.contact("+12125550199", consents: [])
        // The number of before counts as well.
        try await org.perform { workspace throws(CommandError) in
          try workspace.updateContact(
            contact, [FieldChange(field: "phone", value: .text(Self.phone))])
        }
        let listings = try await org.executor.read { workspace throws(CommandError) in
          try [contact, other].map { id throws(CommandError) in
            try workspace.lastingListings(of: id).map { "\($0.list) \($0.channel)" }
          }
        }
        #expect(listings == [["suppression sms", "landline sms"], []])
        // And so it is: the entries outlive the person, and nobody reads there whose they were.
        try await erase(contact, in: org)
        func listed() async throws -> [String] {
          try await org.executor.read { workspace throws(CommandError) in
            workspace.suppressions.map { $0.address }.sorted()
          }
        }
        let left = try await listed()
        #expect(left.first == "+12125550188")
        #expect(left.count == 3 && Set(left.dropFirst()).count == 2)
        #expect(left.dropFirst().allSatisfy { $0.hasPrefix("erased:") })
        try await house.restart()
        #expect(try await listed() == left)
        // Whoever has the number now is seen, and not written to.
        let next = try await org.contact("+12125550177", consents: [])
        #expect(try await listed().contains("+12125550177"))
        try await erase(next, in: org)
        #expect(try await listed() == left)
        // Staff take it off by its number, and what they put there anew is theirs to read.
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.unsuppress(
            ["+12125550177"], on: .sms, list: .landline, source: "staff")
        }
        #expect(try await listed().count == 2)
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.suppress(
            ["+12125550177"], on: .sms, list: .landline, source: "staff")
        }
        #expect(try await listed().contains("+12125550177"))
      }
    }

    @Test func `a new yes by the person lifts it, also for those who are erased after that`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        let first = try await org.contact(Self.phone)
        try await org.receive("STOP", from: Self.phone)
        try await erase(first, in: org)
        try await waitUntilErased(first, in: org)
        // Who writes from the number is a new contact.
        try await org.receive("START", from: Self.phone)
        let second = try #require(
          try org.events.last { $0.type == "contact.created" }?.stream)
        #expect(second != first)
        #expect(try await reason(of: .marketing, to: second, in: org) == nil)

        try await erase(second, in: org)
        try await waitUntilErased(second, in: org)
        try await house.restart()
        let third = try await org.contact(Self.phone, name: "Third")
        #expect(try await reason(of: .marketing, to: third, in: org) == nil)
        try await Invariants.check(org)
      }
    }

    private func move(_ contact: Identifier, to phone: String, in org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.updateContact(contact, [FieldChange(field: "phone", value: .text(phone))])
      }
    }

    @Test func `what somebody took back for their number stays so once they are erased`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        let before = try await org.contact(Self.phone)
        try await org.receive("STOP", from: Self.phone)
        try await move(before, to: "+12125550188", in: org)
        let holder = try await org.contact(Self.phone, name: "Ben", consents: [])
        #expect(try await reason(of: .transactional, to: holder, in: org) == .revoked)
        try await org.receive("START", from: Self.phone)
        #expect(try await reason(of: .marketing, to: holder, in: org) == nil)
        try await erase(holder, in: org)
        try await waitUntilErased(holder, in: org)
        let next = try await org.contact(Self.phone, name: "Cy", consents: [])
        for isRestarted in [false, true] {
          if isRestarted { try await house.restart() }
          #expect(try await reason(of: .transactional, to: next, in: org) == nil)
          #expect(
            try await reason(of: .transactional, to: before, in: org) == .revoked,
            "the no of who said it stays")
        }
        // Nothing was sent after a no, as far as anybody can tell from the book.
        #expect(Invariants.rules(try org.events).isEmpty)
      }
    }

    @Test func `the no of somebody who is erased is not that of who has their number by then`()
      async throws
    {
      try await House.with { house in
        let org = try await house.org()
        let before = try await org.contact(Self.phone)
        try await move(before, to: "+12125550188", in: org)
        let holder = try await org.contact(Self.phone, name: "Ben")
        try await org.receive("STOP", from: "+12125550188")
        try await erase(before, in: org)
        try await waitUntilErased(before, in: org)
        for isRestarted in [false, true] {
          if isRestarted { try await house.restart() }
          #expect(try await reason(of: .marketing, to: holder, in: org) == nil)
        }
        let again = try await org.contact("+12125550188", name: "Again", consents: [])
        #expect(try await reason(of: .transactional, to: again, in: org) == .revoked)
        try await Invariants.check(org)
      }
    }

    @Test(arguments: 0..<3)
    func `an erasure goes on from wherever a kill left it, and is recorded once`(
      stepsDone: Int
    ) async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await erase(contact, in: org)
        if stepsDone > 0 { try await house.log.erase(contact, of: org.id) }
        if stepsDone > 1 {
          try await org.perform { workspace throws(CommandError) in
            try workspace.recordDestruction(of: contact)
          }
        }
        for _ in 0..<2 {
          try await house.restart()
          try await waitUntilErased(contact, in: org)
        }
        #expect(
          try org.story(of: contact)
            == ["created", "opted_in", "erasure_requested", "data_destroyed", "erased"])
      }
    }

    @Test func `a campaign goes on without somebody who was erased after its launch`() async throws
    {
      try await House.with { house in
        let org = try await house.org()
        let gone = try await org.contact(Self.phone, tags: ["all"])
        let stays = try await org.contact("+12125550199", tags: ["all"])
        let segment = try await org.segment(tagged: "all")
        await house.stop()
        try house.start(reactors: false)
        let campaign = try await org.campaign("Hi there", segment)
        try await erase(gone, in: org)
        try await house.log.erase(gone, of: org.id)
        try await house.restart()
        try await org.waitForEnd(of: campaign)
        let plans = try org.events.compactMap { event -> MessagePlan? in
          guard case .message(.planned(let plan)) = event.event else { return nil }
          return plan
        }
        #expect(plans.map(\.contact).sorted() == [gone, stays].sorted())
        #expect(
          try org.events.contains { $0.stream == campaign && $0.type == "campaign.completed" })
        #expect(try await house.received(by: Self.phone).isEmpty)
        try await Invariants.check(org)
      }
    }

    /// The backup folders of a restored log are the real one's: of a rehearsal they would keep that somebody was erased.
    @Test func `an erasure on hold destroys keys, and comes to its end after the release`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let people = [try await org.contact(Self.phone), try await org.contact("+12125550199")]
        let nowMicros = house.clock.nowMicros()
        try house.hold(
          RestoreRecord(
            restoredAtMicros: nowMicros, head: 1, dataUpToMicros: nowMicros, incarnation: 2))
        try await house.restart()
        for (index, person) in people.enumerated() {
          try await erase(person, in: org)
          // With the second one all is done that is done about the first.
          try await wait("the keys are destroyed") {
            house.erasures.counts.destroyings == index + 1
          }
        }
        #expect(house.erasures.counts.erasings == 0)
        #expect(try !org.events.contains { $0.type == "subject.data_destroyed" })
        #expect(try house.releaseHold())
        for person in people { try await waitUntilErased(person, in: org) }
        #expect(house.erasures.counts.erasings > 0)
      }
    }

    @Test func `one account's erasures that cannot go on keep nobody's keys`() async throws {
      try await House.with(isRunning: false) { house in
        house.erasures.setRefused(true)
        let orgs = [try await house.org(), try await house.org()]
        var people: [Identifier] = []
        for org in orgs {
          // More than are taken out at once.
          for index in 0..<5 {
            let person = try await org.contact("+1212555012\(index)")
            try await erase(person, in: org)
            people.append(person)
          }
        }
        try await house.restart()
        let subjects = Set(people.map { SubjectID($0.value) })
        try await wait("all keys are destroyed") { house.erasures.counts.subjects == subjects }
        house.erasures.setRefused(false)
        for org in orgs {
          try await wait("the erasures are on record") {
            try org.events.count { $0.type == "subject.erased" } == 5
          }
        }
      }
    }

    @Test func `a restored log is told that its people were erased`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        try await house.log.erase(contact, of: org.id)
        try await house.restart()
        try await waitUntilErased(contact, in: org)
        let request = try org.events.compactMap { event -> ErasureRequest? in
          guard case .contact(.erasureRequested(let request)) = event.event else { return nil }
          return request
        }
        #expect(request.map(\.reason) == [.restored])
      }
    }
  }
}

extension EventLogWriter {
  /// As the tombstones of a backup do it: nobody asked.
  func erase(_ contact: Identifier, of org: Identifier) async throws {
    let eraser = try #require(self as? any SubjectEraser)
    try await eraser.erase([SubjectID(contact.value)], org: OrgID(org.value))
  }
}
