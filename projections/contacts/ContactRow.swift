package import Domain
internal import EventCodec
package import JSON
package import ProjectionRuntime

/// A contact as lists show it.
package struct ContactRow: KeyedRow {
  package static let table = "contacts"
  package static let columns = [
    Column("org", .uuid), Column("contact", .uuid), Column("version", .bigint),
    Column("first_name", .text), Column("last_name", .text), Column("company", .text),
    Column("email", .text), Column("phone", .text), Column("raw_phone", .text),
    Column("source", .text), Column("tags", .textArray), Column("custom", .jsonb),
    Column("consent", .jsonb), Column("erased", .boolean), Column("archived", .boolean),
    Column("archived_position", .bigint), Column("restored_position", .bigint),
    Column("name_key", .text),
    Column("email_key", .text), Column("search", .text), Column("created_at", .timestamp),
    Column("created_shown", .timestamp),
    Column("updated_at", .timestamp), Column("created_position", .bigint),
    Column("position", .bigint),
  ]

  package var org: UInt128
  package var contact: UInt128
  package var version: Int64 = 0
  /// The same fold that commands are decided on.
  package var state = Contact.State()
  /// When each channel's consent took its present value.
  package var consentSinceMicros: [Channel: Micros] = [:]
  /// The events by which it was archived and restored last; 0 where it never was.
  package var archivedPosition: Int64 = 0
  package var restoredPosition: Int64 = 0
  package var createdAtMicros: Micros
  package var updatedAtMicros: Micros
  package var createdPosition: Int64
  package var position: Int64

  package var key: ItemKey { ItemKey(org: org, id: contact) }
}

extension ContactRow {
  package func write(to writer: inout RowWriter) {
    let details = state.details
    writer.uuid(org)
    writer.uuid(contact)
    writer.bigint(version)
    writer.text(details.firstName)
    writer.text(details.lastName)
    writer.text(details.company)
    writer.text(details.email)
    writer.text(details.phone)
    writer.text(details.rawPhone)
    writer.text(state.source)
    writer.textArray(state.tags.sorted())
    writer.jsonb(CustomFields.json(details.custom))
    writer.jsonb(consentJSON)
    writer.boolean(state.isErased)
    writer.boolean(state.isArchived)
    writer.bigint(archivedPosition)
    writer.bigint(restoredPosition)
    writer.text(nameKey)
    writer.text(details.email?.lowercased())
    writer.text(search)
    writer.timestamp(createdAtMicros)
    writer.timestamp(createdShownMicros)
    writer.timestamp(updatedAtMicros)
    writer.bigint(createdPosition)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    org = try reader.uuid()
    contact = try reader.uuid()
    version = try reader.bigint()
    var details = ContactDetails(
      firstName: try reader.optionalText(), lastName: try reader.optionalText(),
      company: try reader.optionalText(), email: try reader.optionalText(),
      phone: try reader.optionalText(), rawPhone: try reader.optionalText())
    state.source = try reader.text()
    state.tags = Set(try reader.textArray())
    details.custom = CustomFields.values(try reader.jsonb())
    let consent = try reader.jsonb()
    state.isErased = try reader.boolean()
    state.isArchived = try reader.boolean()
    archivedPosition = try reader.bigint()
    restoredPosition = try reader.bigint()
    for _ in ["name_key", "email_key", "search"] { try reader.skip() }
    createdAtMicros = try reader.timestamp()
    try reader.skip()
    updatedAtMicros = try reader.timestamp()
    createdPosition = try reader.bigint()
    position = try reader.bigint()
    state.exists = true
    state.details = details
    readConsent(consent)
  }

  /// In whole milliseconds, as times are shown.
  var createdShownMicros: Micros {
    createdAtMicros - (createdAtMicros % 1_000 + 1_000) % 1_000
  }

  /// Cut, because an entry of an index has to fit in a third of a page (2,704 bytes).
  var nameKey: String {
    let name = [state.details.firstName, state.details.lastName].compactMap(\.self)
      .joined(separator: " ").lowercased()
    return String(name.unicodeScalars.prefix(256))
  }

  private var search: String {
    let details = state.details
    return [
      details.firstName, details.lastName, details.company, details.email, details.phone,
    ].compactMap(\.self).joined(separator: " ").lowercased()
  }
}

// MARK: - Consent

extension ContactRow {
  private var consentJSON: JSON {
    let channels = Channel.allCases.compactMap { channel -> (key: String, value: JSON)? in
      guard let status = state.consents[channel] else { return nil }
      let since = JSON.int(consentSinceMicros[channel] ?? 0)
      return switch status {
      case .optedIn(let purpose, _):
        (
          channel.rawValue,
          ["status": "opted_in", "purpose": .string(purpose.rawValue), "since": since]
        )
      case .optedOut: (channel.rawValue, ["status": "opted_out", "since": since])
      }
    }
    return .object(JSONObject(channels))
  }

  private mutating func readConsent(_ json: JSON) {
    for channel in Channel.allCases {
      guard let entry = json[channel.rawValue], let since = entry["since"]?.int else { continue }
      consentSinceMicros[channel] = since
      let purpose = entry["purpose"]?.string.flatMap(Purpose.init)
      state.consents[channel] =
        purpose.map { .optedIn(purpose: $0, atMicros: since) } ?? .optedOut
    }
  }
}

/// The fields that an org defined, as a JSON object in the order of their names.
package enum CustomFields {
  package static func json(_ values: FieldValues) -> JSON {
    .object(JSONObject(values.fields.map { ($0.name, $0.value.json) }))
  }

  package static func values(_ json: JSON) -> FieldValues {
    var values = FieldValues()
    for (name, json) in json.object?.fields ?? [] {
      if let value = FieldValue(json: json) { values[name] = value }
    }
    return values
  }
}

/// A contact carries a tag.
package struct ContactTagRow: KeyedRow {
  package static let table = "contact_tags"
  package static let columns = [
    Column("org", .uuid), Column("tag", .text), Column("contact", .uuid),
    Column("position", .bigint),
  ]

  package struct Key: RowKey {
    package static let columnCount = 3

    package let org: UInt128
    package let tag: String
    package let contact: UInt128

    package func write(to writer: inout RowWriter) {
      writer.uuid(org)
      writer.text(tag)
      writer.uuid(contact)
    }
  }

  package let key: Key
  package let position: Int64

  init(key: Key, position: Int64) {
    self.key = key
    self.position = position
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.bigint(position)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = Key(org: try reader.uuid(), tag: try reader.text(), contact: try reader.uuid())
    position = try reader.bigint()
  }
}
