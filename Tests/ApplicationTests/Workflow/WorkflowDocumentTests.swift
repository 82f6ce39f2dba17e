import Application
import Domain
import Testing

@Suite struct WorkflowDocumentTests {
  @Test func `the documented example is flattened into steps`() throws {
    let definition = try WorkflowDocument.definition(
      of: """
        name: Webinar follow-up
        trigger:
          tag_added: webinar
        steps:
          - send_sms: "Hi {{first_name|there}}, thanks for joining. Reply STOP to opt out."
          - wait: 1 day
          - if: not replied
            then:
              - send_sms: "Any questions, {{first_name|there}}?"
            else:
              - add_tag: engaged
        """)
    #expect(
      definition
        == WorkflowDefinition(
          name: "Webinar follow-up", trigger: .tagAdded("webinar"),
          steps: [
            WorkflowStep(
              id: "step-1",
              action: .sendSMS(
                body: "Hi {{first_name|there}}, thanks for joining. Reply STOP to opt out.",
                purpose: .marketing), next: "step-2"),
            WorkflowStep(
              id: "step-2", action: .wait(durationMicros: 86_400_000_000), next: "step-3"),
            WorkflowStep(
              id: "step-3",
              action: .branch(.not(.replied), then: "step-3-then-1", otherwise: "step-3-else-1"),
              next: nil),
            WorkflowStep(
              id: "step-3-then-1",
              action: .sendSMS(
                body: "Any questions, {{first_name|there}}?", purpose: .marketing), next: nil),
            WorkflowStep(id: "step-3-else-1", action: .addTag("engaged"), next: nil),
          ]))
  }

  @Test func `branches nest, join again and keep the ids that people gave`() throws {
    let definition = try WorkflowDocument.definition(
      of: """
        name: Nested
        trigger: manual
        steps:
          - id: check
            if: {field: tags, op: contains, value: vip}
            then:
              - if: replied
                then: [{remove_tag: cold}, {add_tag: hot}]
              - wait: 90 minutes
          - id: end
            send_sms: {body: Bye, purpose: transactional}
        """)
    let vip = Filter.condition(
      Filter.Condition(field: "tags", comparison: .contains, value: .text("vip")))
    #expect(definition.trigger == .manual)
    #expect(
      definition.steps == [
        WorkflowStep(
          id: "check", action: .branch(.contact(vip), then: "check-then-1", otherwise: nil),
          next: "end"),
        WorkflowStep(
          id: "check-then-1",
          action: .branch(.replied, then: "check-then-1-then-1", otherwise: nil),
          next: "check-then-2"),
        WorkflowStep(
          id: "check-then-1-then-1", action: .removeTag("cold"), next: "check-then-1-then-2"),
        WorkflowStep(id: "check-then-1-then-2", action: .addTag("hot"), next: "check-then-2"),
        WorkflowStep(
          id: "check-then-2", action: .wait(durationMicros: 5_400_000_000), next: "end"),
        WorkflowStep(
          id: "end", action: .sendSMS(body: "Bye", purpose: .transactional), next: nil),
      ])
  }

  @Test(arguments: [
    ("tag_added: vip", WorkflowDefinition.Trigger.tagAdded("vip")), ("manual", .manual),
    ("{contact_created: true}", .contactCreated), ("{contact_created: }", .contactCreated),
    ("message_received", .messageReceived),
  ])
  func `a trigger is a word or a word and its value`(
    trigger: String, expected: WorkflowDefinition.Trigger
  ) throws {
    let trigger = trigger.contains(":") && !trigger.hasPrefix("{") ? "{\(trigger)}" : trigger
    let definition = try WorkflowDocument.definition(
      of: "name: x\ntrigger: \(trigger)\nsteps: [{add_tag: y}]")
    #expect(definition.trigger == expected)
  }

  @Test(
    arguments: [
      ("1 day", 86_400), ("90 minutes", 5_400), ("2 hours 30 minutes", 9_000), ("1 second", 1),
      ("1 week and 2 days", 777_600), ("1 hour, 5 seconds", 3_605), ("366 days", 31_622_400),
    ] as [(String, Int64)])
  func `a wait is written in words`(wait: String, seconds: Int64) throws {
    let definition = try WorkflowDocument.definition(
      of: "name: x\ntrigger: manual\nsteps:\n  - wait: \(wait)")
    #expect(definition.steps.first?.action == .wait(durationMicros: seconds * 1_000_000))
  }

  @Test(arguments: [
    "day", "5", "1 fortnight", "0 days", "-1 day", "1.5 hours", "1 day 2", "[1]", "''",
  ])
  func `a wait that is no duration is refused`(wait: String) {
    let error = #expect(throws: WorkflowDocumentError.self) {
      try WorkflowDocument.definition(of: "name: x\ntrigger: manual\nsteps:\n  - wait: \(wait)")
    }
    #expect(error?.message.hasPrefix("a wait is a number with seconds") == true)
    #expect(error?.line == 4 && error?.column == 11)
  }

  @Test(arguments: [
    ("trigger: manual\nsteps: []", "name is missing", 1, 1),
    ("name: x\ntrigger: manual\nsteps: []", "steps must be a list with at least one step", 3, 8),
    ("name: x\ntrigger: manual\nsteps: [{add_tag: y}]\nstep: 1", "step is not known here", 4, 1),
    (
      "name: x\ntrigger: never\nsteps: [{add_tag: y}]",
      "a trigger is one of tag_added, contact_created, message_received, manual", 2, 10
    ),
    ("name: x\ntrigger: tag_added\nsteps: [{add_tag: y}]", "tag_added needs a tag", 2, 10),
    (
      "name: x\ntrigger: manual\nsteps:\n  - add_tag: y\n  - send_mms: z",
      "send_mms is not known: a step is one of send_sms, send_email, call, wait, if, add_tag, remove_tag",
      5, 5
    ),
    (
      "name: x\ntrigger: manual\nsteps:\n  - add_tag: y\n    wait: 1 day",
      "wait is not known here", 5, 5
    ),
    ("name: x\ntrigger: manual\nsteps:\n  - add_tag:", "the tag must be a text", 4, 13),
    ("name: x\ntrigger: manual\nsteps:\n  - then: []", "then needs an if", 4, 5),
    ("name: x\ntrigger: manual\nsteps:\n  - if: replied", "then is missing", 4, 5),
    (
      "name: x\ntrigger: manual\nsteps:\n  - {id: a, add_tag: y}\n  - {id: a, add_tag: y}",
      "another step has the id a", 5, 10
    ),
    (
      "name: x\ntrigger: manual\nsteps:\n  - if: perhaps\n    then: [{add_tag: y}]",
      "a condition is replied, not replied or a filter", 4, 9
    ),
    (
      "name: x\ntrigger: manual\nsteps:\n  - if:\n      any:\n        - field: shoe\n          op: eq\n"
        + "          value: 9\n    then: [{add_tag: y}]",
      "any[0].field: is not a field of contacts", 6, 18
    ),
    (
      "name: x\ntrigger: manual\nsteps:\n  - send_sms: 'Hi {{nick}}'",
      "invalid_merge_field: {{nick}} is not a field of contacts", 4, 15
    ),
    (
      "name: x\ntrigger: manual\nsteps:\n  - send_sms:\n      body: Hi\n      purpose: fun",
      "a purpose is marketing or transactional", 6, 16
    ),
  ])
  func `what is wrong is named with its place`(
    source: String, message: String, line: Int, column: Int
  ) {
    let error = #expect(throws: WorkflowDocumentError.self) {
      try WorkflowDocument.definition(of: source)
    }
    #expect(error?.message == message)
    #expect(error?.line == line)
    #expect(error?.column == column)
    #expect(error?.code == "invalid_workflow")
  }

  @Test func `text that is no YAML is refused with its place`() {
    let error = #expect(throws: WorkflowDocumentError.self) {
      try WorkflowDocument.definition(of: "name: x\nsteps: [")
    }
    #expect(error?.line == 2 || error?.line == 3)
  }

  @Test func `a document cannot nest or grow without end`() {
    let nested = (0..<12).reduce("{add_tag: y}") { inside, _ in "{if: replied, then: [\(inside)]}" }
    #expect(throws: WorkflowDocumentError.self) {
      try WorkflowDocument.definition(of: "name: x\ntrigger: manual\nsteps: [\(nested)]")
    }
    let many = Array(repeating: "{add_tag: y}", count: 201).joined(separator: ", ")
    #expect(throws: WorkflowDocumentError.self) {
      try WorkflowDocument.definition(of: "name: x\ntrigger: manual\nsteps: [\(many)]")
    }
  }

  @Test func `what is read can be published`() throws {
    let definition = try WorkflowDocument.definition(
      of: "name: x\ntrigger: manual\nsteps: [{if: replied, then: [{wait: 1 day}]}, {add_tag: y}]")
    let events = try Workflow.decide(
      .publish(definition, source: "s"), given: Workflow.initialState)
    #expect(events == [.published(version: 1, definition: definition, source: "s")])
  }
}
