internal import EventCodec
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

extension Poison {
  init(_ rejection: PostgresError.Rejection) {
    self.init(code: PostgresError.rejected(rejection).code, reason: rejection.description)
  }
}

/// What a rebuild or a check found out on its earlier attempts.
struct KnownPoison {
  /// More than this is a defect of the fold and not of some events.
  static let limit = 20

  /// Events that do not fit, by position.
  var poisons: [UInt64: Poison] = [:]
  /// Postgres refused rows, too.
  var isRefused = false
}

extension PostgresConnection {
  /// Postgres does not say which event made the row that it refused: the shortest beginning of the events that it
  /// refuses ends with it, found by halving. `apply` is undone each time.
  func firstRefused(
    of events: [RecordedDomainEvent], _ apply: (ArraySlice<RecordedDomainEvent>) throws -> Void
  ) throws -> UInt64 {
    var passing = 0
    var refused = events.count
    while refused - passing > 1 {
      let middle = (passing + refused) / 2
      if try isRefused(events.prefix(middle), apply) { refused = middle } else { passing = middle }
    }
    precondition(refused > 0, "what holds no events is not refused")
    return events[refused - 1].position
  }

  private func isRefused(
    _ events: ArraySlice<RecordedDomainEvent>,
    _ apply: (ArraySlice<RecordedDomainEvent>) throws -> Void
  ) throws -> Bool {
    do {
      try savepoint {
        try apply(events)
        throw TrialPassed()
      }
      preconditionFailure("a trial is always undone")
    } catch is TrialPassed {
      return false
    } catch PostgresError.rejected(let rejection) where rejection.isPoison {
      return true
    }
  }
}

/// Undoes a savepoint whose work only had to be tried.
struct TrialPassed: Error {}
