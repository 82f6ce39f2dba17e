/// What the runtime does with a table, whatever its rows are.
package protocol ProjectionTable: AnyObject {
  var tableName: String { get }
  var columns: [Column] { get }
  /// The leading columns that are unique; 0 for a table whose rows are only appended.
  var keyColumnCount: Int { get }

  /// Rows that memory holds, changed or not.
  var residentCount: Int { get }

  /// Everything that exists is in memory and nothing has to be loaded: the beginning of a rebuild.
  var isComplete: Bool { get set }

  /// Every version that a row gets is kept, not only the last one.
  var keepsHistory: Bool { get set }

  /// The rows that the event at `position` touched have their version now.
  func closeEvent(at position: UInt64)

  /// The versions since the last call, or the appended rows: for whoever looks at each event.
  func takeVersions() -> RowWriter

  /// The rows in memory.
  func residentRows() -> RowWriter

  /// The declared keys that are not in memory yet, a list for each key column; empty where there are
  /// none. Counts them as loaded.
  func takeMissingKeys() -> [[String]]

  /// Orgs whose rows were asked for as a whole and are not in memory. Counts them as loaded.
  func takeMissingOrgs() -> [UInt128]

  /// Takes over a row that the database holds; what memory knows about its key is newer and stays.
  func absorb(_ reader: inout RowReader) throws(RowError)

  /// What differs from the database.
  func changes() -> TableChanges

  /// The database has `changes()` now.
  func markWritten(keepingRows: Bool)

  /// Forgets everything, written or not.
  func reset()
}

/// The rows to insert, update and delete, as COPY wants them.
package struct TableChanges: Sendable {
  package var inserted = RowWriter()
  package var updated = RowWriter()
  /// Keys only.
  package var deleted = RowWriter()
  /// Versions, deleted ones too.
  package var history = RowWriter()

  package var isEmpty: Bool {
    inserted.rowCount == 0 && updated.rowCount == 0 && deleted.rowCount == 0
      && history.rowCount == 0
  }
}
