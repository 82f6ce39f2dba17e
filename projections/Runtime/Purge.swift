internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// A person of whom a read model has to forget everything up to a position.
struct ErasedSubject: Sendable, Equatable {
  let org: UInt128
  let contact: UInt128
  /// Of the request.
  let position: UInt64

  /// Of the request, in the log.
  static let eventType = "subject.erasure_requested"

  /// nil for every other event.
  init?(_ event: RecordedDomainEvent) {
    guard case .contact(.erasureRequested) = event.event else { return nil }
    org = event.org.value
    contact = event.stream.value
    position = event.position
  }
}

extension ErasedSubject {
  /// The orgs in which somebody asked to be forgotten after `position`. Keys are destroyed once the request is in the
  /// log, whether rows have come so far or not: rows as of `position` may hold what the log does not say any more.
  static func orgs(after position: UInt64, _ reader: any EventReader) throws -> Set<UInt128> {
    let head = try reader.head()
    var orgs: Set<UInt128> = []
    var position = position
    while position < head {
      let page = try reader.read(
        after: position, limit: 10_000, filter: EventFilter(types: [eventType]))
      orgs.formUnion(page.events.map(\.org.value))
      guard page.scannedTo > position else { break }
      position = page.scannedTo
    }
    return orgs
  }
}

extension TableStore {
  /// Runs a statement of `Projection.purges`.
  func purge(_ statement: String, _ erased: [ErasedSubject]) throws {
    let sql =
      statement
      .split(separator: "{schema}", omittingEmptySubsequences: false)
      .joined(separator: quotedIdentifier(schema))
      .split(separator: "{erased}", omittingEmptySubsequences: false)
      .joined(
        separator: "unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS e(org, contact, position)")
    try connection.execute(
      sql,
      [
        .textArray(erased.map { UUIDText.encode($0.org) }),
        .textArray(erased.map { UUIDText.encode($0.contact) }),
        .intArray(erased.map { Int64($0.position) }),
      ])
  }
}
