/// What the runtime does with a table, whatever its rows are.
package protocol ProjectionTable: AnyObject {
  var tableName: String { get }
  var columns: [Column] { get }
  /// The leading columns that are unique; 0 for a table whose rows are only appended.
  var keyColumnCount: Int { get }

  /// Rows that memory holds, changed or not.
  var residentCount: Int { get }

  /// Everything that exists is here, in memory or in a file, and nothing has to be loaded: a rebuild.
  var isComplete: Bool { get set }

  /// Every version that a row gets is kept, not only the last one.
  var keepsHistory: Bool { get set }

  /// The rows that the event at `position` touched have their version now.
  func closeEvent(at position: UInt64)

  /// Lends the versions since the last call, or the appended rows, where there are any; they are forgotten
  /// unless `write` throws.
  func takeVersions(_ write: (RowWriter) throws -> Void) rethrows

  /// The rows in memory.
  func residentRows() -> RowWriter

  /// The declared keys that are not in memory yet. Counts them as loaded.
  func takeMissingKeys() -> RowWriter

  /// Orgs whose rows were asked for as a whole and are not in memory. Counts them as loaded.
  func takeMissingOrgs() -> [UInt128]

  /// Takes over a row that the database holds; what memory knows about its key is newer and stays.
  func absorb(_ reader: inout RowReader) throws(RowError)

  /// Bytes of versions, or of appended rows, that `takeVersions` would give.
  var appendedByteCount: Int { get }

  /// Calls `write` with what differs from the database, but for what is appended, in pieces of about
  /// `pieceBytes`: memory does not hold everything twice. Deletions come first: what was deleted may
  /// come again under another key.
  func changes(
    pieceBytes: Int, _ write: (TableChange, RowWriter) throws -> Void
  ) throws

  /// The database has all `changes` now, and what was appended.
  func markWritten(keepingRows: Bool)

  /// Puts the rows that were not looked at for longest, about half of them, into a file, from which they
  /// come back when they are asked for. Only while `isComplete`, and between two events.
  ///
  /// - Throws: `RowFile.Failure`.
  func evict() throws

  /// Rows that are looked at from now on were looked at later than all others.
  func beginPage()

  /// Why a row could not be taken back from the file. What was folded since is wrong.
  var failure: (any Error)? { get }

  /// Forgets everything, written or not.
  func reset()
}

/// A table whose rows events may concern all at once: each is one item of an org.
package protocol SweptTable: ProjectionTable {
  /// The items of an org that memory knows, whether they have a row or not.
  func items(of org: UInt128) -> [UInt128]

  /// Calls `visit`, for which `rows(of:)` gives the rows of these items and no others.
  func lend(_ items: [UInt128], of org: UInt128, _ visit: () throws -> Void) rethrows
}

/// What is done with rows that differ from the database, in this order.
package enum TableChange: Sendable, CaseIterable {
  /// Keys only.
  case delete
  case insert
  case update
}
