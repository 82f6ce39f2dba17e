package import Domain
package import EventCodec
package import ProjectionRuntime

/// `segments`: who is in which segment, kept up by every event of a contact and of a definition, and
/// by time. Schema and readers: `schema.sql`.
///
/// Invariant: at any moment m from a contact's last event on, a row in `members` contains m exactly
/// where the segment's filter holds for the contact's facts at m. The fold has no clock: an event says
/// for how long its consequences last (`Filter.spans`), and whoever reads brings the moment.
package enum SegmentsProjection: Projection {
  package static let name = "segments"
  package static let version = 5
  package static let streams: Set<Identifier.Kind>? = [.contact, .segment, .message, .run]
  package static let history: Set<String> = ["segments", "members"]
  package static let lingers = true
  package static var schemaSQL: String {
    String(decoding: PackageResources.schema_sql, as: UTF8.self)
  }

  package final class Tables: TableSet {
    let segments = Rows<SegmentRow>(indexedByOrg: true)
    let sizes = Rows<SizeRow>()
    let members = Rows<MemberRow>()
    let changes = Appended<ChangeRow>()
    let contacts = Rows<FactsRow>(indexedByOrg: true)
    let links = Rows<LinkRow>()

    package init() {}

    package var all: [any ProjectionTable] { [segments, sizes, members, changes, contacts, links] }
  }

  package static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    let key = ItemKey(event.org, event.stream)
    switch event.event {
    case .contact(.created): tables.contacts.willInsert(key)
    case .contact: tables.contacts.want(key)
    case .message(.planned), .run(.started), .message(.received): tables.links.willInsert(key)
    case .message, .run:
      guard event.event.activity != nil else { return }
      tables.links.want(key)
    case .segment: break
    case .org, .user, .apiKey, .role, .wallet, .campaign, .workflow, .timer, .webhookEndpoint,
      .importJob,
      .template, .payment, .inboundHook:
      return
    }
    tables.segments.wantAll(of: event.org)
    tables.sizes.wantAll(of: event.org)
    if let contact = contact(of: event, in: tables) {
      tables.contacts.want(ItemKey(org: key.org, id: contact))
    }
  }

  /// Whom a message's or a run's event is about; nil for other events, and where that is not known.
  private static func contact(of event: RecordedDomainEvent, in tables: Tables) -> UInt128? {
    switch event.event {
    case .message(.received(let inbound)): inbound.contact.value
    case .message(.planned(let plan)): plan.contact.value
    case .run(.started(_, _, let contact, _)): contact.value
    case .message, .run: tables.links.loaded(ItemKey(event.org, event.stream))?.contact
    case .org, .user, .apiKey, .role, .contact, .wallet, .segment, .campaign, .workflow, .timer,
      .webhookEndpoint, .importJob, .template, .payment, .inboundHook:
      nil
    }
  }

  package static func apply(
    _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    switch event.event {
    case .contact(let change):
      try apply(change, event, to: tables)
    case .message(.planned), .message(.received), .run(.started):
      try link(event, in: tables)
      try happen(event, in: tables)
    case .message, .run:
      try happen(event, in: tables)
    case .segment(let change):
      try apply(change, event, to: tables)
    case .org, .user, .apiKey, .role, .wallet, .campaign, .workflow, .timer, .webhookEndpoint,
      .importJob,
      .template, .payment, .inboundHook:
      break
    }
  }

  private static func apply(
    _ change: Segment.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    let key = ItemKey(event.org, event.stream)
    switch change {
    case .created(let name, let filter):
      try tables.segments.insertNew(
        SegmentRow(createdBy: event, name: name, filter: filter))
      try tables.sizes.insertNew(SizeRow(key: key))
    case .restored(let name, let filter, let createdAtMicros):
      // Whoever fits becomes a member by the sweep. That of the deletion may still be at work on the size.
      try tables.segments.insertNew(
        SegmentRow(
          createdBy: event, name: name, filter: filter, createdAtMicros: createdAtMicros))
    case .updated(let name, let filter):
      try tables.segments.update(key) { row in
        row.name = name
        row.filter = filter
        row.version = Int64(event.version)
        row.updatedAtMicros = event.occurredAtMicros
        row.position = event.positionColumn
      }
    case .deleted:
      // The members leave by the sweep, which is asked for before the row is gone, and takes the size to 0.
      tables.segments[key] = nil
    }
  }
}

// MARK: - Something happened to a contact

extension SegmentsProjection {
  private static func apply(
    _ change: Contact.Event, _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    let key = ItemKey(event.org, event.stream)
    switch change {
    case .created:
      try tables.contacts.insertNew(
        FactsRow(key: key, createdAtMicros: event.occurredAtMicros))
    case .erasureRequested: return try forget(key, event, in: tables)
    case .dataDestroyed, .erased: return
    case .updated, .tagged, .untagged, .optedOut, .optedIn, .optOutSuspected, .optOutDismissed,
      .leadCaptured, .archived, .restored:
      break
    }
    var touched: Set<String>?
    try tables.contacts.update(key) { row in
      let before = row.facts.state
      row.facts.state = Contact.evolve(before, with: change)
      row.facts.record(event)
      touched = row.facts.state.changedFields(since: before)
    }
    if let kind = change.activity { touched?.insert(kind.dependency) }
    try judge(key, after: event, touching: touched, in: tables)
  }

