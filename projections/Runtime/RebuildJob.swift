internal import Domain
internal import EventCodec
internal import EventLog
internal import Postgres

/// Fills a fresh schema from the log, within one transaction of one connection: nothing of it is seen
/// before the commit, and a kill leaves nothing behind.
///
/// Rows are folded in memory and copied into tables without keys. Where memory would grow beyond
/// `residentLimit` rows they are written early, the keys are made, and the fold goes on as live.
final class RebuildJob<P: Projection> {
  let schema: String
  private(set) var checkpoint = Checkpoint.start
  private(set) var consumedCount = 0
  private(set) var last: RecordedDomainEvent?
  private let connection: PostgresConnection
  private let folder: Folder<P>
  private let poisons: [UInt64: Poison]
  private var heldKeys: Set<ParkingKey> = []
  private(set) var parked: [ParkedEvent] = []
  private var hasKeys = false

  /// Rows in memory before they are written early: about half a gigabyte of messages.
  private static var residentLimit: Int { 400_000 }
  /// Appended rows in memory before they are copied.
  private static var appendedLimit: Int { 20_000 }

  /// `poisons`: events that turned out not to fit, by position.
  init(
    schema: String, poisons: [UInt64: Poison] = [:], connection: PostgresConnection
  ) throws {
    self.poisons = poisons
    self.schema = schema
    self.connection = connection
    try Catalog.create(P.self, schema: schema, isIndexed: false, connection)
    try Catalog.verify(P.self, schema: schema, connection)
    folder = Folder<P>(
      store: TableStore(connection: connection, schema: schema, isFrozen: true), isComplete: true)
  }

  /// Folds a page and writes what memory should not keep.
  ///
  /// - Throws: `ProjectionError.poison`: begin again with it among `poisons`.
  func fold(_ page: Batch) throws {
    let triage = Triage(
      page, for: P.self, after: checkpoint.position, held: heldKeys, poisons: poisons)
    heldKeys = triage.heldKeys
    parked += triage.parked
    try folder.fold(triage.good[...])
    for event in page.events where P.consumes(event) {
      checkpoint.root.add(event)
      consumedCount += 1
    }
    last = page.events.last ?? last
    checkpoint.recordedAtMicros = last?.recordedAtMicros
    checkpoint.position = page.end
    try relieve()
  }

  private func relieve() throws {
    for table in folder.tables.all
    where table.keyColumnCount == 0 && table.residentCount >= Self.appendedLimit {
      try folder.store.write(table)
      table.markWritten(keepingRows: false)
    }
    let residentCount = folder.tables.all.reduce(0) { $0 + $1.residentCount }
    guard residentCount >= Self.residentLimit else { return }
    try folder.write()
    try makeKeys()
    for table in folder.tables.all { table.isComplete = false }
  }

  private func makeKeys() throws {
    guard !hasKeys else { return }
    hasKeys = true
    try Catalog.run(P.schemaScript.keys, in: schema, connection)
  }

  /// Writes the rest. With `isIndexed` the tables are ready to be read and to go on as live.
  func finish(isIndexed: Bool) throws {
    try folder.write()
    guard isIndexed else { return }
    try makeKeys()
    try Catalog.run(P.schemaScript.indexes, in: schema, connection)
    for table in folder.tables.all {
      table.isComplete = false
      try connection.execute(
        "ANALYZE \(quotedIdentifier(schema)).\(quotedIdentifier(table.tableName))")
    }
  }

  /// Applies what the log got since, after `finish`.
  func catchUp(
    with reader: any EventReader, to end: UInt64, _ cancellation: Cancellation
  ) throws {
    while checkpoint.position < end {
      try cancellation.check()
      let batch = try Batch.read(
        reader, after: checkpoint.position, limit: 10_000, types: P.eventTypes)
      guard batch.end > checkpoint.position else { return }
      try fold(batch.prefix(through: end))
      try folder.write()
    }
  }
}
