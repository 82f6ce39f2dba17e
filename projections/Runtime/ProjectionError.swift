package import EventCodec
package import EventLog
package import Postgres
internal import ScratchFile

/// Why a projection, a rebuild or a check cannot go on.
package enum ProjectionError: Error, Equatable {
  /// The log skipped or repeated a position: nothing was applied from there on.
  case gap(expected: UInt64, found: UInt64)
  /// The log's event at the checkpoint is another one than the projection consumed: a restore onto a
  /// different history. Rebuild.
  case differentHistory(projection: String, position: UInt64)
  /// The checkpoint lies beyond the log's head: a restore. Rebuild.
  case beyondHead(projection: String, position: UInt64, head: UInt64)
  /// An event that cannot be decoded.
  case undecodable(position: UInt64, CodecError)
  /// An event that the fold or the table's constraints refuse.
  case poison(projection: String, position: UInt64, reason: String)
  /// The tables are not what the code expects. Raise the version and rebuild.
  case schemaMismatch(table: String, reason: String)
  case row(RowError)
  /// The file for the rows that memory has no room for cannot be made, written or read: mostly a full disk.
  case rowFile(reason: String)
  /// Rows that should be there to update or delete are not: somebody else wrote to the tables.
  case rowsDiverged(table: String, expected: Int, found: Int)
  case unknownProjection(String)
  /// Another process rebuilds it at this moment.
  case rebuildRunning(projection: String)
  /// An event is applied to some of its rows and not to others yet. It takes minutes at most.
  case sweeping(projection: String)
  /// Somebody whom its rows still know is being erased from the log. It takes as long as it is behind.
  case erasing(projection: String)
  /// There is nothing that the live rows took the place of, or it was dropped.
  case nothingToRollBack(projection: String)
  case cancelled
  case log(EventLogError)
  case postgres(PostgresError)
}

extension ProjectionError {
  package var code: String {
    switch self {
    case .gap: "projection_gap"
    case .differentHistory: "projection_different_history"
    case .beyondHead: "projection_beyond_head"
    case .undecodable: "projection_undecodable"
    case .poison: "projection_poison"
    case .schemaMismatch: "projection_schema_mismatch"
    case .row: "projection_row"
    case .rowFile: "projection_row_file"
    case .rowsDiverged: "projection_rows_diverged"
    case .unknownProjection: "projection_unknown"
    case .rebuildRunning: "projection_rebuild_running"
    case .sweeping: "projection_sweeping"
    case .erasing: "projection_erasing"
    case .nothingToRollBack: "projection_nothing_to_roll_back"
    case .cancelled: "projection_cancelled"
    case .log(let error): error.code
    case .postgres(let error): error.code
    }
  }

  /// Whether waiting may help: the world is at fault, not the events.
  package var isRetryable: Bool {
    switch self {
    case .log(let error): error.isRetryable
    case .postgres(let error): error.isRetryable
    case .rebuildRunning, .sweeping, .erasing, .rowFile: true
    case .gap, .differentHistory, .beyondHead, .undecodable, .poison, .schemaMismatch, .row,
      .rowsDiverged, .unknownProjection, .nothingToRollBack, .cancelled:
      false
    }
  }

  /// What went wrong of whatever was thrown inside of a transaction.
  init(_ error: any Error) {
    switch error {
    case let error as ProjectionError: self = error
    case let error as PostgresError: self = .postgres(error)
    case let error as EventLogError: self = .log(error)
    case let error as RowError: self = .row(error)
    case let error as RowFile.Failure: self = .rowFile(reason: error.description)
    case is CancellationError: self = .cancelled
    default: preconditionFailure("projections throw their own errors: \(type(of: error))")
    }
  }
}

extension ProjectionError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .gap(let expected, let found):
      "\(code): position \(expected) was expected and \(found) came"
    case .differentHistory(let name, let position):
      "\(code): \(name) consumed another event at position \(position); rebuild it"
    case .beyondHead(let name, let position, let head):
      "\(code): \(name) is at position \(position) and the log ends at \(head); rebuild it"
    case .undecodable(let position, let error): "\(code): position \(position): \(error)"
    case .poison(let name, let position, let reason):
      "\(code): \(name) cannot apply position \(position): \(reason)"
    case .schemaMismatch(let table, let reason): "\(code): \(table): \(reason)"
    case .row(let error): "\(code): \(error)"
    case .rowFile(let reason): "\(code): \(reason)"
    case .rowsDiverged(let table, let expected, let found):
      "\(code): \(table): \(found) of \(expected) rows were there"
    case .unknownProjection(let name): "\(code): \(name)"
    case .rebuildRunning(let name): "\(code): \(name) is being rebuilt"
    case .sweeping(let name):
      "\(code): \(name) is between two definitions of a segment or the like; ask again later"
    case .erasing(let name):
      "\(code): somebody whom \(name) still knows is being erased from the log; ask again later"
    case .nothingToRollBack(let name): "\(code): nothing older of \(name) is kept"
    case .cancelled: code
    case .log(let error): "\(error)"
    case .postgres(let error): "\(error)"
    }
  }
}