  /// Out of every segment, and of what filters look at.
  private static func forget(
    _ contact: ItemKey, _ event: RecordedDomainEvent, in tables: Tables
  ) throws(FoldError) {
    for segment in tables.segments.rows(of: event.org) {
      try judge(contact, in: segment.key, nil, event, tables)
    }
    tables.contacts[contact] = nil
  }

  private static func link(
    _ event: RecordedDomainEvent, in tables: Tables
  ) throws(FoldError) {
    guard let contact = contact(of: event, in: tables) else { return }
    try tables.links.insertNew(LinkRow(key: ItemKey(event.org, event.stream), contact: contact))
  }

  /// Counts what happened. Nobody is in a segment because of a message to somebody who is not known.
  private static func happen(
    _ event: RecordedDomainEvent, in tables: Tables
  ) throws(FoldError) {
    guard let kind = event.event.activity, let contact = contact(of: event, in: tables) else {
      return
    }
    let key = ItemKey(org: event.org.value, id: contact)
    guard tables.contacts[key] != nil else { return }
    try tables.contacts.update(key) { $0.facts.record(event) }
    try judge(key, after: event, touching: [kind.dependency], in: tables)
  }

  /// Looks at every segment that depends on what has changed. `touching` nil: all of them.
  private static func judge(
    _ contact: ItemKey, after event: RecordedDomainEvent, touching: Set<String>?,
    in tables: Tables
  ) throws(FoldError) {
    for segment in tables.segments.rows(of: event.org) {
      if let touching, segment.dependencies.isDisjoint(with: touching) { continue }
      try judge(contact, in: segment.key, segment.filter, event, tables)
    }
  }

  /// Puts a contact's memberships of a segment right. `filter` nil: there is no such segment any more.
  private static func judge(
    _ contact: ItemKey, in segment: ItemKey, _ filter: Filter?, _ event: RecordedDomainEvent,
    _ tables: Tables
  ) throws(FoldError) {
    guard let row = tables.contacts[contact] else {
      throw .missingRow(table: FactsRow.table)
    }
    let old = row.memberships.filter { $0.segment == segment.id }
    // A clock that was set back moves nothing that has begun.
    let begun = old.filter(\.isNoted).map(\.enteredAtMicros)
    let micros = max(event.occurredAtMicros, begun.max() ?? .min)
    let spans = filter?.spans(of: row.facts, fromMicros: micros) ?? []
    guard !old.isEmpty || !spans.isEmpty else { return }
    let change = MembershipChange(
      segment: segment.id, old: old, spans: spans, atMicros: micros,
      position: event.positionColumn)
    for entry in change.changes {
      tables.changes.append(
        ChangeRow(
          segment: segment, contact: contact.id, change: entry.change, atMicros: entry.atMicros,
          position: entry.position, isByTime: entry.isByTime))
    }
    guard change.memberships != old else { return }
    tables.contacts[contact]?.memberships.replace(old, with: change.memberships)
    try replace(old, with: change.memberships, contact: contact, segment: segment, in: tables)
  }

  private static func replace(
    _ old: [Membership], with new: [Membership], contact: ItemKey, segment: ItemKey,
    in tables: Tables
  ) throws(FoldError) {
    for span in 0..<max(old.count, new.count) {
      let key = MemberRow.Key(
        org: segment.org, segment: segment.id, contact: contact.id, span: Int64(span))
      if span < old.count, span < new.count, old[span] == new[span] { continue }
      if span < old.count { try tables.members.deleteExisting(key) }
      if span < new.count { try tables.members.insertNew(MemberRow(key: key, new[span])) }
    }
    let settled = new.count(where: \.isSettled) - old.count(where: \.isSettled)
    if settled != 0 {
      try tables.sizes.update(segment) { $0.settledCount += Int64(settled) }
    }
  }
}

extension [Membership] {
  /// In the order of the segments, so that a rebuild writes the same.
  fileprivate mutating func replace(_ old: [Membership], with new: [Membership]) {
    if let segment = (old.first ?? new.first)?.segment { removeAll { $0.segment == segment } }
    let index = firstIndex { other in new.first.map { $0.segment < other.segment } ?? false }
    insert(contentsOf: new, at: index ?? endIndex)
  }
}

extension ContactFacts {
  fileprivate mutating func record(_ event: RecordedDomainEvent) {
    guard let kind = event.event.activity else { return }
    activity.record(kind, atMicros: event.occurredAtMicros)
  }
}

// MARK: - A definition changed

extension SegmentsProjection {
  package static func sweeps(_ event: RecordedDomainEvent) -> Bool {
    guard case .segment = event.event else { return false }
    return true
  }

  package static func needsSweep(_ event: RecordedDomainEvent, in tables: Tables) -> Bool {
    guard case .segment(let change) = event.event else { return false }
    return tables.segments[ItemKey(event.org, event.stream)]?.filter != change.filter
  }

  package static func sweep(for event: RecordedDomainEvent, in tables: Tables) -> Sweep {
    guard case .segment(let change) = event.event else {
      preconditionFailure("only definitions sweep")
    }
    let segment = ItemKey(event.org, event.stream)
    let after = change.filter
    return Sweep(table: tables.contacts, org: event.org) { () throws(FoldError) in
      for contact in tables.contacts.rows(of: event.org) {
        try judge(contact.key, in: segment, after, event, tables)
      }
    }
  }
}

extension Segment.Event {
  /// What the segment holds from now on; nil where it is gone.
  fileprivate var filter: Filter? {
    switch self {
    case .created(_, let filter), .updated(_, let filter), .restored(_, let filter, _): filter
    case .deleted: nil
    }
  }
}
