package import Postgres
import Synchronization

/// What is known of each projection's last rebuild: a row of `daybook.rebuilds`.
///
/// Whoever rebuilds writes there how far it is, twice a second, so that everybody sees it and may ask
/// it to stop. A row that says `running` and is not renewed belongs to a process that died: nothing of
/// its work is left, and a projector begins it anew.
package enum RebuildRecord {
  package enum State: String, Sendable {
    /// A projector will do it.
    case requested
    case running
    /// Somebody does not want it any more; whoever does it will see that.
    case cancelling
    case done, failed, cancelled
  }

  /// Without news for so long, whoever did it is dead.
  static let silenceSeconds = 15

  static let tableSQL = """
    -- The last rebuild of each projection: asked for, under way, or over.
    CREATE TABLE IF NOT EXISTS daybook.rebuilds (
      name         text        NOT NULL,
      version      bigint      NOT NULL,
      state        text        NOT NULL CHECK (state IN
        ('requested', 'running', 'cancelling', 'done', 'failed', 'cancelled')),
      phase        text,        -- null: it has not begun
      position     bigint      NOT NULL DEFAULT 0,
      head         bigint      NOT NULL DEFAULT 0,
      rate         double precision NOT NULL DEFAULT 0, -- events a second since its start
      reason       text,        -- why it failed
      requested_at timestamptz NOT NULL DEFAULT now(),
      updated_at   timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (name, version)
    ) WITH (fillfactor = 50);
    GRANT SELECT ON daybook.rebuilds TO daybook_reader;
    """

  // MARK: Asking

  /// Asks for a rebuild; a projector begins it within about a second.
  ///
  /// - Throws: `ProjectionError.rebuildRunning` where one is asked for already or under way.
  package static func request(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    let taken = try connection.query(
      """
      INSERT INTO daybook.rebuilds AS r (name, version, state) VALUES ($1, $2, 'requested')
      ON CONFLICT (name, version) DO UPDATE SET state = 'requested', phase = NULL, position = 0,
        head = 0, rate = 0, reason = NULL, requested_at = now(), updated_at = now()
        WHERE r.state NOT IN ('requested', 'running', 'cancelling')
      RETURNING name
      """, CheckpointStore.key(projection))
    if taken.isEmpty { throw ProjectionError.rebuildRunning(projection: projection.name) }
  }

  /// Asks whoever rebuilds to stop, which leaves everything as it was; false where nobody does.
  package static func cancel(
    _ projection: any Projection.Type, _ connection: PostgresConnection
  ) throws -> Bool {
    try !connection.query(
      """
      UPDATE daybook.rebuilds SET updated_at = now(),
        state = CASE state WHEN 'requested' THEN 'cancelled' ELSE 'cancelling' END
      WHERE name = $1 AND version = $2 AND state IN ('requested', 'running', 'cancelling')
      RETURNING name
      """, CheckpointStore.key(projection)
    ).isEmpty
  }

  fileprivate static let isSilent =
    "r.updated_at < clock_timestamp() - interval '\(silenceSeconds) seconds'"

  /// Takes what is asked for, or was left by a process that died, upon oneself: whoever cancels from now
  /// on is heard by the rebuild. Gives those that are still wanted.
  static func claim(
    _ names: [String], _ projections: [any Projection.Type], _ connection: PostgresConnection
  ) throws -> Set<String> {
    let wanted = projections.filter { names.contains($0.name) }
    let rows = try connection.query(
      """
      UPDATE daybook.rebuilds r SET state = 'running', phase = NULL, position = 0,
        updated_at = clock_timestamp()
      FROM unnest($1::text[], $2::bigint[]) AS w(name, version)
      WHERE r.name = w.name AND r.version = w.version
        AND (r.state = 'requested' OR r.state = 'running' AND \(isSilent))
      RETURNING r.name
      """,
      [
        .textArray(wanted.map { $0.name }), .intArray(wanted.map { Int64($0.version) }),
      ])
    return Set(try rows.map { try $0.text(0) })
  }

  /// The projections that wait for a rebuild: asked for, or left by a process that died.
  static func waiting(
    _ projections: [any Projection.Type], _ connection: PostgresConnection
  ) throws -> Set<String> {
    try connection.execute(
      "UPDATE daybook.rebuilds r SET state = 'cancelled' WHERE state = 'cancelling' AND \(isSilent)"
    )
    let rows = try connection.query(
      """
      SELECT name FROM daybook.rebuilds r
      JOIN unnest($1::text[], $2::bigint[]) AS w(name, version) USING (name, version)
      WHERE r.state = 'requested' OR r.state = 'running' AND \(isSilent)
      """,
      [
        .textArray(projections.map { $0.name }),
        .intArray(projections.map { Int64($0.version) }),
      ])
    return Set(try rows.map { try $0.text(0) })
  }
}

