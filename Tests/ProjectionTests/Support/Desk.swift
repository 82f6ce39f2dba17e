import Domain
import EventLog
import Postgres
import ProjectionRuntime
import ReadModels
import TestSupport
import Testing

/// A history and a database to project it into.
struct Desk: Sendable {
  let history = History()
  let connectionString: String
  var projections = ReadModels.all

  /// Everything that happened so far, in the tables.
  func project(
    batchLimit: Int = 4_000, news: @escaping @Sendable (ProjectorNews) -> Void = { _ in }
  ) async throws {
    var options = LiveProjector.Options()
    options.batchLimit = batchLimit
    options.news = news
    try await projector(options).runToHead()
  }

  func projector(
    _ options: LiveProjector.Options = LiveProjector.Options()
  ) -> LiveProjector {
    LiveProjector(
      reader: history.log, connectionString: connectionString, projections: projections,
      options: options)
  }

  /// Connections as the API has them.
  var readers: PostgresPool {
    PostgresPool(
      connectionString: connectionString, size: 1,
      prepare: { try $0.execute("SET ROLE \(Catalog.readerRole)") })
  }

  var rebuilder: Rebuilder {
    Rebuilder(
      reader: history.log, connectionString: connectionString, projections: projections)
  }

  /// The answer as text: a line a row, its values between bars, `-` for null.
  func table(_ sql: String) throws -> [String] {
    let connection = try PostgresConnection(connectionString)
    let rows = try connection.query(sql)
    return try rows.map { row in
      try rows.columnNames.indices.map { try row.optionalText($0) ?? "-" }.joined(separator: " | ")
    }
  }

  func execute(_ sql: String) throws {
    try PostgresConnection(connectionString).execute(sql)
  }

  /// Live rows equal rebuilt rows, in every table.
  func expectLiveEqualsRebuilt(at location: SourceLocation = #_sourceLocation) async throws {
    for report in try await rebuilder.check() {
      #expect(report.isEqual, "\(report)", sourceLocation: location)
    }
  }
}

func withDesk<Result>(
  isolation: isolated (any Actor)? = #isolation, _ body: (Desk) async throws -> Result
) async throws -> Result {
  try await withTestDatabase { try await body(Desk(connectionString: $0)) }
}

extension Desk {
  func drain(_ projection: any Projection.Type) throws -> DrainReport {
    try Drain.run(projection, history.log, PostgresConnection(connectionString))
  }

  func rollBack(_ projection: any Projection.Type) throws {
    try ProjectionAdmin.rollBack(projection, PostgresConnection(connectionString))
  }

  func sample(_ projection: any Projection.Type, _ org: Identifier) throws -> CheckReport {
    try SampleCheck.run(
      projection, org: org, history.log, PostgresConnection(connectionString))
  }
}
