package import Domain
package import EventCodec
package import ProjectionRuntime

/// `segments`: who is in which segment, kept up by every event of a contact and of a definition.
/// Schema and readers: `schema.sql`.
///
/// Invariant: a row in `members` exists exactly where the segment's filter matches the contact's
/// state, so a contact's event decides entering and leaving by the filter before and after it.
package enum SegmentsProjection: Projection {
  package static let name = "segments"
  package static let version = 1
  package static let streams: Set<Identifier.Kind>? = [.contact, .segment]
  package static var schemaSQL: String {
    String(decoding: PackageResources.schema_sql, as: UTF8.self)
  }

  package final class Tables: TableSet {
    let segments = Rows<SegmentRow>(indexedByOrg: true)
    let members = Rows<MemberRow>()
    let contacts = Rows<ContactStateRow>(indexedByOrg: true)

    package init() {}

    package var all: [any ProjectionTable] { [segments, members, contacts] }
  }

  package static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    tables.segments.wantAll(of: event.org)
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
    switch event.event {
    case .contact(let change):
      try apply(change, event, to: tables)
    case .segment(.created(let name, let filter)):
      try tables.segments.insertNew(
        SegmentRow(createdBy: event, name: name, filter: filter))
    case .segment(.updated(let name, let filter)):
      try tables.segments.update(ItemKey(event.org, event.stream)) { row in
        row.name = name
        row.filter = filter
        row.version = Int64(event.version)
        row.updatedAtMicros = event.occurredAtMicros
        row.position = event.positionColumn
      }
    case .segment(.deleted):
      // The members leave by the sweep, which is asked for before the row is gone.
      tables.segments[ItemKey(event.org, event.stream)] = nil
    case .org, .user, .apiKey, .message, .wallet, .campaign, .workflow, .run, .timer,
      .webhookEndpoint, .importJob, .template, .payment:
      break
    }
  }
}

// MARK: - A contact changed

extension SegmentsProjection {
  private static func apply(
    _ change: Contact.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    let key = ItemKey(event.org, event.stream)
    if case .created = change { try tables.contacts.insertNew(ContactStateRow(key: key)) }
    guard let before = tables.contacts[key]?.state else {
      throw .missingRow(table: ContactStateRow.table)
    }
    let after = Contact.evolve(before, with: change)
    guard after != before else { return }
    tables.contacts[key]?.state = after
    for segment in tables.segments.rows(of: event.org) {
      let change = Transition(
        was: segment.filter.matches(before), is: segment.filter.matches(after))
      try move(change, contact: key.id, segment: segment.key, event, in: tables)
    }
  }

  private static func move(
    _ transition: Transition, contact: UInt128, segment: ItemKey, _ event: RecordedDomainEvent,
    in tables: Tables
  ) throws(FoldError) {
    let key = PairKey(org: segment.org, first: segment.id, second: contact)
    switch transition {
    case .none: return
    case .enters: try tables.members.insertNew(MemberRow(key: key, enteredBy: event))
    case .leaves: try tables.members.deleteExisting(key)
    }
    // A deleted segment has no row any more.
    tables.segments[segment]?.memberCount += transition == .enters ? 1 : -1
  }

  private enum Transition {
    case none, enters, leaves

    init(was: Bool, is isNow: Bool) {
      self = was == isNow ? .none : (isNow ? .enters : .leaves)
    }
  }
}

// MARK: - A definition changed

extension SegmentsProjection {
  package static func sweeps(_ event: RecordedDomainEvent) -> Bool {
    guard case .segment = event.event else { return false }
    return true
  }

  package static func sweep(for event: RecordedDomainEvent, in tables: Tables) -> Sweep? {
    guard case .segment(let change) = event.event else { return nil }
    let segment = ItemKey(event.org, event.stream)
    let before = tables.segments[segment]?.filter
    let after = change.filter
    guard before != after else { return nil }
    return Sweep(table: tables.contacts, org: event.org) { () throws(FoldError) in
      for contact in tables.contacts.rows(of: event.org) {
        let transition = Transition(
          was: before?.matches(contact.state) ?? false,
          is: after?.matches(contact.state) ?? false)
        try move(transition, contact: contact.key.id, segment: segment, event, in: tables)
      }
    }
  }
}

extension Segment.Event {
  /// What the segment holds from now on; nil where it is gone.
  fileprivate var filter: Filter? {
    switch self {
    case .created(_, let filter), .updated(_, let filter): filter
    case .deleted: nil
    }
  }
}
