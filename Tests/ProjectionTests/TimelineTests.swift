import Domain
import ProjectionRuntime
import Testing
import TimelineProjection

@Suite struct TimelineTests {
  @Test func `a message is one entry whose state is followed`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(message(1), [planned(to: ann, "Hello"), queued])
      try await desk.history.append(message(1), [dispatched])
      try await desk.history.append(message(1), [accepted])
      try await desk.history.append(message(1), [sent])
      try await desk.history.append(message(1), [delivered])
      try await desk.project(batchLimit: 2)
      #expect(
        try desk.table(
          """
          SELECT e.position, kind, type, title, m.body, m.status, m.version, m.provider_id
          FROM timeline_v3.entries e LEFT JOIN timeline_v3.messages m USING (org, message)
          ORDER BY e.position DESC
          """) == [
            "2 | message | message.planned | Message | Hello | delivered | 6 | SM1",
            "1 | contact | contact.created | Contact created (api) | - | - | - | -",
          ])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a timeline is filtered by kind and conversation, and an event knows its effects`()
    async throws
  {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      let wrote = try await desk.history.append(
        message(1), [received(from: ann, "STOP", providerID: "SM1")])
      let reaction = Who(actor: "system:inbound", origin: "reactor", causation: wrote)
      try await desk.history.append(ann, [optedOut()], by: reaction)
      try await desk.history.append(message(2), [planned(to: ann, "Bye")], by: reaction)
      try await desk.project(batchLimit: 2)
      var request = TimelineQueries.Request(contact: ann)
      request.kinds = [.consent, .contact]
      let facts = try await TimelineQueries.list(desk.readers, org: acme, request)
      #expect(facts.rows.map(\.kind) == [.consent, .contact])
      let talks = try await TimelineQueries.conversations(desk.readers, org: acme, contact: ann)
      #expect(talks.map(\.name) == ["sms +12025550199"])
      #expect(talks.map(\.messageCount) == [2])
      request = TimelineQueries.Request(contact: ann)
      request.conversation = talks.first?.name
      let talk = try await TimelineQueries.list(desk.readers, org: acme, request)
      #expect(talk.rows.map(\.position) == [4, 2])
      let effects = try await TimelineQueries.effects(
        desk.readers, org: acme, of: wrote, PageRequest())
      #expect(effects.rows.map(\.type) == ["contact.opted_out", "message.planned"])
      #expect(effects.rows.allSatisfy { $0.cause == Int64(wrote) && $0.contact == ann })
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `what a person wrote, consent and a workflow's steps are entries`() async throws {
    let run = Identifier(.run, 7)
    let flow = Identifier(.workflow, 8)
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(ann, [optedIn()])
      try await desk.history.append(message(2), [received(from: ann, "STOP", providerID: "SM9")])
      try await desk.history.append(ann, [optedOut()])
      try await desk.history.append(
        run, [.run(.started(workflow: flow, version: 1, contact: ann, firstStep: "s1"))])
      try await desk.history.append(
        run, [.run(.stepAdvanced(step: "s1", outcome: "sent", message: message(3), next: nil))])
      try await desk.project(batchLimit: 1)
      #expect(
        try desk.table(
          "SELECT kind, title FROM timeline_v3.entries ORDER BY position OFFSET 1") == [
            "consent | Opted in to marketing sms (web_form)",
            "message | Message received",
            "consent | Opted out of sms (keyword)",
            "workflow | Workflow started",
            "workflow | Step s1: sent",
          ])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a held message says until when, and its verdict is kept`() async throws {
    let until = History.startMicros + 3_600_000_000
    try await withDesk { desk in
      try await desk.history.append(
        message(1),
        [
          planned(to: ann, "Hello"),
          .message(
            .held(
              reason: .quietHours, untilMicros: until,
              verdict: verdict(.held(.quietHours, untilMicros: until)))),
        ])
      try await desk.project()
      #expect(
        try desk.table(
          """
          SELECT status, reason, held_until, verdict->>'outcome', verdict->'facts'->>'consent'
          FROM timeline_v3.messages
          """) == ["held | quiet_hours | 2025-06-01 13:00:00+00 | held | opted_in"])
    }
  }

  @Test func `news of a message that nobody planned waits, and everything else goes on`()
    async throws
  {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(message(1), [sent])
      try await desk.history.append(bob, [created("Bob")])
      try await desk.project()
      #expect(
        try desk.table(
          """
          SELECT name, state, position, parked_count FROM daybook.projections
          WHERE name IN ('contacts', 'timeline') ORDER BY name
          """) == ["contacts | live | 3 | 0", "timeline | live | 3 | 1"])
      #expect(try desk.table("SELECT count(*) FROM timeline_v3.entries") == ["2"])
    }
  }
}
