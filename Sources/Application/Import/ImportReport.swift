import CSV
import Domain

/// What became of a file of contacts: every row was created, updated, unchanged or failed.
package struct ImportReport: Sendable, Equatable {
  package struct Column: Sendable, Equatable {
    /// As the header names it.
    package let column: String
    /// The contact's field; empty where the column is left out.
    package let field: String
    /// False where the caller's map said so.
    package let guessed: Bool
  }

  /// What is wrong with one row. A row may have several.
  package struct RowError: Sendable, Equatable {
    /// The physical line on which the row starts, from 1.
    package let line: Int
    /// Empty where the whole row is meant.
    package let column: String
    package let code: String
    package let message: String
  }

  /// Of a dry run: an id that nothing is stored under.
  package internal(set) var job: Identifier
  package let rowCount: Int
  package internal(set) var created = 0
  package internal(set) var updated = 0
  package internal(set) var unchanged = 0
  package internal(set) var failed = 0
  package let columns: [Column]
  package internal(set) var errors: [RowError] = []
  /// The idempotency key had been used: the counts are those of the first time.
  package internal(set) var isReplay = false
  /// Position of the import's last event; nil for a dry run.
  package internal(set) var lastPosition: UInt64?
  /// Nothing was written.
  package internal(set) var isTrial = false
  /// Of a dry run: the events that would be written to contacts, by type.
  package internal(set) var rehearsedEvents: [String: Int] = [:]

  private let delimiter: CSVDialect.Delimiter
  private var failedRows: [FailedRow] = []

  init(job: Identifier, file: ContactFile) {
    self.job = job
    rowCount = file.rowCount
    columns = file.columns.columns
    delimiter = file.reader.dialect.delimiter
  }
}

/// A row that was not taken, as it was.
struct FailedRow: Sendable, Equatable {
  let line: Int
  let fields: [String]
  let errors: [ImportReport.RowError]
}

extension ImportReport {
  /// Name of the column that `errorsCSV` adds; importing such a file leaves it out.
  static let errorColumn = "error"

  var outcome: ImportOutcome {
    ImportOutcome(
      createdCount: created, updatedCount: updated, unchangedCount: unchanged, failedCount: failed)
  }

  mutating func add(_ tally: RowTally) {
    created += tally.createdCount
    updated += tally.updatedCount
    unchanged += tally.unchangedCount
    failed += tally.failed.count
    failedRows += tally.failed
  }

  /// Becomes the answer of the first time.
  mutating func adopt(_ known: ImportSession.Known) {
    isReplay = true
    isTrial = false
    job = known.job
    lastPosition = known.lastPosition
    let outcome = known.outcome
    created = outcome.createdCount
    updated = outcome.updatedCount
    unchanged = outcome.unchangedCount
    failed = outcome.failedCount
  }

  /// Brings the errors into the order of the file.
  mutating func finish() {
    failedRows.sort { $0.line < $1.line }
    errors = failedRows.flatMap(\.errors)
  }

  /// The failed rows as they were, with a column `error`: to be put right and imported again. UTF-8
  /// with a byte order mark, the file's delimiter. Only the header where nothing failed.
  package func errorsCSV() -> [UInt8] {
    let kept = columns.indices.filter { columns[$0].column != Self.errorColumn }
    var writer = CSVWriter(delimiter: delimiter, hasByteOrderMark: true)
    writer.append(kept.map { columns[$0].column } + [Self.errorColumn])
    for row in failedRows {
      let fields = kept.map { $0 < row.fields.count ? row.fields[$0] : "" }
      writer.append(fields + [row.errors.map(\.spelled).joined(separator: " ")])
    }
    return writer.take()
  }
}

extension ImportReport.RowError {
  fileprivate var spelled: String { column.isEmpty ? message : "\(column): \(message)" }
}
