package import Domain
package import JSON
package import Postgres
package import ProjectionRuntime

/// An event as `GET /api/audit/events` shows it.
package struct AuditEntry: Sendable, Equatable {
  package let event: Identifier
  package let position: Int64
  package let orgSequence: Int64
  package let type: String
  package let occurredAtMicros: Micros
  package let recordedAtMicros: Micros
  package let actor: String
  package let origin: String
  package let correlation: String
  /// Position of the event that this one reacts to.
  package let cause: Int64?
  /// How many reactions lie between this event and the outside world.
  package let depth: Int64
  /// Who made the request that this event follows from, where that is somebody else.
  package let onBehalfOf: String?
  package let subject: Identifier
  package let version: Int64
  package let contact: Identifier?
  package let campaign: Identifier?
  package let summary: String
  package let verdict: JSON?
  package let evidence: JSON?
}

/// The audit of an org, newest first.
package enum AuditQueries {
  package struct Request: Sendable {
    package var actor: String?
    /// Exact (`message.sent`) or a family (`message.*`).
    package var type: String?
    package var contact: Identifier?
    package var campaign: Identifier?
    package var correlation: String?
    /// `api`, `console`, `cli`, `import`, `webhook`, `timer`, `reactor`.
    package var origin: String?
    /// What the gate said: `allowed`, `held`, `refused`.
    package var outcome: String?
    /// By the org's clock; the first counts, the last does not.
    package var fromMicros: Micros?
    package var toMicros: Micros?
    /// The audit as it was after this position.
    package var asOf: UInt64?
    package var page: PageRequest

    package init(page: PageRequest = PageRequest()) { self.page = page }
  }

  /// - Throws: `InvalidCursor`; `PostgresError`.
  package static func list(
    _ pool: PostgresPool, org: Identifier, _ request: Request
  ) async throws -> QueryPage<AuditEntry> {
    try await Reading.read(pool, org: org) { connection in
      try query.page(conditions(of: request, org), request.page, connection)
    }
  }

  private static let query = ListQuery<AuditEntry>(
    "audit", columns: columns, source: "\(AuditProjection.schema).events e",
    order: [.init("e.position", .bigint)], isDescending: true, row: { try entry($0) }
  ) { [String($0.position)] }

  private static func conditions(of request: Request, _ org: Identifier) -> Conditions {
    var conditions = Conditions()
    conditions.add("e.org = ?", .id(org))
    conditions.addPin(request.page, position: "e.position")
    conditions.addIfPresent("e.actor = ?", request.actor.map(PostgresValue.text))
    conditions.addIfPresent(
      "e.position <= ?", request.asOf.map { .int(Int64(clamping: $0)) })
    conditions.addIfPresent("e.contact = ?", request.contact.map(PostgresValue.id))
    conditions.addIfPresent("e.campaign = ?", request.campaign.map(PostgresValue.id))
    conditions.addIfPresent("e.correlation = ?", request.correlation.map(PostgresValue.text))
    conditions.addIfPresent("e.origin = ?", request.origin.map(PostgresValue.text))
    conditions.addIfPresent("e.outcome = ?", request.outcome.map(PostgresValue.text))
    conditions.addIfPresent(
      "e.occurred_at >= ?", request.fromMicros.map(PostgresValue.timestampMicros))
    conditions.addIfPresent(
      "e.occurred_at < ?", request.toMicros.map(PostgresValue.timestampMicros))
    if let type = request.type { add(type, to: &conditions) }
    return conditions
  }

  private static func add(_ type: String, to conditions: inout Conditions) {
    if type.hasSuffix(".*") {
      conditions.add("starts_with(e.type, ?)", .text(String(type.dropLast())))
    } else if type != "*" {
      conditions.add("e.type = ?", .text(type))
    }
  }

  /// The last column is the actor of the first event with the same correlation.
  private static let columns = """
    e.event, e.position, e.org_sequence, e.type, e.occurred_at, e.recorded_at, e.actor, e.origin,
    e.correlation, e.cause, e.depth, e.subject_type, e.subject, e.version, e.contact, e.campaign,
    e.summary, e.verdict, e.evidence,
    (SELECT f.actor FROM \(AuditProjection.schema).events f
      WHERE f.org = e.org AND f.correlation = e.correlation ORDER BY f.position LIMIT 1)
    """

  private static func entry(_ row: PostgresRow) throws -> AuditEntry {
    var reader = RowReader(row, table: AuditRow.table)
    let subjectType = try row.text(11)
    guard let kind = Identifier.Kind(rawValue: subjectType) else {
      throw RowError(table: AuditRow.table, reason: "subject_type")
    }
    let actor = try row.text(6)
    let root = try row.optionalText(19)
    return AuditEntry(
      event: Identifier(.event, try reader.uuid()), position: try reader.bigint(),
      orgSequence: try reader.bigint(), type: try reader.text(),
      occurredAtMicros: try reader.timestamp(), recordedAtMicros: try reader.timestamp(),
      actor: try reader.text(), origin: try reader.text(), correlation: try reader.text(),
      cause: try reader.optionalBigint(), depth: try reader.bigint(),
      onBehalfOf: root == actor ? nil : root,
      subject: Identifier(kind, try reader.uuid(skipping: 1)), version: try reader.bigint(),
      contact: try reader.optionalUUID().map { Identifier(.contact, $0) },
      campaign: try reader.optionalUUID().map { Identifier(.campaign, $0) },
      summary: try reader.text(), verdict: try reader.optionalJSONB(),
      evidence: try reader.optionalJSONB())
  }
}

extension RowReader {
  fileprivate mutating func uuid(skipping count: Int) throws(RowError) -> UInt128 {
    for _ in 0..<count { try skip() }
    return try uuid()
  }
}
