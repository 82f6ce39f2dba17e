/// Why the event log refused or failed. Closed on purpose: the HTTP layer switches over every case,
/// so a case that nobody mapped to a response does not compile.
package enum EventLogError: Error, Equatable {
  /// Another writer was first. Reload the stream and decide again. Nothing was appended.
  case versionConflict(stream: StreamID, expected: ExpectedVersion, actual: UInt64)

  /// The commit was decided on a book that looks different on disk (`expectedOrgSequence`). Nothing
  /// was appended; reload the org and decide again.
  case sequenceConflict(expected: UInt64, actual: UInt64)

  /// The idempotency key was used for another request. Nothing was appended.
  case idempotencyMismatch

  /// The commit itself is not allowed: no events, a type name that is not ASCII, an oversized part.
  case invalidCommit(reason: String)

  /// Too many appends are waiting. Nothing was appended; try again in a moment.
  case overloaded(waiting: Int)

  /// No room on the disk or in the map. Nothing was appended; reading goes on, and writing recovers
  /// by itself once there is room.
  case logFull(capacityBytes: Int)

  /// The disk failed and does not take a flush yet. Nothing was appended; reading goes on, and writing recovers by
  /// itself.
  case readOnly(reason: String)

  /// The flush failed: the commit is on disk or it is not. Reopen and read before relying on either.
  case outcomeUnknown(reason: String)

  /// The writer was closed before it took the commit. Nothing was appended.
  case closed

  /// Another process, or this one, writes the log already. Nothing was opened.
  case writerPresent

  /// A record fails its checksum or its place, or a file is cut off. Not retryable. Position 0 is none.
  case corrupted(position: UInt64, reason: String)

  /// A key is missing although its subject was never erased: the vault is another log's, or older than the log. An alarm.
  /// Nothing was appended. Position 0 is none.
  case keyMissing(position: UInt64)

  /// The keys are wrapped with another root key than the one that is here. Nothing was appended.
  case wrongRootKey

  /// LMDB, zstd or the file system failed in a way that the cases above do not name.
  case storage(reason: String)
}

extension EventLogError {
  /// The name of the failure in API responses, logs, and metrics. Never changes once released.
  package var code: String {
    switch self {
    case .versionConflict: "version_conflict"
    case .sequenceConflict: "sequence_conflict"
    case .idempotencyMismatch: "idempotency_mismatch"
    case .invalidCommit: "invalid_commit"
    case .overloaded: "log_overloaded"
    case .logFull: "log_full"
    case .readOnly: "log_read_only"
    case .outcomeUnknown: "outcome_unknown"
    case .closed: "log_closed"
    case .writerPresent: "log_writer_present"
    case .corrupted: "log_corrupted"
    case .keyMissing: "key_missing"
    case .wrongRootKey: "wrong_root_key"
    case .storage: "storage_failure"
    }
  }

  /// Whether the same request can succeed later without anybody's help.
  package var isRetryable: Bool {
    switch self {
    case .versionConflict, .sequenceConflict, .overloaded, .logFull, .readOnly, .closed: true
    case .idempotencyMismatch, .invalidCommit, .outcomeUnknown, .writerPresent, .corrupted,
      .keyMissing, .wrongRootKey, .storage:
      false
    }
  }
}

extension EventLogError: CustomStringConvertible {
  private static let keyAdvice =
    "the vault is older than the log, or another's: put the right one back, or restore a backup"

  /// What went wrong, for operators. Carries positions and names, never event payloads: those hold
  /// personal data, and descriptions end up in logs.
  package var description: String {
    switch self {
    case .versionConflict(_, let expected, let actual):
      "\(code): the stream is at version \(actual), not \(expected)"
    case .sequenceConflict(let expected, let actual):
      "\(code): the org's next event is \(actual), not \(expected)"
    case .idempotencyMismatch: "\(code): the key was used for another request"
    case .invalidCommit(let reason): "\(code): \(reason)"
    case .overloaded(let waiting): "\(code): \(waiting) appends are waiting"
    case .logFull(let capacityBytes):
      "\(code): no room \(capacityBytes > 0 ? "(map of \(capacityBytes) bytes, or the disk)" : "on the disk")"
    case .readOnly(let reason): "\(code): the disk does not take writes (\(reason))"
    case .outcomeUnknown(let reason): "\(code): the flush failed (\(reason)); reopen and read"
    case .closed: "\(code): the log is closed"
    case .writerPresent: "\(code): the log has a writer already"
    case .corrupted(0, let reason): "\(code): \(reason)"
    case .corrupted(let position, let reason): "\(code): position \(position): \(reason)"
    case .keyMissing(0): "\(code): no key and no tombstone; \(Self.keyAdvice)"
    case .keyMissing(let position):
      "\(code): position \(position): no key and no tombstone; \(Self.keyAdvice)"
    case .wrongRootKey: "\(code): the keys are wrapped with another root key"
    case .storage(let reason): "\(code): \(reason)"
    }
  }
}
