internal import Domain
internal import EventCodec
internal import EventLog
package import ProjectionRuntime

/// One thing that happened between an org and a person; written once.
package struct EntryRow: TableRow {
  package static let table = "entries"
  package static let columns = [
    Column("org", .uuid), Column("contact", .uuid), Column("position", .bigint),
    Column("event", .uuid), Column("kind", .text), Column("type", .text),
    Column("occurred_at", .timestamp), Column("recorded_at", .timestamp), Column("title", .text),
    Column("message", .uuid), Column("campaign", .uuid), Column("workflow", .uuid),
    Column("run", .uuid), Column("actor", .text), Column("origin", .text),
    Column("correlation", .text), Column("cause", .bigint), Column("conversation", .text),
  ]

  package enum Kind: String, Sendable, CaseIterable {
    case message, consent, contact, workflow
  }

  let contact: UInt128
  let event: RecordedDomainEvent
  let kind: Kind
  let title: String
  var message: UInt128?
  var campaign: UInt128?
  var workflow: UInt128?
  var run: UInt128?
  /// The channel and our own address; empty for what is no message.
  var conversation = ""

  package func write(to writer: inout RowWriter) {
    writer.uuid(event.org.value)
    writer.uuid(contact)
    writer.bigint(event.positionColumn)
    writer.uuid(event.eventID.value)
    writer.text(kind.rawValue)
    writer.text(event.type)
    writer.timestamp(event.occurredAtMicros)
    writer.timestamp(event.recordedAtMicros)
    writer.text(title)
    writer.uuid(message)
    writer.uuid(campaign)
    writer.uuid(workflow)
    writer.uuid(run)
    writer.text(event.context.actor)
    writer.text(event.context.origin)
    writer.text(event.context.correlation)
    writer.bigint(event.causeColumn)
    writer.text(conversation)
  }
}

/// Whose run it is.
package struct RunRow: KeyedRow {
  package static let table = "runs"
  package static let columns = [
    Column("org", .uuid), Column("run", .uuid), Column("contact", .uuid),
    Column("workflow", .uuid),
  ]

  package let key: ItemKey
  package let contact: UInt128
  package let workflow: UInt128

  init(key: ItemKey, contact: UInt128, workflow: UInt128) {
    self.key = key
    self.contact = contact
    self.workflow = workflow
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.uuid(contact)
    writer.uuid(workflow)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    contact = try reader.uuid()
    workflow = try reader.uuid()
  }
}
