package import Postgres
internal import ProjectionRuntime

extension ReadModels {
  /// Up to where all of the named read models have applied the log; 0 where one was never projected.
  ///
  /// - Throws: `PostgresError`.
  package static func appliedPosition(
    of names: [String], _ pool: PostgresPool
  ) async throws -> UInt64 {
    let versions = try names.map { try named($0).version }
    return try await pool.with { connection in
      try Freshness.position(of: names, versions, connection)
    }
  }

  /// Waits until all of the named read models have applied `position`, at most `timeoutMillis`, and
  /// gives how far they are then: compare it with what was asked for.
  ///
  /// Holds no connection while it waits; asks again after a few milliseconds, longer each time.
  ///
  /// - Throws: `PostgresError`; `CancellationError`.
  package static func wait(
    for names: [String], position: UInt64, pool: PostgresPool, timeoutMillis: Int
  ) async throws -> UInt64 {
    let deadline = ContinuousClock.now.advanced(by: .milliseconds(timeoutMillis))
    var pauseMillis = 2
    while true {
      let applied = try await appliedPosition(of: names, pool)
      guard applied < position, ContinuousClock.now < deadline else { return applied }
      try await Task.sleep(for: .milliseconds(pauseMillis))
      pauseMillis = min(pauseMillis * 2, 20)
    }
  }
}

private enum Freshness {
  static func position(
    of names: [String], _ versions: [Int], _ connection: PostgresConnection
  ) throws -> UInt64 {
    let rows = try connection.query(
      """
      SELECT coalesce(min(coalesce(s.position, 0)), 0)
      FROM unnest($1::text[], $2::bigint[]) AS wanted(name, version)
      LEFT JOIN daybook.projections p USING (name, version)
      LEFT JOIN daybook.projections s
        ON s.name = p.name AND s.version = coalesce(p.serves_version, p.version)
      """, [.textArray(names), .intArray(versions.map(Int64.init))])
    return try rows.first.map { UInt64(try $0.int64(0)) } ?? 0
  }
}
