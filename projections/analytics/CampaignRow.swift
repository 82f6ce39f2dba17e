package import Domain
internal import EventCodec
package import ProjectionRuntime

/// A campaign as it stands now.
package struct CampaignRow: KeyedRow {
  package static let table = "campaigns"
  package static let columns = [
    Column("org", .uuid), Column("campaign", .uuid), Column("version", .bigint),
    Column("name", .text), Column("segment", .uuid), Column("channel", .text),
    Column("purpose", .text), Column("body", .text), Column("subject", .text),
    Column("html", .text), Column("voicemail", .text), Column("template", .uuid),
    Column("template_version", .bigint), Column("holdout_percent", .bigint),
    Column("per_minute", .bigint), Column("status", .text),
    Column("planned_count", .bigint), Column("launched_at", .timestamp),
    Column("ended_at", .timestamp), Column("created_at", .timestamp),
    Column("updated_at", .timestamp), Column("position", .bigint),
  ]

  package let key: ItemKey
  package var version: Int64
  package private(set) var words: Words
  package var perMinute: Int64?
  package var status: String
  package var plannedCount: Int64 = 0
  package var launchedAtMicros: Micros?
  package var endedAtMicros: Micros?
  package let createdAtMicros: Micros
  package var updatedAtMicros: Micros
  package var position: Int64

  init(_ definition: CampaignDefinition, in event: RecordedDomainEvent) {
    key = ItemKey(event.org, event.stream)
    version = Int64(event.version)
    words = Words(definition)
    status = Campaign.Status.draft.rawValue
    createdAtMicros = event.occurredAtMicros
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
  }

  mutating func apply(_ change: Campaign.Event, in event: RecordedDomainEvent) {
    version = Int64(event.version)
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
    switch change {
    case .created, .audienceRecorded, .batchPlanned, .deleted:
      break
    case .paceSet(let perMinute):
      self.perMinute = perMinute.map(Int64.init)
    case .updated(let definition):
      words = Words(definition)
    case .paused:
      status = Campaign.Status.paused.rawValue
    case .resumed:
      status = Campaign.Status.running.rawValue
    case .launched(_, let plannedCount):
      status = Campaign.Status.running.rawValue
      self.plannedCount = Int64(plannedCount)
      launchedAtMicros = event.occurredAtMicros
    case .completed:
      status = Campaign.Status.completed.rawValue
      endedAtMicros = event.occurredAtMicros
    case .cancelled:
      status = Campaign.Status.cancelled.rawValue
      endedAtMicros = event.occurredAtMicros
    }
  }
}

extension CampaignRow {
  /// What it says, to whom and how.
  package struct Words: Equatable, Sendable {
    package let name: String
    package let segment: UInt128
    package let channel: String
    package let purpose: String
    package let body: String
    package let subject: String?
    package let html: String?
    package let voicemail: String?
    package let template: UInt128?
    package let templateVersion: Int64?
    package let holdoutPercent: Int64?

    init(_ definition: CampaignDefinition) {
      name = definition.name
      segment = definition.segment.value
      channel = definition.channel.rawValue
      purpose = definition.purpose.rawValue
      body = definition.body
      subject = definition.subject
      html = definition.html
      voicemail = definition.voicemail
      template = definition.template?.id.value
      templateVersion = definition.template.map { Int64($0.version) }
      holdoutPercent = definition.holdoutPercent.map(Int64.init)
    }

    init(from reader: inout RowReader) throws(RowError) {
      name = try reader.text()
      segment = try reader.uuid()
      channel = try reader.text()
      purpose = try reader.text()
      body = try reader.text()
      subject = try reader.optionalText()
      html = try reader.optionalText()
      voicemail = try reader.optionalText()
      template = try reader.optionalUUID()
      templateVersion = try reader.optionalBigint()
      holdoutPercent = try reader.optionalBigint()
    }

    func write(to writer: inout RowWriter) {
      writer.text(name)
      writer.uuid(segment)
      writer.text(channel)
      writer.text(purpose)
      writer.text(body)
      writer.text(subject)
      writer.text(html)
      writer.text(voicemail)
      writer.uuid(template)
      writer.bigint(templateVersion)
      writer.bigint(holdoutPercent)
    }
  }
}

extension CampaignRow {
  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(version)
    words.write(to: &writer)
    writer.bigint(perMinute)
    writer.text(status)
    writer.bigint(plannedCount)
    writer.timestamp(launchedAtMicros)
    writer.timestamp(endedAtMicros)
    writer.timestamp(createdAtMicros)
    writer.timestamp(updatedAtMicros)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    version = try reader.bigint()
    words = try Words(from: &reader)
    perMinute = try reader.optionalBigint()
    status = try reader.text()
    plannedCount = try reader.bigint()
    launchedAtMicros = try reader.optionalTimestamp()
    endedAtMicros = try reader.optionalTimestamp()
    createdAtMicros = try reader.timestamp()
    updatedAtMicros = try reader.timestamp()
    position = try reader.bigint()
  }
}
