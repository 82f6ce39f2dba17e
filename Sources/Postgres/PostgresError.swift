/// Why Postgres gave no answer, or another one than asked for.
///
/// Carries names (tables, columns, constraints) and SQLSTATEs, never rows or parameters: Postgres
/// puts whole rows into DETAIL and values into the messages of data errors, so neither is kept.
package enum PostgresError: Error, Equatable, CustomStringConvertible {
  /// No connection could be made. Nothing was sent.
  case unavailable(reason: String)
  /// The connection broke while an answer was awaited. It will not work again.
  case connectionLost(outcome: Outcome)
  /// All connections of the pool were busy for as long as the caller was to wait. Nothing was sent.
  case poolExhausted(waitedMillis: Int)
  /// The pool was closed. Nothing was sent.
  case poolClosed
  /// The server refused the statement, and with it the transaction around it.
  case rejected(Rejection)
  /// A parameter that has no form in Postgres (a zero byte in a text), or a value that does not fit
  /// its column's type. Nothing was sent.
  case invalidValue(column: String, expected: String)
  /// A column that is missing, null or of another type than the caller asked for.
  case unexpectedResult(column: String, expected: String)

  /// Whether the statement took effect.
  package enum Outcome: Equatable, Sendable {
    case didNotHappen
    case unknown
  }

  package var outcome: Outcome {
    switch self {
    case .connectionLost(let outcome): outcome
    case .unavailable, .poolExhausted, .poolClosed, .rejected, .invalidValue: .didNotHappen
    // The statement ran; only its answer was not understood.
    case .unexpectedResult: .unknown
    }
  }

  package var code: String {
    switch self {
    case .unavailable: "postgres_unavailable"
    case .connectionLost: "postgres_connection_lost"
    case .poolExhausted: "postgres_pool_exhausted"
    case .poolClosed: "postgres_pool_closed"
    case .rejected(let rejection): "postgres_\(rejection.kind.rawValue)"
    case .invalidValue: "postgres_invalid_value"
    case .unexpectedResult: "postgres_unexpected_result"
    }
  }

  /// Whether the same work may succeed on a second try. See `outcome` for whether that is safe.
  package var isRetryable: Bool {
    switch self {
    case .unavailable, .connectionLost, .poolExhausted: true
    case .rejected(let rejection): rejection.isRetryable
    case .poolClosed, .invalidValue, .unexpectedResult: false
    }
  }

  /// Five characters, where the server gave one.
  package var sqlState: String? {
    if case .rejected(let rejection) = self { rejection.sqlState } else { nil }
  }

  package var description: String {
    switch self {
    case .unavailable(let reason): "\(code): \(reason)"
    case .connectionLost(.didNotHappen): "\(code): the transaction was undone"
    case .connectionLost(.unknown): "\(code): whether the statement took effect is unknown"
    case .poolExhausted(let millis): "\(code): no connection was free for \(millis) ms"
    case .poolClosed: "\(code): the pool is closed"
    case .rejected(let rejection): "\(code): \(rejection)"
    case .invalidValue(let column, let expected): "\(code): \(column) is not \(expected)"
    case .unexpectedResult(let column, let expected): "\(code): \(column) is not \(expected)"
    }
  }
}

extension PostgresError {
  /// What the server said about a statement that it refused.
  package struct Rejection: Equatable, Sendable, CustomStringConvertible {
    package let sqlState: String
    /// The server's primary message where it names only objects and rules; empty where it could
    /// quote values.
    package let message: String
    package let schema: String?
    package let table: String?
    package let column: String?
    package let constraint: String?

    package enum Kind: String, Sendable {
      case uniqueViolation = "unique_violation"
      case constraintViolation = "constraint_violation"
      case serializationFailure = "serialization_failure"
      case deadlock
      case statementTimeout = "statement_timeout"
      case lockNotAvailable = "lock_not_available"
      case insufficientResources = "insufficient_resources"
      case shuttingDown = "shutting_down"
      case readOnly = "read_only"
      case notPermitted = "not_permitted"
      case undefinedObject = "undefined_object"
      case dataException = "data_exception"
      case staleStatement = "stale_statement"
      case other = "rejected"
    }

    /// Source: PostgreSQL 15 documentation, Appendix A.
    package var kind: Kind {
      switch sqlState {
      case "23505": .uniqueViolation
      case "40001": .serializationFailure
      case "40P01": .deadlock
      case "57014": .statementTimeout
      case "55P03": .lockNotAvailable
      case "25006": .readOnly
      case "42501": .notPermitted
      case "42P01", "42703", "42704", "42883", "3D000", "3F000": .undefinedObject
      case "26000": .staleStatement
      case "0A000" where message.hasPrefix("cached plan must not change"): .staleStatement
      default:
        switch sqlState.prefix(2) {
        case "23": .constraintViolation
        case "53": .insufficientResources
        case "57": .shuttingDown
        case "22": .dataException
        default: .other
        }
      }
    }

    var isRetryable: Bool {
      switch kind {
      case .serializationFailure, .deadlock, .statementTimeout, .lockNotAvailable,
        .insufficientResources, .shuttingDown, .staleStatement:
        true
      case .uniqueViolation, .constraintViolation, .readOnly, .notPermitted, .undefinedObject,
        .dataException, .other:
        false
      }
    }

    package var description: String {
      let names = [
        schema.map { "schema \($0)" }, table.map { "table \($0)" }, column.map { "column \($0)" },
        constraint.map { "constraint \($0)" },
      ]
      return ([sqlState] + (message.isEmpty ? [] : [message]) + names.compactMap { $0 })
        .joined(separator: ", ")
    }

    /// The classes whose primary messages quote no values: they speak of objects, rules and states.
    static let classesWithPlainMessages: Set<String> = [
      "08", "0A", "23", "25", "26", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57",
      "58",
    ]
  }
}
