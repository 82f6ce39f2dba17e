import Domain
import JSON

extension Segment.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "segment.created"
    case updated = "segment.updated"
    case deleted = "segment.deleted"
    case restored = "segment.restored"
  }

  static var streamKind: Identifier.Kind { .segment }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let name, let filter):
      payload.fields.field("name", name)
      payload.fields.field("filter", FilterGrammar.json(filter))
      return .created
    case .updated(let name, let filter):
      payload.fields.field("name", name)
      payload.fields.field("filter", FilterGrammar.json(filter))
      return .updated
    case .deleted:
      return .deleted
    case .restored(let name, let filter, let createdAtMicros):
      payload.fields.field("name", name)
      payload.fields.field("filter", FilterGrammar.json(filter))
      payload.fields.field("created_at_micros", createdAtMicros)
      return .restored
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      .created(
        name: try payload.fields.string("name"), filter: try payload.fields.filter("filter"))
    case .updated:
      .updated(
        name: try payload.fields.string("name"), filter: try payload.fields.filter("filter"))
    case .deleted: .deleted
    case .restored:
      .restored(
        name: try payload.fields.string("name"), filter: try payload.fields.filter("filter"),
        createdAtMicros: try payload.fields.int64("created_at_micros"))
    }
  }
}

extension FieldReader {
  mutating func filter(_ name: StaticString) throws(CodecError) -> Filter {
    guard let filter = try? FilterGrammar.shape(of: try json(name)) else { throw error(name) }
    return filter
  }
}

extension Campaign.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "campaign.created"
    case launched = "campaign.launched"
    case audienceRecorded = "campaign.audience_recorded"
    case batchPlanned = "campaign.batch_planned"
    case completed = "campaign.completed"
    case cancelled = "campaign.cancelled"
    case paused = "campaign.paused"
    case resumed = "campaign.resumed"
    case paceSet = "campaign.pace_set"
    case updated = "campaign.updated"
    case deleted = "campaign.deleted"
  }

  static var streamKind: Identifier.Kind { .campaign }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let definition):
      definition.write(to: &payload.fields)
      return .created
    case .launched(let filter, let plannedCount):
      payload.fields.field("filter", FilterGrammar.json(filter))
      payload.fields.field("planned_count", plannedCount)
      return .launched
    case .audienceRecorded(let ordinal, let contacts):
      payload.fields.field("ordinal", ordinal)
      payload.fields.field("contacts", contacts)
      return .audienceRecorded
    case .batchPlanned(let ordinal):
      payload.fields.field("ordinal", ordinal)
      return .batchPlanned
    case .completed(let outcome):
      outcome.write(to: &payload.fields)
      return .completed
    case .cancelled(let by):
      payload.fields.field("by", by)
      return .cancelled
    case .paused(let by):
      payload.fields.field("by", by)
      return .paused
    case .resumed(let by):
      payload.fields.field("by", by)
      return .resumed
    case .paceSet(let perMinute):
      payload.fields.optional("per_minute", perMinute.map(Int64.init))
      return .paceSet
    case .updated(let definition):
      definition.write(to: &payload.fields)
      return .updated
    case .deleted:
      return .deleted
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created: .created(try CampaignDefinition.read(from: &payload.fields))
    case .launched:
      .launched(
        filter: try payload.fields.filter("filter"),
        plannedCount: try payload.fields.int("planned_count"))
    case .audienceRecorded:
      .audienceRecorded(
        ordinal: try payload.fields.int("ordinal"),
        contacts: try payload.fields.identifiers("contacts", .contact))
    case .batchPlanned: .batchPlanned(ordinal: try payload.fields.int("ordinal"))
    case .completed: .completed(try CampaignOutcome.read(from: &payload.fields))
    case .cancelled: .cancelled(by: try payload.fields.string("by"))
    case .paused: .paused(by: try payload.fields.string("by"))
    case .resumed: .resumed(by: try payload.fields.string("by"))
    case .paceSet:
      .paceSet(perMinute: try payload.fields.optionalInt64("per_minute").map(Int.init))
    case .updated: .updated(try CampaignDefinition.read(from: &payload.fields))
    case .deleted: .deleted
    }
  }
}

extension CampaignDefinition {
  fileprivate func write(to fields: inout JSONWriter) {
    fields.field("name", name)
    fields.field("segment", segment)
    fields.field("channel", channel)
    fields.field("purpose", purpose)
    fields.field("body", body)
    fields.optional("subject", subject)
    fields.optional("html", html)
    fields.optional("voicemail", voicemail)
    if let template {
      fields.object("template") { object in
        object.field("id", template.id)
        object.field("version", template.version)
      }
    }
    fields.optional("holdout_percent", holdoutPercent.map(Int64.init))
  }

  fileprivate static func read(from fields: inout FieldReader) throws(CodecError) -> Self {
    CampaignDefinition(
      name: try fields.string("name"), segment: try fields.identifier("segment", .segment),
      channel: try fields.word("channel"), purpose: try fields.word("purpose"),
      body: try fields.string("body"), subject: try fields.optionalString("subject"),
      html: try fields.optionalString("html"), voicemail: try fields.optionalString("voicemail"),
      template: try fields.optionalObject("template") { object throws(CodecError) in
        TemplateUse(
          id: try object.identifier("id", .template), version: try object.int("version"))
      }, holdoutPercent: try fields.optionalInt64("holdout_percent").map(Int.init))
  }
}

extension CampaignOutcome {
  fileprivate func write(to fields: inout JSONWriter) {
    fields.field("sent_count", sentCount)
    fields.field("failed_count", failedCount)
    fields.field("skipped_count", skippedCount)
    fields.field("cancelled_count", cancelledCount)
  }

  fileprivate static func read(from fields: inout FieldReader) throws(CodecError) -> Self {
    CampaignOutcome(
      sentCount: try fields.int("sent_count"), failedCount: try fields.int("failed_count"),
      skippedCount: try fields.int("skipped_count"),
      cancelledCount: try fields.int("cancelled_count"))
  }
}
