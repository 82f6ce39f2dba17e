internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// A sweep that goes on in later transactions; see decision 0006.
struct OpenSweep {
  let event: RecordedDomainEvent
  /// Rows up to this one, in the order of their ids, are visited; nil: none.
  var after: UInt128?
  /// Rows beyond it that this transaction visited before their turn, or that are newer than the sweep.
  var ahead: Set<UInt128> = []
  var isOver = false
  /// An earlier transaction began it. One that begins now has visited nothing before its turn: what `swept` says of its
  /// event is of other rows, such as those that a rebuild will take the place of.
  let isStored: Bool

  /// Begins one.
  init(event: RecordedDomainEvent) {
    self.event = event
    isStored = false
  }

  /// Goes on with one.
  init(event: RecordedDomainEvent, after: UInt128?) {
    self.event = event
    self.after = after
    isStored = true
  }
}

/// The rows of `daybook.sweeps` and `daybook.swept`. Whoever changes them holds the lock of the checkpoint.
enum SweepStore {
  /// The tables of `Catalog`, of which readers see their org's sweeps.
  static let tableSQL = """
    DO $$ BEGIN
      IF to_regclass('daybook.sweeps') IS NULL THEN
        -- Events that concern all rows of their org and were applied to some of them.
        CREATE TABLE daybook.sweeps (
          name     text   NOT NULL,
          version  bigint NOT NULL,
          org      uuid   NOT NULL,
          position bigint NOT NULL,           -- of the event
          subject  uuid   NOT NULL,           -- its stream
          after    uuid,                      -- rows up to this one are done
          steps    bigint NOT NULL DEFAULT 0,
          begun_at timestamptz NOT NULL DEFAULT now(),
          PRIMARY KEY (name, version, org, position)
        );
        ALTER TABLE daybook.sweeps ENABLE ROW LEVEL SECURITY;
        CREATE POLICY org ON daybook.sweeps FOR SELECT TO daybook_reader
          USING (org = nullif(current_setting('daybook.org', true), '')::uuid);
        GRANT SELECT ON daybook.sweeps TO daybook_reader;
        -- Rows beyond `after` that are done already, or came later than the event.
        CREATE TABLE daybook.swept (
          name     text   NOT NULL,
          version  bigint NOT NULL,
          org      uuid   NOT NULL,
          position bigint NOT NULL,
          id       uuid   NOT NULL,
          PRIMARY KEY (name, version, org, position, id)
        );
      END IF;
    END $$;

    """

  /// In the order of their events.
  static func all(
    of projection: any Projection.Type, _ reader: any EventReader,
    _ connection: PostgresConnection
  ) throws -> [OpenSweep] {
    try connection.query(
      """
      SELECT position, after FROM daybook.sweeps WHERE name = $1 AND version = $2 ORDER BY position
      """, CheckpointStore.key(projection)
    ).map { try sweep($0, reader) }
  }

  /// The one whose turn it is: of an org the oldest, of all orgs the one that had the fewest steps, so that
  /// a small org does not wait for a large one.
  static func next(
    of projection: any Projection.Type, _ reader: any EventReader,
    _ connection: PostgresConnection
  ) throws -> OpenSweep? {
    try connection.query(
      """
      SELECT position, after FROM (
        SELECT DISTINCT ON (org) position, after, steps FROM daybook.sweeps
        WHERE name = $1 AND version = $2 ORDER BY org, position) oldest
      ORDER BY steps, position LIMIT 1
      """, CheckpointStore.key(projection)
    ).first.map { try sweep($0, reader) }
  }

  private static func sweep(_ row: PostgresRow, _ reader: any EventReader) throws -> OpenSweep {
    let position = UInt64(try row.int64("position"))
    let event = try Batch.event(at: position, reader)
    return OpenSweep(
      event: event, after: try row.optionalText("after").flatMap(UUIDText.decode))
  }

