internal import Domain
internal import EventCodec
internal import Postgres

/// One projection at work on a connection: declares, loads, folds, writes.
///
/// Lives as long as one transaction. `isComplete`: everything that exists is in memory, or in the files
/// of `evict`: a rebuild.
final class Folder<P: Projection> {
  let tables = P.Tables()
  let all: [any ProjectionTable]
  private let historyTables: [any ProjectionTable]
  var store: TableStore
  private let chunkLimit: Int
  /// People who asked to be forgotten, whose traces are purged after the next writing.
  private var erased: [ErasedSubject] = []

  /// `chunkLimit`: rows that a sweep looks at at once.
  init(store: TableStore, isComplete: Bool = false, chunkLimit: Int = 5_000) {
    self.store = store
    self.chunkLimit = chunkLimit
    all = tables.all
    for table in all {
      table.isComplete = isComplete
      table.keepsHistory = P.history.contains(table.tableName)
    }
    historyTables = all.filter(\.keepsHistory)
  }

  private var isComplete: Bool { all.allSatisfy(\.isComplete) }

  /// Folds events that the projection looks at into the rows in memory; what a sweep must see is written
  /// before it. `relieve` is called between the chunks of a sweep.
  ///
  /// - Throws: `ProjectionError.poison` at the first event that does not fit.
  func fold(
    _ events: ArraySlice<RecordedDomainEvent>, relieve: () throws -> Void = {}
  ) throws {
    var rest = events
    while let index = rest.firstIndex(where: { P.sweeps($0) }) {
      try foldPlain(rest[..<index])
      try foldSweeping(rest[index], relieve)
      rest = rest[(index + 1)...]
    }
    try foldPlain(rest)
  }

  private func foldPlain(_ events: ArraySlice<RecordedDomainEvent>) throws {
    guard !events.isEmpty else { return }
    try load(events)
    for event in events {
      try apply(event)
      close(event)
      if let subject = ErasedSubject(event) { erased.append(subject) }
    }
    try requireSound()
  }

  private func close(_ event: RecordedDomainEvent) {
    for table in historyTables { table.closeEvent(at: event.position) }
  }

  private func apply(_ event: RecordedDomainEvent) throws(ProjectionError) {
    do throws(FoldError) {
      try P.apply(event, to: tables)
    } catch {
      // A row that could not be read looks as if it were not there.
      try requireSound()
      throw poison(event, error)
    }
  }

  private func requireSound() throws(ProjectionError) {
    for table in all {
      if let failure = table.failure { throw ProjectionError(failure) }
    }
  }

  private func poison(_ event: RecordedDomainEvent, _ error: FoldError) -> ProjectionError {
    .poison(projection: P.name, position: event.position, reason: error.description)
  }

  // MARK: Loading and writing

  /// Loads the declared rows, then the rows that only those lead to.
  private func load(_ events: ArraySlice<RecordedDomainEvent>) throws {
    guard !isComplete else { return }
    var loadedCount: Int
    repeat {
      for event in events { P.declareKeys(of: event, in: tables) }
      loadedCount = try all.reduce(0) { $0 + (try store.load($1)) }
    } while loadedCount > 0
  }

  /// Writes what changed. Rows stay in memory where `keepingRows`.
  func write(keepingRows: Bool = false) throws {
    for table in all {
      try store.write(table)
      table.markWritten(keepingRows: keepingRows)
    }
  }

  /// Takes out what the fold cannot reach; after `write`. Gives the last request among them, nil where
  /// there was none.
  func purge() throws -> UInt64? {
    guard let last = erased.map(\.position).max() else { return nil }
    for statement in P.purges { try store.purge(statement, erased) }
    erased = []
    return last
  }

  // MARK: Sweeping

  private func foldSweeping(
    _ event: RecordedDomainEvent, _ relieve: () throws -> Void
  ) throws {
    try load([event])
    let sweep = P.sweep(for: event, in: tables)
    try apply(event)
    defer { close(event) }
    guard let sweep else { return }
    precondition(!sweep.table.keepsHistory, "a swept table keeps no history")
    for table in all { table.beginSweep() }
    defer { for table in all { table.endSweep() } }
    guard !isComplete else {
      return try sweep.table.sweep(of: sweep.org.value, limit: chunkLimit) {
        try visit(sweep, event)
        try relieve()
      }
    }
    try write(keepingRows: true)
    sweep.table.reset()
    var key: [PostgresValue]?
    repeat {
      key = try store.loadChunk(
        sweep.table, org: sweep.org.value, after: key, limit: chunkLimit)
      try visit(sweep, event)
      try write(keepingRows: true)
      for table in all { table.dropChunk() }
      sweep.table.reset()
    } while key != nil
  }

  private func visit(_ sweep: Sweep, _ event: RecordedDomainEvent) throws(ProjectionError) {
    do throws(FoldError) {
      try sweep.visit()
    } catch {
      try requireSound()
      throw poison(event, error)
    }
    try requireSound()
    for table in historyTables { table.closeChunk(at: event.position) }
  }
}
