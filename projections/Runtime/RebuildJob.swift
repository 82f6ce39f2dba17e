internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// Fills a fresh schema from the log, within one transaction of one connection: nothing of it is seen
/// before the commit, and a kill leaves nothing behind.
///
/// Rows are folded in memory, those that memory has no room for wait in a file, and at the end all are
/// copied into tables without keys; see decision 0004. Ledgers and versions are never looked at again:
/// they are copied as they come.
final class RebuildJob<P: Projection> {
  let schema: String
  private(set) var checkpoint = Checkpoint.start
  private(set) var consumedCount = 0
  private(set) var last: RecordedDomainEvent?
  private let connection: PostgresConnection
  private let folder: Folder<P>
  /// Events that turned out not to fit, by position.
  private var poisons: [UInt64: Poison]
  /// Postgres refused a row that nobody knows the event of: each page is written before the next, and what is refused is
  /// parked, as in the live projection.
  private let isCareful: Bool
  private var heldKeys: Set<ParkingKey> = []
  private(set) var parked: [ParkedEvent] = []
  private let budget: RowBudget
  /// Indexed, and written after each batch.
  private var isLive = false
  /// The last request to erase somebody that was carried out; rows of before it hold what it took out.
  private(set) var purgedPosition: UInt64 = 0

  /// Appended rows and versions in memory before they are copied.
  private static var appendedByteLimit: Int { 1 << 20 }

  init(
    schema: String, knowing known: KnownPoison = KnownPoison(), budget: RowBudget,
    connection: PostgresConnection
  ) throws {
    poisons = known.poisons
    isCareful = known.isRefused
    self.budget = budget
    self.schema = schema
    self.connection = connection
    try Catalog.create(P.self, schema: schema, isIndexed: isCareful, connection)
    try Catalog.verify(P.self, schema: schema, connection)
    if isCareful { try connection.execute(LiveProjector.localPlanSQL) }
    folder = Folder<P>(
      store: TableStore(connection: connection, schema: schema, isFrozen: true), isComplete: true,
      chunkLimit: min(5_000, budget.limit), endsSweeps: true)
  }

  /// Folds a page and writes what memory should not keep.
  ///
  /// - Throws: `ProjectionError.poison`: begin again with it among `poisons`.
  func fold(_ page: Batch) throws {
    guard !isCareful else { return try foldCarefully(page) }
    let triage = triage(page)
    for table in folder.all { table.beginPage() }
    try folder.fold(triage.good[...]) { try relieve() }
    take(triage, of: page)
    try relieve()
  }

  private func triage(_ page: Batch) -> Triage {
    Triage(page, for: P.self, after: checkpoint.position, held: heldKeys, poisons: poisons)
  }

  private func take(_ triage: Triage, of page: Batch) {
    heldKeys = triage.heldKeys
    parked += triage.parked
    for event in triage.consumed { checkpoint.root.add(event) }
    consumedCount += triage.consumed.count
    last = page.events.last ?? last
    checkpoint.recordedAtMicros = last?.recordedAtMicros
    checkpoint.position = page.end
  }

  private func relieve() throws {
    for table in folder.all where table.appendedByteCount >= Self.appendedByteLimit {
      try folder.store.append(table)
    }
    guard !isLive, budget.isExceeded(by: P.name, holding: residentCount) else { return }
    for table in folder.all { try table.evict() }
    budget.hold(residentCount, by: P.name)
  }

  private var residentCount: Int {
    folder.all.reduce(0) { $0 + ($1.keyColumnCount > 0 ? $1.residentCount : 0) }
  }

  /// Writes the rest. With `isIndexed` the tables are ready to be read and to go on as live.
  func finish(isIndexed: Bool) throws {
    try folder.write()
    budget.leave(P.name)
    if isIndexed, !isCareful {
      let script = P.schemaScript
      try Catalog.run(script.keys + script.indexes, in: schema, connection)
    }
    try purge()
    guard isIndexed else { return }
    isLive = true
    for table in folder.all {
      table.isComplete = false
      try connection.execute(
        "ANALYZE \(quotedIdentifier(schema)).\(quotedIdentifier(table.tableName))")
    }
  }

  private func purge() throws {
    purgedPosition = max(purgedPosition, try folder.purge() ?? 0)
  }

  /// Applies what the log got since the feed was made.
  func catchUp(
    with reader: any EventReader, to end: UInt64, _ cancellation: Cancellation
  ) throws {
    while checkpoint.position < end {
      try cancellation.check()
      let batch = try Batch.read(
        reader, after: checkpoint.position, limit: 10_000, types: P.eventTypes)
      guard batch.end > checkpoint.position else { return }
      try fold(batch.prefix(through: end))
      guard isLive, !isCareful else { continue }
      try folder.write()
      try purge()
    }
  }
}

// MARK: - Carefully

extension RebuildJob {
  /// All of the page but what is poison, which is found one after the other.
  private func foldCarefully(_ page: Batch) throws {
    while true {
      let triage = triage(page)
      do {
        let purged = try connection.savepoint { try apply(triage.good[...]) }
        purgedPosition = max(purgedPosition, purged)
        return take(triage, of: page)
      } catch ProjectionError.poison(_, let position, let reason) {
        try note(Poison(code: "projection_poison", reason: reason), at: position)
      } catch PostgresError.rejected(let rejection) where rejection.isPoison {
        let position = try connection.firstRefused(of: triage.good) { _ = try apply($0) }
        try note(Poison(rejection), at: position)
      }
    }
  }

  /// - Returns: The last request to erase somebody among them; 0 where there is none.
  private func apply(_ events: ArraySlice<RecordedDomainEvent>) throws -> UInt64 {
    let folder = Folder<P>(
      store: TableStore(connection: connection, schema: schema), endsSweeps: true)
    try folder.fold(events)
    try folder.write()
    return try folder.purge() ?? 0
  }

  private func note(_ poison: Poison, at position: UInt64) throws(ProjectionError) {
    guard poisons.count < KnownPoison.limit else {
      throw .poison(projection: P.name, position: position, reason: poison.reason)
    }
    poisons[position] = poison
  }
}
