package import Domain

/// Where a row's newest version lies among those that were not taken away since.
private struct WrittenVersion {
  let number: Int
  let fields: Range<Int>
}

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
    /// The row is in the file, as it is here.
    var isFiled = false
    /// When it was looked at last: a page of a rebuild.
    var page: UInt32 = 0
    /// The row as it stands is in `versions` already.
    var version: WrittenVersion?

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
  package var isComplete = false
  package var keepsHistory = false
  /// Keys that the event in hand changes; kept up for the history alone.
  private var touched: [Row.Key] = []
  private var versions = RowWriter()
  /// How often `versions` was emptied.
  private var versionsNumber = 0
  /// Rows for which memory had no room; only while `isComplete`.
  private var file: RowFile?
  private var page: UInt32 = 0
  /// The keys that a sweep looks at now, of all of the org's.
  private var lentKeys: [Row.Key]?
  package private(set) var failure: (any Error)?

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
      guard let entry = entry(key) else {
        requireDeclared(key)
        return nil
      }
      return entry.row
    }
    _modify {
      let entry = changing(key, isStored: false, mustBeDeclared: true)
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
    let entry = changing(row.key, isStored: false)
    guard entry.row == nil else { throw .unexpectedRow(table: Row.table) }
    entry.row = row
  }

  /// Deletes a row that earlier events certainly made, loaded or not.
  package func deleteExisting(_ key: Row.Key) throws(FoldError) {
    let entry = changing(key, isStored: !isComplete)
    if isComplete, entry.row == nil { throw .missingRow(table: Row.table) }
    entry.row = nil
  }

  /// An org's rows in memory, in no particular order: after `wantAll`, and in a sweep.
  package func rows(of org: Identifier) -> [Row] {
    precondition(isIndexedByOrg, "\(Row.table) keeps no index by org")
    if let lentKeys { return lentKeys.compactMap { entry($0)?.row } }
    return (keysByOrg[org.value] ?? []).compactMap { entry($0)?.row }
  }

  /// The entry of a row that the event in hand changes. `isStored`: of a key that is new here.
  private func changing(
    _ key: Row.Key, isStored: Bool, mustBeDeclared: Bool = false
  ) -> Entry {
    if keepsHistory { touched.append(key) }
    let entry: Entry
    if let known = self.entry(key) {
      entry = known
      if known.isFiled {
        known.isFiled = false
        file?.forget(hash(key))
      }
    } else {
      if mustBeDeclared { requireDeclared(key) }
      entry = Entry(isStored: isStored)
      entry.page = page
      set(entry, at: key)
    }
    entry.isChanged = true
    entry.version = nil
    return entry
  }

  /// What is known under the key, in memory or in the file.
  private func entry(_ key: Row.Key) -> Entry? {
    if let entry = entries[key] {
      entry.page = page
      return entry
    }
    return file == nil ? nil : filed(key)
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

// MARK: - Rows in a file

extension Rows {
  private func hash(_ key: Row.Key) -> UInt64 { UInt64(bitPattern: Int64(key.hashValue)) }

  /// Takes a row back from the file.
  private func filed(_ key: Row.Key) -> Entry? {
    guard let file, file.contains(hash(key)) else { return nil }
    do {
      guard let bytes = try file.row(hash(key)), Self.isRow(bytes, of: key) else { return nil }
      var reader = RowReader(fields: bytes, from: RowWriter.fieldOffset, table: Row.table)
      let entry = Entry(row: try Row(from: &reader))
      entry.isFiled = true
      entry.page = page
      entries[key] = entry
      return entry
    } catch {
      failure = error
      return nil
    }
  }

  /// Two keys may have one hash.
  private static func isRow(_ bytes: [UInt8], of key: Row.Key) -> Bool {
    var writer = RowWriter()
    key.write(to: &writer)
    return bytes.dropFirst(RowWriter.fieldOffset).starts(with: writer.bytes)
  }

  package func evict() throws {
    precondition(isComplete, "rows that the database has are not put into a file")
    let file = self.file ?? RowFile()
    self.file = file
    let limit = evictedPage
    let pinned = Set(touched)
    var writer = RowWriter()
    var evicted: [Row.Key] = []
    for (key, entry) in entries where entry.page <= limit && !pinned.contains(key) {
      if let row = entry.row, !entry.isFiled {
        // Whoever shares its hash with another one stays in memory.
        guard !file.contains(hash(key)) else { continue }
        writer.removeAll()
        writer.append(row)
        guard try file.append(writer.bytes[...], hash: hash(key)) else { continue }
      }
      if entry.row == nil, isIndexedByOrg { keysByOrg[key.org]?.remove(key) }
      evicted.append(key)
    }
    for key in evicted { entries[key] = nil }
  }

  /// Half of the rows were not looked at since.
  private var evictedPage: UInt32 {
    var counts: [UInt32: Int] = [:]
    for entry in entries.values { counts[entry.page, default: 0] += 1 }
    var count = 0
    for (page, rows) in counts.sorted(by: { $0.key < $1.key }) {
      count += rows
      if count * 2 >= entries.count { return page }
    }
    return page
  }

  package func beginPage() { page &+= 1 }
}

// MARK: - What the runtime does

extension Rows: ProjectionTable {
  package var tableName: String { Row.table }
  package var columns: [Column] { Row.columns }
  package var keyColumnCount: Int { Row.Key.columnCount }
  package var residentCount: Int { entries.count }

  package func takeMissingKeys() -> RowWriter {
    var keys = RowWriter()
    for key in missing {
      keys.append(key)
      if entries[key] == nil { set(Entry(), at: key) }
    }
    missing.removeAll(keepingCapacity: true)
    return keys
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
      let entry = entries[key]
      let fields = HistoryTable.append(entry?.row, key: key, at: position, to: &versions)
      entry?.version = WrittenVersion(number: versionsNumber, fields: fields)
    }
    touched.removeAll(keepingCapacity: true)
  }

  package func takeVersions(_ write: (RowWriter) throws -> Void) rethrows {
    guard versions.rowCount > 0 else { return }
    try write(versions)
    forgetVersions()
  }

  private func forgetVersions() {
    versions.removeAll()
    versionsNumber += 1
  }

  package func residentRows() -> RowWriter {
    var writer = RowWriter()
    precondition(file == nil, "whoever asks for all rows has evicted none")
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
        if let row = entry.row { append(row, entry.version, to: &rows) } else { rows.append(key) }
        guard rows.bytes.count >= pieceBytes else { continue }
        try write(change, rows)
        rows.removeAll()
      }
      if change == .insert { try appendFiled(to: &rows, pieceBytes, write) }
      if rows.rowCount > 0 { try write(change, rows) }
    }
  }

  /// Most rows were written a moment ago, as their newest version.
  private func append(_ row: Row, _ version: WrittenVersion?, to rows: inout RowWriter) {
    guard let version, version.number == versionsNumber else { return rows.append(row) }
    rows.append(fields: versions.bytes[version.fields], count: Row.columns.count)
  }

  private func appendFiled(
    to rows: inout RowWriter, _ pieceBytes: Int,
    _ write: (TableChange, RowWriter) throws -> Void
  ) throws {
    try file?.forEachRow { row in
      rows.append(written: row)
      guard rows.bytes.count >= pieceBytes else { return }
      try write(.insert, rows)
      rows.removeAll()
    }
  }

  package func markWritten(keepingRows: Bool) {
    forgetVersions()
    precondition(!keepingRows || file == nil, "a file ends with the rebuild")
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
    forgetVersions()
    file = nil
  }
}

extension Rows: SweptTable where Row.Key == ItemKey {
  package func items(of org: UInt128) -> [UInt128] {
    precondition(isIndexedByOrg, "\(Row.table) keeps no index by org")
    return (keysByOrg[org] ?? []).map(\.id)
  }

  package func lend(
    _ items: [UInt128], of org: UInt128, _ visit: () throws -> Void
  ) rethrows {
    lentKeys = items.map { ItemKey(org: org, id: $0) }
    defer { lentKeys = nil }
    try visit()
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
  package func takeVersions(_ write: (RowWriter) throws -> Void) rethrows {
    guard rows.rowCount > 0 else { return }
    try write(rows)
    rows.removeAll()
  }
  package func residentRows() -> RowWriter { rows }
  package func takeMissingKeys() -> RowWriter { RowWriter() }
  package func takeMissingOrgs() -> [UInt128] { [] }
  package func absorb(_ reader: inout RowReader) throws(RowError) {
    preconditionFailure("appended rows are never loaded")
  }
  package var appendedByteCount: Int { rows.bytes.count }
  package var failure: (any Error)? { nil }
  package func evict() throws {}
  package func beginPage() {}
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
