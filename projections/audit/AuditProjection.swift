package import Domain
package import EventCodec
package import ProjectionRuntime

/// `audit`: who did what, when, on whose behalf and with which verdict. Schema and readers:
/// `schema.sql`.
package enum AuditProjection: Projection {
  package static let name = "audit"
  package static let version = 2
  package static let streams: Set<Identifier.Kind>? = nil
  package static var schemaSQL: String {
    String(decoding: PackageResources.schema_sql, as: UTF8.self)
  }

  package final class Tables: TableSet {
    let events = Appended<AuditRow>()
    let links = Rows<LinkRow>()

    package init() {}

    package var all: [any ProjectionTable] { [events, links] }
  }

  package static func declareKeys(of event: RecordedDomainEvent, in tables: Tables) {
    let key = ItemKey(event.org, event.stream)
    switch event.event {
    case .message(.planned), .message(.received), .run(.started):
      tables.links.willInsert(key)
    case .message, .run:
      tables.links.want(key)
    case .org, .user, .apiKey, .role, .contact, .wallet, .segment, .campaign, .workflow, .timer,
      .webhookEndpoint, .importJob, .template, .payment, .inboundHook:
      break
    }
  }

  package static func apply(
    _ event: RecordedDomainEvent, to tables: Tables
  ) throws(FoldError) {
    let concern = try concern(of: event, in: tables)
    tables.events.append(
      AuditRow(
        event: event, contact: concern.contact, campaign: concern.campaign,
        summary: event.event.summary, verdict: event.event.verdict))
  }

  /// The contact and the campaign that an event is about.
  private static func concern(
    of event: RecordedDomainEvent, in tables: Tables
  ) throws(FoldError) -> (contact: UInt128?, campaign: UInt128?) {
    switch event.event {
    case .contact: return (event.stream.value, nil)
    case .campaign: return (nil, event.stream.value)
    case .message(.planned(let plan)):
      return try link(event, contact: plan.contact, campaign: plan.campaign, in: tables)
    case .message(.received(let inbound)):
      return try link(event, contact: inbound.contact, campaign: nil, in: tables)
    case .run(.started(_, _, let contact, _)):
      return try link(event, contact: contact, campaign: nil, in: tables)
    case .message, .run:
      guard let link = tables.links[ItemKey(event.org, event.stream)] else {
        throw .missingRow(table: LinkRow.table)
      }
      return (link.contact, link.campaign)
    case .org, .user, .apiKey, .role, .wallet, .segment, .workflow, .timer, .webhookEndpoint,
      .importJob,
      .template, .payment, .inboundHook:
      return (nil, nil)
    }
  }

  private static func link(
    _ event: RecordedDomainEvent, contact: Identifier, campaign: Identifier?, in tables: Tables
  ) throws(FoldError) -> (contact: UInt128?, campaign: UInt128?) {
    try tables.links.insertNew(
      LinkRow(
        key: ItemKey(event.org, event.stream), contact: contact.value, campaign: campaign?.value))
    return (contact.value, campaign?.value)
  }
}
