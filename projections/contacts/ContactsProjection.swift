package import Domain
package import EventCodec
package import ProjectionRuntime

/// `contacts`: who an org knows, with tags and consent. Schema and readers: `schema.sql`.
package enum ContactsProjection: Projection {
  package static let name = "contacts"
  package static let version = 3
  package static let streams: Set<Identifier.Kind>? = [.contact]
  package static let history: Set<String> = ["contacts", "contact_tags"]
  package static var schemaSQL: String {
    String(decoding: PackageResources.schema_sql, as: UTF8.self)
  }

  package final class Tables: TableSet {
    let contacts = Rows<ContactRow>()
    let tags = Rows<ContactTagRow>()

    package init() {}

    package var all: [any ProjectionTable] { [contacts, tags] }
  }

  package static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    guard case .contact(let change) = event.event else { return }
    let key = ItemKey(event.org, event.stream)
    if case .created = change {
      tables.contacts.willInsert(key)
    } else {
      tables.contacts.want(key)
    }
  }

  package static func apply(
    _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    guard case .contact(let change) = event.event else { return }
    let key = ItemKey(event.org, event.stream)
    switch change {
    case .created: try tables.contacts.insertNew(ContactRow(createdBy: event))
    case .erasureRequested: return try forget(key, in: tables)
    case .dataDestroyed, .erased: return
    case .updated, .tagged, .untagged, .optedOut, .optedIn, .optOutSuspected, .optOutDismissed,
      .leadCaptured, .archived, .restored:
      break
    }
    try updateTags(change, event: event, key: key, in: tables)
    try tables.contacts.update(key) { row in
      let wasArchived = row.state.isArchived
      row.state = Contact.evolve(row.state, with: change)
      row.noteConsent(change, atMicros: event.occurredAtMicros)
      switch (wasArchived, row.state.isArchived) {
      case (false, true): row.archivedPosition = Int64(event.position)
      case (true, false): row.restoredPosition = Int64(event.position)
      case (true, true), (false, false): break
      }
      row.version = Int64(event.version)
      row.updatedAtMicros = event.occurredAtMicros
      row.position = Int64(event.position)
    }
  }

  private static func forget(_ key: ItemKey, in tables: Tables) throws(FoldError) {
    guard let row = tables.contacts[key] else { throw .missingRow(table: ContactRow.table) }
    for tag in row.state.tags {
      try tables.tags.deleteExisting(
        ContactTagRow.Key(org: key.org, tag: tag, contact: key.id))
    }
    tables.contacts[key] = nil
  }

  /// The person was never there: not at any earlier position either. The versions of the row know which
  /// tags it ever carried.
  package static let purges = [
    """
    DELETE FROM {schema}.contact_tags_history t USING (
      SELECT DISTINCT h.org, h.contact, carried.tag FROM {erased}
      JOIN {schema}.contacts_history h ON h.org = e.org AND h.contact = e.contact
      CROSS JOIN LATERAL unnest(h.tags) AS carried(tag)
    ) x WHERE t.org = x.org AND t.tag = x.tag AND t.contact = x.contact
    """,
    """
    DELETE FROM {schema}.contacts_history h USING {erased}
    WHERE h.org = e.org AND h.contact = e.contact
    """,
  ]

  /// A tag that the contact carries already, or does not, changes nothing.
  private static func updateTags(
    _ change: Contact.Event, event: RecordedDomainEvent, key: ItemKey, in tables: Tables
  ) throws(FoldError) {
    let carried = tables.contacts[key]?.state.tags ?? []
    switch change {
    case .tagged(let tag) where !carried.contains(tag):
      let tagKey = ContactTagRow.Key(org: key.org, tag: tag, contact: key.id)
      try tables.tags.insertNew(ContactTagRow(key: tagKey, position: Int64(event.position)))
    case .untagged(let tag):
      // As it was stored: the same letters can be spelled in other bytes.
      guard let stored = carried.firstIndex(of: tag).map({ carried[$0] }) else { return }
      try tables.tags.deleteExisting(
        ContactTagRow.Key(org: key.org, tag: stored, contact: key.id))
    case .tagged, .created, .updated, .optedOut, .optedIn, .optOutSuspected, .optOutDismissed,
      .erasureRequested, .dataDestroyed, .erased, .leadCaptured, .archived, .restored:
      break
    }
  }
}

extension ContactRow {
  fileprivate init(createdBy event: RecordedDomainEvent) {
    self.init(
      org: event.org.value, contact: event.stream.value,
      createdAtMicros: event.occurredAtMicros,
      updatedAtMicros: event.occurredAtMicros, createdPosition: Int64(event.position),
      position: Int64(event.position))
  }

  fileprivate mutating func noteConsent(_ change: Contact.Event, atMicros: Micros) {
    switch change {
    case .optedIn(let consent): consentSinceMicros[consent.channel] = consent.grantedAtMicros
    case .optedOut(let optOut): consentSinceMicros[optOut.channel] = atMicros
    case .created, .updated, .tagged, .untagged, .optOutSuspected, .optOutDismissed,
      .erasureRequested, .dataDestroyed, .erased, .leadCaptured, .archived, .restored:
      break
    }
  }
}
