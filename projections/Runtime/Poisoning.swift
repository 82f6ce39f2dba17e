internal import Postgres

extension ProjectionError {
  var isPoison: Bool {
    if case .poison = self { return true }
    return false
  }
}

extension PostgresError.Rejection {
  /// The rows are at fault, not the world.
  var isPoison: Bool {
    switch kind {
    case .uniqueViolation, .constraintViolation, .dataException: true
    // 54000: a row or an index entry that is too large.
    case .other: sqlState.hasPrefix("54")
    case .serializationFailure, .deadlock, .statementTimeout, .lockNotAvailable,
      .insufficientResources, .shuttingDown, .readOnly, .notPermitted, .undefinedObject,
      .staleStatement:
      false
    }
  }
}

/// Undoes a savepoint whose work only had to be tried.
struct TrialPassed: Error {}
