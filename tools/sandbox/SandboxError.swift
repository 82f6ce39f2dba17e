import HTTP

/// Why a sandbox did not start or could not go on.
package enum SandboxError: Error, Equatable {
  case server(HTTPError)
  /// The journal cannot be opened, locked, read or written.
  case journal(operation: String, errno: Int32)
  /// Another sandbox uses the same data directory.
  case directoryInUse
  /// A line of the journal, not the last one, is none that a sandbox writes.
  case journalDamaged(line: Int)
  /// The sandbox has stopped: nothing is taken any more.
  case stopped
}

extension SandboxError {
  /// The name of the failure in logs. Never changes once released.
  package var code: String {
    switch self {
    case .server(let error): error.code
    case .journal: "sandbox_journal_failed"
    case .directoryInUse: "sandbox_directory_in_use"
    case .journalDamaged: "sandbox_journal_damaged"
    case .stopped: "sandbox_stopped"
    }
  }

  /// Whether another start can succeed later without anybody's help.
  package var isRetryable: Bool {
    switch self {
    case .server(let error): error.isRetryable
    case .directoryInUse: true
    case .journal, .journalDamaged, .stopped: false
    }
  }
}

extension SandboxError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .server(let error): error.description
    case .journal(let operation, let errno): "\(code): \(operation) failed with errno \(errno)"
    case .directoryInUse: "\(code): another sandbox uses this data directory"
    case .journalDamaged(let line): "\(code): line \(line) of the journal cannot be read"
    case .stopped: code
    }
  }
}
