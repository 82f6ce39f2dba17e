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
  /// Sweeps are not left to later transactions.
  private let endsSweeps: Bool
  /// Sweeps that are not at their end, in the order of their events.
  private(set) var sweeps: [OpenSweep]
  /// People who asked to be forgotten, whose traces are purged after the next writing.
  private var erased: [ErasedSubject] = []

  /// `chunkLimit`: rows that a sweep looks at at once. `sweeps`: those that are open already.
  init(
    store: TableStore, isComplete: Bool = false, chunkLimit: Int = 5_000,
    endsSweeps: Bool = false, sweeps: [OpenSweep] = []
  ) {
    self.store = store
    self.chunkLimit = chunkLimit
    self.endsSweeps = endsSweeps
    self.sweeps = sweeps
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
    try loadDeclared(by: events)
    try sweepAhead()
  }

  private func loadDeclared(by events: ArraySlice<RecordedDomainEvent>) throws {
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
    let sweeps = P.needsSweep(event, in: tables)
    try apply(event)
    close(event)
    guard sweeps else { return }
    if isComplete { return try sweepAll(event, relieve) }
    try write()
    var sweep = OpenSweep(event: event)
    // What is open already comes first for each row.
    if !self.sweeps.contains(where: { $0.event.org == event.org }) {
      while try step(&sweep) {
        guard endsSweeps else { break }
      }
      if sweep.isOver { return }
    }
    self.sweeps.append(sweep)
    self.sweeps.sort { $0.event.position < $1.event.position }
  }

  private func sweepAll(_ event: RecordedDomainEvent, _ relieve: () throws -> Void) throws {
    let sweep = P.sweep(for: event, in: tables)
    let items = sweep.table.items(of: event.org.value)
    for start in stride(from: 0, to: items.count, by: chunkLimit) {
      try visit(sweep, items[start..<min(start + chunkLimit, items.count)], event)
      try relieve()
    }
  }

  /// Visits the next rows in the order of their ids, and writes. Gives whether there are more.
  @discardableResult
  func step(_ open: inout OpenSweep) throws -> Bool {
    try loadDeclared(by: [open.event])
    let sweep = P.sweep(for: open.event, in: tables)
    let items = try store.loadNext(of: open, in: sweep.table, for: P.self, limit: chunkLimit)
    try visit(sweep, items[...], open.event)
    try write()
    open.after = items.last ?? open.after
    open.isOver = items.count < chunkLimit
    return !open.isOver
  }

  /// Rows that events are about to change are visited by what is open before: to them it is as if the sweeps
  /// were at their end. Rows that do not exist yet come later than the sweeps.
  private func sweepAhead() throws {
    for index in sweeps.indices {
      let event = sweeps[index].event
      let table = P.sweep(for: event, in: tables).table
      let items = try SweepStore.unvisited(
        table.items(of: event.org.value), by: sweeps[index], P.self, store.connection)
      guard !items.isEmpty else { continue }
      sweeps[index].ahead.formUnion(items)
      try loadDeclared(by: [event])
      try visit(P.sweep(for: event, in: tables), items[...], event)
    }
  }

  private func visit(
    _ sweep: Sweep, _ items: ArraySlice<UInt128>, _ event: RecordedDomainEvent
  ) throws {
    try sweep.table.lend(Array(items), of: event.org.value) {
      do throws(FoldError) {
        try sweep.visit()
      } catch {
        try requireSound()
        throw poison(event, error)
      }
    }
    try requireSound()
    close(event)
  }
}
