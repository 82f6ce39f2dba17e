package import Domain
internal import EventCodec
package import ProjectionRuntime

/// A campaign as it stands now.
package struct CampaignRow: KeyedRow {
  package static let table = "campaigns"
  package static let columns = [
    Column("org", .uuid), Column("campaign", .uuid), Column("version", .bigint),
    Column("name", .text), Column("segment", .uuid), Column("channel", .text),
    Column("purpose", .text), Column("body", .text), Column("status", .text),
    Column("planned_count", .bigint), Column("launched_at", .timestamp),
    Column("ended_at", .timestamp), Column("created_at", .timestamp),
    Column("updated_at", .timestamp), Column("position", .bigint),
  ]

  package let key: ItemKey
  package var version: Int64
  package private(set) var name: String
  package private(set) var segment: UInt128
  package private(set) var channel: String
  package private(set) var purpose: String
  package private(set) var body: String
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
    name = definition.name
    segment = definition.segment.value
    channel = definition.channel.rawValue
    purpose = definition.purpose.rawValue
    body = definition.body
    status = Campaign.Status.draft.rawValue
    createdAtMicros = event.occurredAtMicros
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
  }

  private mutating func define(_ definition: CampaignDefinition) {
    name = definition.name
    segment = definition.segment.value
    channel = definition.channel.rawValue
    purpose = definition.purpose.rawValue
    body = definition.body
  }

  mutating func apply(_ change: Campaign.Event, in event: RecordedDomainEvent) {
    version = Int64(event.version)
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
    switch change {
    case .created, .audienceRecorded, .batchPlanned, .paceSet, .deleted:
      break
    case .updated(let definition):
      define(definition)
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
  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(version)
    writer.text(name)
    writer.uuid(segment)
    writer.text(channel)
    writer.text(purpose)
    writer.text(body)
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
    name = try reader.text()
    segment = try reader.uuid()
    channel = try reader.text()
    purpose = try reader.text()
    body = try reader.text()
    status = try reader.text()
    plannedCount = try reader.bigint()
    launchedAtMicros = try reader.optionalTimestamp()
    endedAtMicros = try reader.optionalTimestamp()
    createdAtMicros = try reader.timestamp()
    updatedAtMicros = try reader.timestamp()
    position = try reader.bigint()
  }
}