  /// Those of the items that the sweep has still before it.
  static func unvisited(
    _ items: [UInt128], by sweep: OpenSweep, _ projection: any Projection.Type,
    _ connection: PostgresConnection
  ) throws -> [UInt128] {
    let rest = items.filter { item in
      sweep.after.map { item > $0 } ?? true && !sweep.ahead.contains(item)
    }
    guard !rest.isEmpty else { return [] }
    let done = try connection.query(
      """
      SELECT id FROM daybook.swept WHERE name = $1 AND version = $2 AND org = $3::uuid
        AND position = $4 AND id = ANY($5::uuid[])
      """,
      key(sweep, projection) + [.textArray(rest.map(UUIDText.encode))])
    let ids = Set(try done.compactMap { UUIDText.decode(try $0.text(0)) })
    return rest.filter { !ids.contains($0) }
  }

  /// Writes down what a batch began and what it visited before its turn.
  static func note(
    _ sweeps: [OpenSweep], of projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    for sweep in sweeps {
      try connection.execute(
        """
        INSERT INTO daybook.sweeps (name, version, org, position, subject, after)
        VALUES ($1, $2, $3::uuid, $4, $5::uuid, $6::uuid) ON CONFLICT DO NOTHING
        """,
        key(sweep, projection) + [
          .id(sweep.event.stream), sweep.after.map(PostgresValue.uuid) ?? .null,
        ])
      guard !sweep.ahead.isEmpty else { continue }
      try connection.execute(
        """
        INSERT INTO daybook.swept (name, version, org, position, id)
        SELECT $1, $2, $3::uuid, $4, id FROM unnest($5::uuid[]) AS id ON CONFLICT DO NOTHING
        """,
        key(sweep, projection) + [.textArray(sweep.ahead.map(UUIDText.encode))])
    }
  }

  /// Writes down how far a step came.
  static func move(
    _ sweep: OpenSweep, of projection: any Projection.Type, _ connection: PostgresConnection
  ) throws {
    guard sweep.isOver else {
      try connection.execute(
        """
        UPDATE daybook.sweeps SET after = $5::uuid, steps = steps + 1
        WHERE name = $1 AND version = $2 AND org = $3::uuid AND position = $4
        """, key(sweep, projection) + [sweep.after.map(PostgresValue.uuid) ?? .null])
      return
    }
    for table in ["sweeps", "swept"] {
      try connection.execute(
        """
        DELETE FROM daybook.\(table)
        WHERE name = $1 AND version = $2 AND org = $3::uuid AND position = $4
        """, key(sweep, projection))
    }
  }

  /// - Throws: `ProjectionError.sweeping` where rows are between two definitions: nothing can be said about
  ///   them.
  static func requireNone(
    of projection: any Projection.Type, org: Identifier? = nil, _ connection: PostgresConnection
  ) throws {
    let rows = try connection.query(
      """
      SELECT 1 FROM daybook.sweeps WHERE name = $1 AND version = $2
        AND ($3::uuid IS NULL OR org = $3::uuid) LIMIT 1
      """, CheckpointStore.key(projection) + [org.map(PostgresValue.id) ?? .null])
    guard rows.isEmpty else { throw ProjectionError.sweeping(projection: projection.name) }
  }

  private static func key(
    _ sweep: OpenSweep, _ projection: any Projection.Type
  ) -> [PostgresValue] {
    CheckpointStore.key(projection) + [
      .id(sweep.event.org), .int(Int64(sweep.event.position)),
    ]
  }
}

extension Projection {
  /// A condition in SQL: an event of the stream `subject`, up to a position, is applied to some rows of `org`
  /// and not to others yet. Both name columns.
  package static func isSweeping(org: String, subject: String, asOf position: UInt64?) -> String {
    """
    EXISTS (SELECT 1 FROM daybook.sweeps w WHERE w.name = '\(name)' AND w.version = (
        SELECT coalesce(p.serves_version, p.version) FROM daybook.projections p
        WHERE p.name = '\(name)' AND p.version = \(version))
      AND w.org = \(org) AND w.subject = \(subject)
      \(position.map { "AND w.position <= \(Int64(clamping: $0))" } ?? ""))
    """
  }
}
