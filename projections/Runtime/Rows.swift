package import Domain

/// The rows of a table that a batch touches, by key.
///
/// `declareKeys` names them (`want`), the runtime loads them, `apply` reads and changes them. A fold
/// that reads a row that it did not declare is a defect and traps: it would not see stored rows.
package final class Rows<Row: KeyedRow> {
  /// A class: a dictionary of large values is half empty, and its empty places are as large.
  private final class Entry {
    var row: Row?
    /// The database holds a row under this key.
    var isStored: Bool
    var isChanged = false

    init(row: Row? = nil, isStored: Bool = false) {
      self.row = row
      self.isStored = isStored
    }

    /// What has to be done in the database; nil: nothing.
    var change: TableChange? {
      guard isChanged else { return nil }
      switch (row != nil, isStored) {
      case (true, false): return .insert
      case (true, true): return .update
      case (false, true): return .delete
      case (false, false): return nil
      }
    }
  }

  private var entries: [Row.Key: Entry] = [:]
  private var missing: Set<Row.Key> = []
  private var missingOrgs: Set<UInt128> = []
  private var loadedOrgs: Set<UInt128> = []
  private let isIndexedByOrg: Bool
  private var keysByOrg: [UInt128: Set<Row.Key>] = [:]
  /// Everything that exists is in memory and nothing has to be loaded: the beginning of a rebuild.
  package var isComplete = false
  package var keepsHistory = false
  /// Keys that the event in hand changes; kept up for the history alone.
  private var touched: [Row.Key] = []
  private var versions = RowWriter()

  /// `indexedByOrg`: `rows(of:)` will be asked.
  package init(indexedByOrg: Bool = false) { isIndexedByOrg = indexedByOrg }

  // MARK: Declaring

  /// `apply` will look at this row or change it.
  package func want(_ key: Row.Key) {
    guard !isComplete, entries[key] == nil else { return }
    missing.insert(key)
  }

  /// The row as far as it is loaded: for rows that are wanted because of other rows.
  package func loaded(_ key: Row.Key) -> Row? { entries[key]?.row }

  /// `apply` will insert this row and no earlier event can have: later events of the batch need not
  /// look for it in the database.
  package func willInsert(_ key: Row.Key) {
    guard !isComplete, entries[key] == nil else { return }
    missing.remove(key)
    set(Entry(), at: key)
  }

  /// `apply` will look at all rows of the org: for small tables, such as definitions.
  package func wantAll(of org: Identifier) {
    guard !isComplete, !loadedOrgs.contains(org.value) else { return }
    missingOrgs.insert(org.value)
  }

  // MARK: Folding

  /// The row under a declared key; nil where there is none. Setting nil deletes it.
  package subscript(key: Row.Key) -> Row? {
    get {
      guard let entry = entries[key] else {
        requireDeclared(key)
        return nil
      }
      return entry.row
    }
    _modify {
      if entries[key] == nil { requireDeclared(key) }
      let entry = changing(key, isStored: false)
      yield &entry.row
    }
  }

  /// Changes the row under a declared key.
  ///
  /// - Throws: `FoldError.missingRow` where there is none.
  package func update(_ key: Row.Key, _ change: (inout Row) -> Void) throws(FoldError) {
    guard self[key].change(change) else { throw .missingRow(table: Row.table) }
  }

  /// Adds a row that no earlier event can have made: nothing is loaded, the primary key vouches.
  package func insertNew(_ row: Row) throws(FoldError) {
    let key = row.key
    guard entries[key]?.row == nil else { throw .unexpectedRow(table: Row.table) }
    changing(key, isStored: false).row = row
  }

  /// Deletes a row that earlier events certainly made, loaded or not.
  package func deleteExisting(_ key: Row.Key) throws(FoldError) {
    if isComplete, entries[key]?.row == nil { throw .missingRow(table: Row.table) }
    changing(key, isStored: !isComplete).row = nil
  }

  /// An org's rows in memory, in no particular order: after `wantAll`, and in a sweep.
  package func rows(of org: Identifier) -> [Row] {
    precondition(isIndexedByOrg, "\(Row.table) keeps no index by org")
    return (keysByOrg[org.value] ?? []).compactMap { entries[$0]?.row }
  }

  /// The entry of a row that the event in hand changes. `isStored`: of a key that is new here.
  private func changing(_ key: Row.Key, isStored: Bool) -> Entry {
    if keepsHistory { touched.append(key) }
    let entry: Entry
    if let known = entries[key] {
      entry = known
    } else {
      entry = Entry(isStored: isStored)
      set(entry, at: key)
    }
    entry.isChanged = true
    return entry
  }

  private func set(_ entry: Entry, at key: Row.Key) {
    noteOrg(of: key)
    entries[key] = entry
  }

  private func noteOrg(of key: Row.Key) {
    if isIndexedByOrg { keysByOrg[key.org, default: []].insert(key) }
  }

  private func requireDeclared(_ key: Row.Key) {
    precondition(
      isComplete || loadedOrgs.contains(key.org),
      "a fold may only touch rows that it declared: \(Row.table)")
  }
}

