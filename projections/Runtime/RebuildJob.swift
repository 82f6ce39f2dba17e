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
  private var hasKeys = false

  /// Rows in memory before they are written early: about half a gigabyte of messages.
  private static var residentLimit: Int { 400_000 }
  /// Appended rows in memory before they are copied.
  private static var appendedLimit: Int { 20_000 }

  init(schema: String, connection: PostgresConnection) throws {
    self.schema = schema
    self.connection = connection
    try Catalog.create(P.self, schema: schema, isIndexed: false, connection)
    try Catalog.verify(P.self, schema: schema, connection)
    folder = Folder<P>(
      store: TableStore(connection: connection, schema: schema, isFrozen: true), isComplete: true)
  }

  /// Folds a page and writes what memory should not keep.
  func fold(_ page: Batch) throws {
    if let bad = page.undecodable.first(where: { $0.concerns(P.self) }) {
      throw ProjectionError.undecodable(position: bad.position, bad.error)
    }
    try folder.fold(page.events[...])
    for event in page.events where P.consumes(event) {
      checkpoint.chain.append(event)
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
    try Catalog.run(SchemaScript(P.schemaSQL).keys, in: schema, connection)
  }

  /// Writes the rest. With `isIndexed` the tables are ready to be read and to go on as live.
  func finish(isIndexed: Bool) throws {
    try folder.write()
    guard isIndexed else { return }
    try makeKeys()
    try Catalog.run(SchemaScript(P.schemaSQL).indexes, in: schema, connection)
    for table in folder.tables.all {
      table.isComplete = false
      try connection.execute(
        "ANALYZE \(quotedIdentifier(schema)).\(quotedIdentifier(table.tableName))")
    }
  }

  /// Applies what the log got since, after `finish`.
  func catchUp(with reader: any EventReader, to end: UInt64) throws {
    while checkpoint.position < end {
      let batch = try Batch.read(
        reader, after: checkpoint.position, limit: 10_000, types: P.eventTypes)
      guard batch.end > checkpoint.position else { return }
      try fold(batch.prefix(through: end))
      try folder.write()
    }
  }
}