/// Writes down how the rebuilds of one `Rebuilder` are getting on, and hears who wants them to stop.
final class RebuildScribe: Sendable {
  private struct Line {
    let version: Int
    var progress: RebuildProgress?
    var hasBegun = false
    /// nil: it goes on.
    var end: (state: RebuildRecord.State, reason: String?)?
    var isEndWritten = false
  }

  private static let pause = Duration.milliseconds(500)
  private let lines: Mutex<[String: Line]>
  private let cancellations: [String: Cancellation]
  private let pool: PostgresPool

  init(
    _ projections: [any Projection.Type], _ cancellations: [String: Cancellation],
    connectionString: String
  ) {
    lines = Mutex(
      Dictionary(uniqueKeysWithValues: projections.map { ($0.name, Line(version: $0.version)) }))
    self.cancellations = cancellations
    pool = PostgresPool(
      connectionString: connectionString, size: 1,
      options: PostgresConnection.Options(applicationName: "daybook rebuild"))
  }

  func take(_ progress: RebuildProgress) {
    lines.withLock { $0[progress.projection]?.progress = progress }
  }

  /// The rebuild is ours: no other process has its lock.
  func begin(_ name: String) { lines.withLock { $0[name]?.hasBegun = true } }

  /// A rebuild that the world stopped stays `running` without further news: it is done anew.
  func end(_ name: String, _ error: ProjectionError?) {
    lines.withLock { lines in
      switch error {
      case nil: lines[name]?.end = (.done, nil)
      case .cancelled: lines[name]?.end = (.cancelled, nil)
      case .some(let error) where error.isRetryable: lines[name]?.hasBegun = false
      case .some(let error): lines[name]?.end = (.failed, error.description)
      }
    }
  }

  /// Writes until the task is cancelled. While the database is away nothing is written, and the rebuild
  /// itself fails for the same reason.
  func writeAllTheTime() async {
    while !Task.isCancelled {
      try? await write()
      try? await Task.sleep(for: Self.pause)
    }
  }

  func close() { pool.close() }

  /// Writes what there is to say now.
  func write() async throws {
    let open = lines.withLock { $0.filter { $0.value.hasBegun && !$0.value.isEndWritten } }
    guard !open.isEmpty else { return }
    let unwanted = try await pool.with { connection in
      try open.filter { try Self.write($0.key, $0.value, connection) == .cancelling }
        .map { $0.key }
    }
    for name in unwanted { cancellations[name]?.request() }
    lines.withLock { lines in
      for (name, line) in open where line.end != nil { lines[name]?.isEndWritten = true }
    }
  }

  private static func write(
    _ name: String, _ line: Line, _ connection: PostgresConnection
  ) throws -> RebuildRecord.State? {
    let progress = line.progress
    let row = try connection.query(
      """
      INSERT INTO daybook.rebuilds AS r
        (name, version, state, phase, position, head, rate, reason, updated_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7::bigint, $8, clock_timestamp())
      ON CONFLICT (name, version) DO UPDATE SET
        state = CASE WHEN r.state = 'cancelling' AND excluded.state = 'running'
          AND NOT \(RebuildRecord.isSilent) THEN r.state
          ELSE excluded.state END,
        phase = excluded.phase, position = excluded.position, head = excluded.head,
        rate = excluded.rate, reason = excluded.reason, updated_at = excluded.updated_at
      RETURNING state
      """,
      [
        .text(name), .int(Int64(line.version)),
        .text((line.end?.state ?? .running).rawValue),
        .text((progress?.phase ?? .folding).rawValue), .int(Int64(progress?.position ?? 0)),
        .int(Int64(progress?.head ?? 0)), .int(Int64(progress?.eventsPerSecond ?? 0)),
        line.end?.reason.map { .text($0) } ?? .null,
      ]
    ).first
    return try row.flatMap { RebuildRecord.State(rawValue: try $0.text(0)) }
  }
}