// MARK: - What the runtime does

extension Rows: ProjectionTable {
  package var tableName: String { Row.table }
  package var columns: [Column] { Row.columns }
  package var keyColumnCount: Int { Row.Key.columnCount }
  package var residentCount: Int { entries.count }

  package func takeMissingKeys() -> [[String]] {
    guard !missing.isEmpty else { return [] }
    var columns = [[String]](repeating: [], count: keyColumnCount)
    for key in missing {
      for (column, text) in key.texts.enumerated() { columns[column].append(text) }
      if entries[key] == nil { set(Entry(), at: key) }
    }
    missing.removeAll(keepingCapacity: true)
    return columns
  }

  package func takeMissingOrgs() -> [UInt128] {
    defer { missingOrgs.removeAll() }
    loadedOrgs.formUnion(missingOrgs)
    return Array(missingOrgs)
  }

  package func absorb(_ reader: inout RowReader) throws(RowError) {
    let row = try Row(from: &reader)
    let key = row.key
    if let known = entries[key], known.isStored || known.isChanged { return }
    set(Entry(row: row, isStored: true), at: key)
  }

  package func closeEvent(at position: UInt64) {
    guard !touched.isEmpty else { return }
    // Mostly one; a row that is touched twice gets one version.
    for key in touched.count == 1 ? touched : Array(Set(touched)) {
      HistoryTable.append(entries[key]?.row, key: key, at: position, to: &versions)
    }
    touched.removeAll(keepingCapacity: true)
  }

  package func takeVersions() -> RowWriter {
    defer { versions.removeAll() }
    return versions
  }

  package func residentRows() -> RowWriter {
    var writer = RowWriter()
    for entry in entries.values {
      if let row = entry.row { writer.append(row) }
    }
    return writer
  }

  package var appendedByteCount: Int { versions.bytes.count }

  package func changes(
    pieceBytes: Int, _ write: (TableChange, RowWriter) throws -> Void
  ) throws {
    for change in TableChange.allCases {
      var rows = RowWriter()
      for (key, entry) in entries where entry.change == change {
        if let row = entry.row { rows.append(row) } else { rows.append(key) }
        guard rows.bytes.count >= pieceBytes else { continue }
        try write(change, rows)
        rows.removeAll()
      }
      if rows.rowCount > 0 { try write(change, rows) }
    }
  }

  package func markWritten(keepingRows: Bool) {
    versions.removeAll()
    guard keepingRows else {
      precondition(touched.isEmpty, "an event is closed before its rows are forgotten")
      reset()
      return
    }
    for entry in entries.values {
      entry.isChanged = false
      entry.isStored = entry.row != nil
    }
  }

  package func reset() {
    entries.removeAll()
    keysByOrg.removeAll()
    missing.removeAll()
    missingOrgs.removeAll()
    loadedOrgs.removeAll()
    touched.removeAll()
    versions.removeAll()
  }
}

/// Rows that are written once and never read by their fold.
package final class Appended<Row: TableRow> {
  private var rows = RowWriter()
  package var isComplete = false
  /// Its rows have one version.
  package var keepsHistory = false

  package init() {}

  package func append(_ row: Row) { rows.append(row) }
}

extension Appended: ProjectionTable {
  package var tableName: String { Row.table }
  package var columns: [Column] { Row.columns }
  package var keyColumnCount: Int { 0 }
  package var residentCount: Int { rows.rowCount }

  package func closeEvent(at position: UInt64) {}
  package func takeVersions() -> RowWriter {
    defer { rows.removeAll() }
    return rows
  }
  package func residentRows() -> RowWriter { rows }
  package func takeMissingKeys() -> [[String]] { [] }
  package func takeMissingOrgs() -> [UInt128] { [] }
  package func absorb(_ reader: inout RowReader) throws(RowError) {
    preconditionFailure("appended rows are never loaded")
  }
  package var appendedByteCount: Int { rows.bytes.count }
  package func changes(
    pieceBytes: Int, _ write: (TableChange, RowWriter) throws -> Void
  ) throws {}
  package func markWritten(keepingRows: Bool) { rows.removeAll() }
  package func reset() { rows.removeAll() }
}

extension RowWriter {
  mutating func append(_ row: some TableRow) {
    self.row(columnCount: type(of: row).columns.count)
    row.write(to: &self)
  }

  mutating func append<Key: RowKey>(_ key: Key) {
    row(columnCount: Key.columnCount)
    key.write(to: &self)
  }
}

extension Optional {
  /// Changes the value in place; false where there is none.
  fileprivate mutating func change(_ body: (inout Wrapped) -> Void) -> Bool {
    guard var value = take() else { return false }
    body(&value)
    self = value
    return true
  }
}
