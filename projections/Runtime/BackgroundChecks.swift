internal import Domain
internal import EventLog
internal import Postgres
import Synchronization

extension LiveProjector {
  /// Folds a picked org anew, one read model after the other, for as long as the projector runs: a
  /// row that somebody changed, or that a defect made wrong, is found without anybody asking.
  func checkAllTheTime() async {
    guard let pause = options.checkPause, !projections.isEmpty else { return }
    let pool = PostgresPool(
      connectionString: connectionString, size: 1,
      options: PostgresConnection.Options(
        statementTimeoutMillis: 60_000, applicationName: "daybook check"))
    defer { pool.close() }
    var turn = Int.random(in: projections.indices)
    while !Task.isCancelled {
      do {
        try await Task.sleep(for: pause)
        turn = (turn + 1) % projections.count
        try await check(projections[turn], pool)
      } catch {
        // The database or the log is away, which the projector itself tells; or we are asked to stop.
        continue
      }
    }
  }

  private func check(_ projection: any Projection.Type, _ pool: PostgresPool) async throws {
    let outcome = positions.withLock { $0[projection.name] }
    guard outcome?.isRunning == true, let org = try SampleCheck.pickOrg(reader) else { return }
    let report = try await pool.with { [reader] in
      try SampleCheck.run(projection, org: org, reader, $0)
    }
    for table in report.tables where !table.isEqual {
      options.news(
        .diverged(projection: projection.name, table: table.name, position: table.firstEvent))
    }
  }
}
