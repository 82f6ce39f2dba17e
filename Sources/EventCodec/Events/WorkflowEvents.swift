import Domain
import JSON

extension Workflow.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case published = "workflow.published"
    case paused = "workflow.paused"
    case resumed = "workflow.resumed"
    case deleted = "workflow.deleted"
  }

  static var streamKind: Identifier.Kind { .workflow }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .published(let version, let definition, let source):
      payload.fields.field("version", version)
      definition.write(to: &payload.fields)
      payload.fields.field("source", source)
      return .published
    case .paused: return .paused
    case .resumed: return .resumed
    case .deleted: return .deleted
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .published:
      .published(
        version: try payload.fields.int("version"),
        definition: try WorkflowDefinition.read(from: &payload.fields),
        source: try payload.fields.string("source"))
    case .paused: .paused
    case .resumed: .resumed
    case .deleted: .deleted
    }
  }
}

extension WorkflowDefinition {
  fileprivate func write(to fields: inout JSONWriter) {
    fields.field("name", name)
    fields.object("trigger") { object in
      switch trigger {
      case .tagAdded(let tag): object.field("tag_added", tag)
      case .contactCreated: object.field("contact_created", true)
      case .messageReceived: object.field("message_received", true)
      case .manual: object.field("manual", true)
      }
    }
    fields.objects("steps", steps) { $0.write(to: &$1) }
  }

  fileprivate static func read(from fields: inout FieldReader) throws(CodecError) -> Self {
    WorkflowDefinition(
      name: try fields.string("name"), trigger: try fields.object("trigger", Trigger.read),
      steps: try fields.objects("steps", WorkflowStep.read))
  }
}

extension WorkflowDefinition.Trigger {
  fileprivate static func read(from object: inout FieldReader) throws(CodecError) -> Self {
    if let tag = try object.optionalString("tag_added") { return .tagAdded(tag) }
    if try object.isSet("contact_created") { return .contactCreated }
    if try object.isSet("message_received") { return .messageReceived }
    if try object.isSet("manual") { return .manual }
    throw object.error("trigger")
  }
}

extension WorkflowStep {
  fileprivate func write(to object: inout JSONWriter) {
    object.field("id", id)
    switch action {
    case .sendSMS(let body, let purpose):
      object.field("action", "send_sms")
      object.field("body", body)
      object.field("purpose", purpose)
    case .send(let message):
      object.field("action", "send")
      message.write(to: &object)
    case .wait(let durationMicros):
      object.field("action", "wait")
      object.field("duration_micros", durationMicros)
    case .addTag(let tag):
      object.field("action", "add_tag")
      object.field("tag", tag)
    case .removeTag(let tag):
      object.field("action", "remove_tag")
      object.field("tag", tag)
    case .branch(let condition, let then, let otherwise):
      object.field("action", "branch")
      object.field("condition", condition.json)
      object.optional("then", then)
      object.optional("otherwise", otherwise)
    }
    object.optional("next", next)
  }

  fileprivate static func read(from object: inout FieldReader) throws(CodecError) -> Self {
    WorkflowStep(
      id: try object.string("id"), action: try readAction(from: &object),
      next: try object.optionalString("next"))
  }

  private static func readAction(from object: inout FieldReader) throws(CodecError) -> Action {
    switch try object.string("action") {
    case "send_sms":
      .sendSMS(body: try object.string("body"), purpose: try object.word("purpose"))
    case "send": .send(try StepMessage.read(from: &object))
    case "wait": .wait(durationMicros: try object.int64("duration_micros"))
    case "add_tag": .addTag(try object.string("tag"))
    case "remove_tag": .removeTag(try object.string("tag"))
    case "branch":
      .branch(
        try readCondition(from: &object), then: try object.optionalString("then"),
        otherwise: try object.optionalString("otherwise"))
    default: throw object.error("action")
    }
  }

  private static func readCondition(
    from object: inout FieldReader
  ) throws(CodecError) -> Condition {
    guard let condition = Condition(json: try object.json("condition")) else {
      throw object.error("condition")
    }
    return condition
  }
}

extension StepMessage {
  fileprivate func write(to object: inout JSONWriter) {
    object.field("channel", channel)
    object.field("purpose", purpose)
    object.field("body", body)
    object.optional("subject", subject)
    object.optional("html", html)
    object.optional("voicemail", voicemail)
    object.optional("max_minutes", maxMinutes.map(Int64.init))
    object.optional("template", template)
  }

  fileprivate static func read(from object: inout FieldReader) throws(CodecError) -> Self {
    StepMessage(
      channel: try object.word("channel"), purpose: try object.word("purpose"),
      body: try object.string("body"), subject: try object.optionalString("subject"),
      html: try object.optionalString("html"), voicemail: try object.optionalString("voicemail"),
      maxMinutes: try object.optionalInt64("max_minutes").map(Int.init),
      template: try object.optionalIdentifier("template", .template))
  }
}

extension WorkflowStep.Condition {
  /// `"replied"`, `{"not": …}` or `{"contact": <filter>}`.
  fileprivate var json: JSON {
    switch self {
    case .replied: "replied"
    case .contact(let filter): ["contact": FilterGrammar.json(filter)]
    case .not(let condition): ["not": condition.json]
    }
  }

  fileprivate init?(json: JSON) {
    if json == "replied" {
      self = .replied
    } else if let inner = json["not"], let condition = Self(json: inner) {
      self = .not(condition)
    } else if let inner = json["contact"], let filter = try? FilterGrammar.shape(of: inner) {
      self = .contact(filter)
    } else {
      return nil
    }
  }
}

extension WorkflowRun.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case started = "workflow.run_started"
    case stepAdvanced = "workflow.step_advanced"
    case waiting = "workflow.waiting"
    case completed = "workflow.run_completed"
    case failed = "workflow.run_failed"
  }

  static var streamKind: Identifier.Kind { .run }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .started(let workflow, let version, let contact, let firstStep):
      payload.fields.field("workflow", workflow)
      payload.fields.field("version", version)
      payload.fields.field("contact", contact)
      payload.fields.field("first_step", firstStep)
      return .started
    case .stepAdvanced(let step, let outcome, let message, let next):
      payload.fields.field("step", step)
      payload.fields.field("outcome", outcome)
      payload.fields.optional("message", message)
      payload.fields.optional("next", next)
      return .stepAdvanced
    case .waiting(let step, let timer, let untilMicros):
      payload.fields.field("step", step)
      payload.fields.field("timer", timer)
      payload.fields.field("until_micros", untilMicros)
      return .waiting
    case .completed:
      return .completed
    case .failed(let step, let reason):
      payload.fields.field("step", step)
      payload.fields.field("reason", reason)
      return .failed
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .started:
      .started(
        workflow: try payload.fields.identifier("workflow", .workflow),
        version: try payload.fields.int("version"),
        contact: try payload.fields.identifier("contact", .contact),
        firstStep: try payload.fields.string("first_step"))
    case .stepAdvanced:
      .stepAdvanced(
        step: try payload.fields.string("step"), outcome: try payload.fields.string("outcome"),
        message: try payload.fields.optionalIdentifier("message", .message),
        next: try payload.fields.optionalString("next"))
    case .waiting:
      .waiting(
        step: try payload.fields.string("step"),
        timer: try payload.fields.identifier("timer", .timer),
        untilMicros: try payload.fields.int64("until_micros"))
    case .completed: .completed
    case .failed:
      .failed(
        step: try payload.fields.string("step"), reason: try payload.fields.string("reason"))
    }
  }
}
