package import Domain
internal import EventCodec
internal import JSON
package import ProjectionRuntime

/// A segment as it is defined now.
package struct SegmentRow: KeyedRow {
  package static let table = "segments"
  package static let columns = [
    Column("org", .uuid), Column("segment", .uuid), Column("version", .bigint),
    Column("name", .text), Column("filter", .jsonb), Column("member_count", .bigint),
    Column("created_at", .timestamp), Column("updated_at", .timestamp),
    Column("position", .bigint),
  ]

  package let key: ItemKey
  package var version: Int64
  package var name: String
  package var filter: Filter
  package var memberCount: Int64
  package let createdAtMicros: Micros
  package var updatedAtMicros: Micros
  package var position: Int64

  init(createdBy event: RecordedDomainEvent, name: String, filter: Filter) {
    key = ItemKey(event.org, event.stream)
    version = Int64(event.version)
    self.name = name
    self.filter = filter
    memberCount = 0
    createdAtMicros = event.occurredAtMicros
    updatedAtMicros = event.occurredAtMicros
    position = event.positionColumn
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(version)
    writer.text(name)
    writer.jsonb(FilterGrammar.json(filter))
    writer.bigint(memberCount)
    writer.timestamp(createdAtMicros)
    writer.timestamp(updatedAtMicros)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    version = try reader.bigint()
    name = try reader.text()
    filter = try Self.filter(reader.jsonb())
    memberCount = try reader.bigint()
    createdAtMicros = try reader.timestamp()
    updatedAtMicros = try reader.timestamp()
    position = try reader.bigint()
  }

  private static func filter(_ json: JSON) throws(RowError) -> Filter {
    do {
      return try FilterGrammar.parse(json)
    } catch {
      throw RowError(table: table, reason: "filter at \(error.path)")
    }
  }
}

/// A contact is in a segment.
package struct MemberRow: KeyedRow {
  package static let table = "members"
  package static let columns = [
    Column("org", .uuid), Column("segment", .uuid), Column("contact", .uuid),
    Column("entered_at", .timestamp), Column("position", .bigint),
  ]

  package let key: PairKey
  package let enteredAtMicros: Micros
  package let position: Int64

  init(key: PairKey, enteredBy event: RecordedDomainEvent) {
    self.key = key
    enteredAtMicros = event.occurredAtMicros
    position = event.positionColumn
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.timestamp(enteredAtMicros)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = PairKey(org: try reader.uuid(), first: try reader.uuid(), second: try reader.uuid())
    enteredAtMicros = try reader.timestamp()
    position = try reader.bigint()
  }
}

/// What filters look at.
package struct ContactStateRow: KeyedRow {
  package static let table = "contacts"
  package static let columns = [
    Column("org", .uuid), Column("contact", .uuid), Column("state", .jsonb),
  ]

  package let key: ItemKey
  package var state: Contact.State

  init(key: ItemKey) {
    self.key = key
    state = Contact.State()
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.jsonb(ContactStateJSON.json(state))
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = ItemKey(org: try reader.uuid(), id: try reader.uuid())
    state = ContactStateJSON.state(try reader.jsonb())
  }
}

/// A contact's state as JSON: the fields that are set, tags, consent.
enum ContactStateJSON {
  static func json(_ state: Contact.State) -> JSON {
    [
      "source": .string(state.source), "erased": .bool(state.isErased),
      "fields": .object(JSONObject(state.details.fields.map { ($0.field, $0.value.json) })),
      "tags": .array(state.tags.sorted().map(JSON.string)),
      "consents": .object(JSONObject(consents(state))),
    ]
  }

  static func state(_ json: JSON) -> Contact.State {
    var state = Contact.State()
    state.exists = true
    state.source = json["source"]?.string ?? ""
    state.isErased = json["erased"]?.bool ?? false
    for (field, value) in json["fields"]?.object?.fields ?? [] {
      state.details[field] = FieldValue(json: value)
    }
    state.tags = Set((json["tags"]?.array ?? []).compactMap(\.string))
    for (name, value) in json["consents"]?.object?.fields ?? [] {
      guard let channel = Channel(rawValue: name) else { continue }
      state.consents[channel] = status(value)
    }
    return state
  }

  private static func consents(_ state: Contact.State) -> [(key: String, value: JSON)] {
    Channel.allCases.compactMap { channel in
      switch state.consents[channel] {
      case nil: nil
      case .optedOut: (channel.rawValue, .null)
      case .optedIn(let purpose, let atMicros):
        (channel.rawValue, ["purpose": .string(purpose.rawValue), "at": .int(atMicros)])
      }
    }
  }

  private static func status(_ json: JSON) -> ConsentStatus {
    guard let purpose = json["purpose"]?.string.flatMap(Purpose.init), let at = json["at"]?.int
    else { return .optedOut }
    return .optedIn(purpose: purpose, atMicros: at)
  }
}
