package import Domain
package import Postgres
internal import ProjectionRuntime

extension ReadModels {
  /// Those of `contacts` of whom rows may be left although they asked to be forgotten at or before `position`: a
  /// read model has not come so far, keeps rows of before that, or holds their events back, be it with rows that
  /// nobody is served from.
  ///
  /// - Throws: `PostgresError`.
  package static func remaining(
    of contacts: [Identifier], org: Identifier, through position: UInt64, _ pool: PostgresPool
  ) async throws -> Set<Identifier> {
    // Who does not look at contacts has nothing of theirs.
    let models = all.filter { $0.eventTypes?.contains("subject.erasure_requested") ?? true }
    let names = models.map { $0.name }
    let versions = models.map { Int64($0.version) }
    return try await pool.with { connection in
      let behind = try connection.query(
        """
        SELECT 1 FROM unnest($1::text[], $2::bigint[]) AS wanted(name, version)
        WHERE NOT EXISTS (SELECT 1 FROM daybook.projections p WHERE p.name = wanted.name
            AND p.version = wanted.version AND p.state = 'live' AND p.position >= $3)
          OR EXISTS (SELECT 1 FROM daybook.projections o WHERE o.name = wanted.name
            AND o.version <> wanted.version AND o.position < $3)
        LIMIT 1
        """, [.textArray(names), .intArray(versions), .int(Int64(position))])
      guard behind.isEmpty else { return Set(contacts) }
      let held = try connection.query(
        """
        SELECT DISTINCT k.key::text FROM daybook.parked k
        WHERE k.name = ANY($1) AND k.position <= $2 AND k.org = $3 AND k.key = ANY($4::uuid[])
        """,
        [
          .textArray(names), .int(Int64(position)), .id(org),
          .textArray(contacts.map { UUIDText.encode($0.value) }),
        ])
      return Set(
        try held.compactMap { row in
          UUIDText.decode(try row.text(0)).map { Identifier(.contact, $0) }
        })
    }
  }

  /// How many rows know a contact, by what they are: what an erasure would take out or blank.
  ///
  /// - Throws: `PostgresError`.
  package static func traces(
    of contact: Identifier, org: Identifier, _ pool: PostgresPool
  ) async throws -> [(name: String, count: Int)] {
    let schemas = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0.schema) })
    let tables = [
      ("events", "audit", "events"), ("contacts", "contacts", "contacts"),
      ("contact_versions", "contacts", "contacts_history"),
      ("messages", "timeline", "messages"), ("segment_memberships", "segments", "members"),
      ("segment_changes", "segments", "changes"),
    ]
    return try await Reading.read(pool, org: org) { connection in
      try tables.map { name, model, table in
        let schema = quotedIdentifier(schemas[model] ?? model)
        let rows = try connection.query(
          "SELECT count(*) FROM \(schema).\(table) WHERE org = $1 AND contact = $2",
          [.id(org), .id(contact)])
        return (name, try rows.first.map { Int(try $0.int64(0)) } ?? 0)
      }
    }
  }
}
