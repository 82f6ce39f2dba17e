package import Domain
internal import EventCodec
internal import JSON
package import ProjectionRuntime

/// A segment as it is defined now.
package struct SegmentRow: KeyedRow {
  package static let table = "segments"
  package static let columns = [
    Column("org", .uuid), Column("segment", .uuid), Column("version", .bigint),
    Column("name", .text), Column("filter", .jsonb), Column("created_at", .timestamp),
    Column("updated_at", .timestamp), Column("position", .bigint),
  ]

  package let key: ItemKey
  package var version: Int64
  package var name: String
  package var filter: Filter { didSet { dependencies = Set(filter.dependencies) } }
  package let createdAtMicros: Micros
  package var updatedAtMicros: Micros
  package var position: Int64
  /// Of the filter: a contact's event that changes none of them changes no membership.
  private(set) var dependencies: Set<String>

  /// `createdAtMicros`: of one that was deleted and is there again; nil: by this event.
  init(
    createdBy event: RecordedDomainEvent, name: String, filter: Filter,
    createdAtMicros: Micros? = nil
  ) {
    key = ItemKey(event.org, event.stream)
    version = Int64(event.version)
    self.name = name
    self.filter = filter
    self.createdAtMicros = createdAtMicros ?? event.occurredAtMicros
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
    dependencies = Set(filter.dependencies)
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(version)
    writer.text(name)
    writer.jsonb(FilterGrammar.json(filter))
    writer.timestamp(createdAtMicros)
    writer.timestamp(updatedAtMicros)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    version = try reader.bigint()
    name = try reader.text()
    filter = try Self.filter(reader.jsonb())
    createdAtMicros = try reader.timestamp()
    updatedAtMicros = try reader.timestamp()
    position = try reader.bigint()
    dependencies = Set(filter.dependencies)
  }

  private static func filter(_ json: JSON) throws(RowError) -> Filter {
    do {
      return try FilterGrammar.shape(of: json)
    } catch {
      throw RowError(table: table, reason: "filter at \(error.path)")
    }
  }
}

/// How many are in a segment for good; stays when the segment goes.
package struct SizeRow: KeyedRow {
  package static let table = "sizes"
  package static let columns = [
    Column("org", .uuid), Column("segment", .uuid), Column("settled_count", .bigint),
  ]

  package let key: ItemKey
  var settledCount: Int64 = 0

  init(key: ItemKey) { self.key = key }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(settledCount)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    settledCount = try reader.bigint()
  }
}

/// A contact is in a segment, or will be.
package struct MemberRow: KeyedRow {
  package static let table = "members"
  package static let columns = [
    Column("org", .uuid), Column("segment", .uuid), Column("contact", .uuid),
    Column("span", .bigint), Column("entered_at", .timestamp),
    Column("entered_position", .bigint), Column("leaves_at", .timestamp),
    Column("leaves_position", .bigint), Column("leaves_day", .bigint), Column("noted", .boolean),
  ]

  package struct Key: RowKey {
    package static let columnCount = 4

    package let org: UInt128
    package let segment: UInt128
    package let contact: UInt128
    package let span: Int64

    package func write(to writer: inout RowWriter) {
      writer.uuid(org)
      writer.uuid(segment)
      writer.uuid(contact)
      writer.bigint(span)
    }
  }

  package let key: Key
  package let enteredAtMicros: Micros
  package let enteredPosition: Int64
  package let leavesAtMicros: Micros?
  package let leavesPosition: Int64?
  let isNoted: Bool

  init(key: Key, _ membership: Membership) {
    self.key = key
    enteredAtMicros = membership.enteredAtMicros
    enteredPosition = membership.enteredPosition
    leavesAtMicros = membership.leavesAtMicros
    leavesPosition = membership.leavesPosition
    isNoted = membership.isNoted
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.timestamp(enteredAtMicros)
    writer.bigint(enteredPosition)
    writer.timestamp(leavesAtMicros)
    writer.bigint(leavesPosition)
    writer.bigint(leavesAtMicros.map(Self.day))
    writer.boolean(isNoted)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = Key(
      org: try reader.uuid(), segment: try reader.uuid(), contact: try reader.uuid(),
      span: try reader.bigint())
    enteredAtMicros = try reader.timestamp()
    enteredPosition = try reader.bigint()
    leavesAtMicros = try reader.optionalTimestamp()
    leavesPosition = try reader.optionalBigint()
    _ = try reader.optionalBigint()
    isNoted = try reader.boolean()
  }
}

extension MemberRow {
  /// By which the index of those whom time takes out is sorted.
  static func day(_ micros: Micros) -> Int64 {
    Int64((Double(micros) / 86_400_000_000).rounded(.down))
  }
}

/// A contact entered or left a segment; written once.
package struct ChangeRow: TableRow {
  package static let table = "changes"
  package static let columns = [
    Column("org", .uuid), Column("segment", .uuid), Column("at", .timestamp),
    Column("position", .bigint), Column("contact", .uuid), Column("change", .text),
    Column("by_time", .boolean),
  ]

  package enum Change: String, Sendable { case entered, left }

  let segment: ItemKey
  let contact: UInt128
  let change: Change
  let atMicros: Micros
  let position: Int64
  let isByTime: Bool

  package func write(to writer: inout RowWriter) {
    segment.write(to: &writer)
    writer.timestamp(atMicros)
    writer.bigint(position)
    writer.uuid(contact)
    writer.text(change.rawValue)
    writer.boolean(isByTime)
  }
}

/// Whose message or run it is.
package struct LinkRow: KeyedRow {
  package static let table = "links"
  package static let columns = [
    Column("org", .uuid), Column("subject", .uuid), Column("contact", .uuid),
  ]

  package let key: ItemKey
  let contact: UInt128

  init(key: ItemKey, contact: UInt128) {
    self.key = key
    self.contact = contact
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.uuid(contact)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    contact = try reader.uuid()
  }
}
