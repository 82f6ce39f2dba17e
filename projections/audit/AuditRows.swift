internal import Domain
internal import EventCodec
internal import EventLog
internal import JSON
package import ProjectionRuntime

/// One event as an auditor reads it; written once.
package struct AuditRow: TableRow {
  package static let table = "events"
  package static let columns = [
    Column("org", .uuid), Column("position", .bigint), Column("org_sequence", .bigint),
    Column("event", .uuid), Column("type", .text), Column("occurred_at", .timestamp),
    Column("recorded_at", .timestamp), Column("actor", .text), Column("origin", .text),
    Column("correlation", .text), Column("cause", .bigint), Column("depth", .bigint),
    Column("subject_type", .text), Column("subject", .uuid), Column("version", .bigint),
    Column("contact", .uuid), Column("campaign", .uuid), Column("summary", .text),
    Column("verdict", .jsonb), Column("outcome", .text), Column("evidence", .jsonb),
  ]

  let event: RecordedDomainEvent
  let contact: UInt128?
  let campaign: UInt128?
  let summary: String
  let verdict: Verdict?

  package func write(to writer: inout RowWriter) {
    writer.uuid(event.org.value)
    writer.bigint(event.positionColumn)
    writer.bigint(Int64(event.orgSequence))
    writer.uuid(event.eventID.value)
    writer.text(event.type)
    writer.timestamp(event.occurredAtMicros)
    writer.timestamp(event.recordedAtMicros)
    writer.text(event.context.actor)
    writer.text(event.context.origin)
    writer.text(event.context.correlation)
    writer.bigint(event.causeColumn)
    writer.bigint(Int64(event.context.depth))
    writer.text(event.stream.kind.rawValue)
    writer.uuid(event.stream.value)
    writer.bigint(Int64(event.version))
    writer.uuid(contact)
    writer.uuid(campaign)
    writer.text(summary)
    writer.jsonb(verdict?.json)
    writer.text(verdict?.outcome.name)
    writer.jsonb(event.event.evidence)
  }
}

/// Whom a message or a run concerns.
package struct LinkRow: KeyedRow {
  package static let table = "links"
  package static let columns = [
    Column("org", .uuid), Column("subject", .uuid), Column("contact", .uuid),
    Column("campaign", .uuid),
  ]

  package let key: ItemKey
  let contact: UInt128
  let campaign: UInt128?

  init(key: ItemKey, contact: UInt128, campaign: UInt128?) {
    self.key = key
    self.contact = contact
    self.campaign = campaign
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.uuid(contact)
    writer.uuid(campaign)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    contact = try reader.uuid()
    campaign = try reader.optionalUUID()
  }
}
