import Application
import Domain
import EventCodec
import EventLog
import Foundation
import Testing

@testable import Application

extension HouseTests {
  @Suite(.serialized) struct WorkflowTests {
    static let phone = "+12125550123"

    static let followUp = """
      name: Follow-up
      trigger: {tag_added: webinar}
      steps:
        - send_sms: Thanks for joining
        - wait: 1 day
        - if: not replied
          then:
            - send_sms: Any questions?
          else:
            - add_tag: engaged
      """

    private func runs(of org: TestOrg) throws -> [Identifier] {
      try org.events.filter { $0.type == "workflow.run_started" }.map(\.stream)
    }

    private func waitForRuns(_ count: Int, _ type: String, of org: TestOrg) async throws {
      try await wait("\(count) of \(type)") {
        try org.events.count { $0.type == type } == count
      }
    }

    private static func templated(_ template: Identifier) -> String {
      """
      name: Templated
      trigger: {tag_added: webinar}
      steps:
        - wait: 1 day
        - send_email: {template: \(template)}
      """
    }

    @Test func `a template of another account is refused when the workflow is published`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let unknown = Identifier(.template, 7)
        await #expect(throws: CommandError.self) { try await org.publish(Self.templated(unknown)) }
        let created = try await org.perform { workspace throws(CommandError) in
          try workspace.createTemplate(
            name: "Text", channel: .sms, TemplateContent(body: "Hi"))
        }
        let text = try #require(created.output)
        await #expect(throws: CommandError.self) { try await org.publish(Self.templated(text)) }
      }
    }

    /// A message for later than all that waits goes out once its moment has come.
    private func checkLast(in org: TestOrg) async throws {
      let contact = try await org.contact(Self.phone)
      let planned = try await org.perform { workspace throws(CommandError) in
        var request = MessageRequest(contact: contact, body: "Later", purpose: .transactional)
        request.sendAtMicros = workspace.nowMicros + Moment.dayMicros + Moment.hourMicros
        return try workspace.planMessage(request)
      }
      let last = try #require(planned.output).id
      await org.house.stop()
      try org.house.start()
      try org.house.advance(byMicros: Moment.dayMicros + Moment.hourMicros)
      try await org.waitFor(last, .delivered)
    }

    @Test func `runs at a step with an unknown template fail, and keep nobody else waiting`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        // As it was published before anybody looked.
        let source = Self.templated(Identifier(.template, 7))
        let definition = try WorkflowDocument.definition(of: source)
        let contact = try await org.contact("+12125550124")
        let started = try await org.perform { workspace throws(CommandError) in
          let workflow = workspace.newID(.workflow)
          try workspace.run(
            Workflow.self, workflow, .publish(definition, source: source), isNew: true)
          let run = try workspace.startRun(
            workspace.newID(.run), of: workflow, contact: contact)
          return run
        }
        let output = try #require(started.output)
        let run = try #require(output)
        try await checkLast(in: org)
        #expect(try house.engine.run(run, of: org.id).state.status == .failed)
        try await Invariants.check(org)
      }
    }

    @Test func `timers that are refused come after those that are not`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org()
        let source = "name: Nobody\ntrigger: manual\nsteps:\n  - wait: 1 day\n  - send_sms: Hi\n"
        let definition = try WorkflowDocument.definition(of: source)
        // More than are looked at in one round, of contacts that are not there: no step foresees that.
        let made = try await org.perform { workspace throws(CommandError) in
          let workflow = try workspace.publishWorkflow(definition, source: source)
          let dueMicros = workspace.nowMicros + Moment.dayMicros
          var runs: [Identifier] = []
          for _ in 0..<70 {
            let (run, timer) = (workspace.newID(.run), workspace.newID(.timer))
            try workspace.run(
              WorkflowRun.self, run,
              .start(
                workflow: workflow, version: 1, contact: workspace.newID(.contact),
                firstStep: "step-1"), isNew: true)
            try workspace.run(
              WorkflowRun.self, run, .wait(step: "step-1", timer: timer, untilMicros: dueMicros))
            try workspace.run(
              Timer.self, timer, .schedule(owner: run, dueMicros: dueMicros), isNew: true)
            runs.append(run)
          }
          return runs
        }
        try #require(made.output?.count == 70)
        try await checkLast(in: org)
      }
    }

    @Test func `a tag starts a run wherever it comes from`() async throws {
      try await House.with { house in
        let org = try await house.org()
        _ = try await org.publish(Self.followUp)
        _ = try await org.publish(
          """
          name: Leads
          trigger: contact_created
          steps:
            - add_tag: webinar
          """)
        // By another workflow.
        let first = try await org.contact(Self.phone)
        // With the creation, as an import does; the other workflow adds nothing.
        let second = try await org.contact("+12125550124", tags: ["webinar"])
        try await waitForRuns(2, "workflow.waiting", of: org)
        let contacts = try org.events.compactMap { recorded -> Identifier? in
          guard case .run(.started(_, _, let contact, let step)) = recorded.event,
            step == "step-1", try house.engine.run(recorded.stream, of: org.id).state.step != nil
          else { return nil }
          return contact
        }
        #expect(Set(contacts) == [first, second])
      }
    }

    @Test(arguments: [true, false])
    func `a wait survives a restart and the branch sees the reply`(replies: Bool) async throws {
      try await House.with { house in
        let org = try await house.org()
        _ = try await org.publish(Self.followUp)
        let contact = try await org.contact(Self.phone)
        try await org.tag(contact, "webinar")
        try await waitForRuns(1, "workflow.waiting", of: org)
        try await house.restart()
        if replies { try await org.receive("Great!", from: Self.phone) }
        house.clock.advance(byMicros: Moment.dayMicros)
        try await house.restart()
        try await waitForRuns(1, "workflow.run_completed", of: org)
        try await org.waitUntilQuiet()
        #expect(try await house.received(by: Self.phone).count == (replies ? 1 : 2))
        #expect(
          try org.events.contains {
            $0.type == "contact.tagged"
              && $0.event
                == .contact(.tagged(tag: "engaged"))
          } == replies)
        try await Invariants.check(org)
      }
    }

    @Test func `a lost or old cursor starts nothing twice and nothing late`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let workflow = try await org.publish(
          """
          name: Quick
          trigger: {tag_added: a}
          steps:
            - wait: 1 minute
            - add_tag: done
          """)
        let contact = try await org.contact(Self.phone)
        try await org.tag(contact, "a")
        try await waitForRuns(1, "workflow.waiting", of: org)
        // On its way already: this one starts nothing, now and later.
        try await org.untag(contact, "a")
        try await org.tag(contact, "a")
        let paused = try await org.contact("+12125550124", name: "Bob")
        try await org.perform { workspace throws(CommandError) in
          try workspace.setWorkflow(workflow, paused: true)
        }
        try await org.tag(paused, "a")
        try await org.perform { workspace throws(CommandError) in
          try workspace.setWorkflow(workflow, paused: false)
        }
        try house.advance(byMicros: 2 * Moment.minuteMicros)
        try await waitForRuns(1, "workflow.run_completed", of: org)
        try await house.restart()
        await house.stop()
        try FileManager.default.removeItem(atPath: house.cursorDirectory + "/workflows.json")
        try house.start()
        // A later event shows that everything before it was met again.
        let last = try await org.contact("+12125550125", name: "Cy", tags: ["a"])
        try await wait("the last one is on its way") {
          try org.events.contains {
            if case .run(.started(_, _, last, _)) = $0.event { true } else { false }
          }
        }
        #expect(try runs(of: org).count == 2)
      }
    }

    @Test func `workflows that start each other end with a failed run`() async throws {
      try await House.with { house in
        let org = try await house.org()
        for (name, other) in [("a", "b"), ("b", "a")] {
          _ = try await org.publish(
            """
            name: From \(name)
            trigger: {tag_added: \(name)}
            steps:
              - remove_tag: \(name)
              - wait: 1 second
              - add_tag: \(other)
            """)
        }
        let contact = try await org.contact(Self.phone)
        try await org.tag(contact, "a")
        for _ in 0..<200 where try !org.events.contains(where: { $0.type == "workflow.run_failed" })
        {
          try house.advance(byMicros: 2_000_000)
          try await Task.sleep(for: .milliseconds(10))
        }
        try await waitForRuns(1, "workflow.run_failed", of: org)
        let failed = try #require(try org.events.last { $0.type == "workflow.run_failed" })
        guard case .run(.failed(_, "too_deep")) = failed.event else {
          Issue.record("\(failed.event)")
          return
        }
        let count = try runs(of: org).count
        #expect(count > 2 && count <= Int(Workspace.depthLimit) + 2)
        try house.advance(byMicros: Moment.hourMicros)
        try await Task.sleep(for: .milliseconds(50))
        #expect(try runs(of: org).count == count)
      }
    }

    @Test func `a run that says more than a commit takes fails alone`() async throws {
      try await House.with { house in
        let org = try await house.org()
        let made = try await org.perform { workspace throws(CommandError) in
          try workspace.configureProvider(
            ProviderSettings(
              service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:1",
              options: ["from": "hi@acme.example"], secrets: .known(["api_key": "k"])))
          return try workspace.createTemplate(
            name: "Long", channel: .email,
            TemplateContent(
              body: "Hello", subject: "Hello",
              html: "<p>" + String(repeating: "long ", count: 90_000) + "</p>"))
        }
        let template = try #require(made.output)
        let step = "  - send_email: {template: \(template), purpose: transactional}\n"
        _ = try await org.publish(
          "name: Long\ntrigger: {tag_added: long}\nsteps:\n"
            + String(repeating: step, count: 45))
        _ = try await org.publish(
          "name: Short\ntrigger: {tag_added: short}\nsteps:\n  - add_tag: done\n")
        let created = try await org.perform { workspace throws(CommandError) in
          try workspace.createContact(
            ContactRequest(
              details: ContactDetails(firstName: "Ann", email: "ann@example.com"), source: "test"))
        }
        let contact = try #require(created.output)
        try await org.tag(contact, "long")
        try await org.tag(contact, "short")
        try await waitForRuns(1, "workflow.run_failed", of: org)
        try await waitForRuns(1, "workflow.run_completed", of: org)
        let failed = try org.events.compactMap { recorded -> String? in
          guard case .run(.failed(_, let reason)) = recorded.event else { return nil }
          return reason
        }
        #expect(failed == ["too_large"])
        #expect(try org.messages.count > 10)
      }
    }

    @Test func `a failed append only delays a start`() async throws {
      let log = FaultyLog(MemoryEventLog())
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        _ = try await org.publish(Self.followUp)
        let contact = try await org.contact(Self.phone)
        try await org.tag(contact, "webinar")
        log.next(.refuse(.logFull(capacityBytes: 1)), .refuse(.overloaded(waiting: 1)))
        try await house.restart()
        try await waitForRuns(1, "workflow.waiting", of: org)
        #expect(try runs(of: org).count == 1)
        #expect(house.reports.contains { $0.contains("log_full") })
      }
    }
  }
}
