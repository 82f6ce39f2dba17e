import Application
import Domain
import EventLog
import HTTP
import JSON
import Postgres
import ProjectionRuntime
import ReadModels
import SegmentsProjection

/// A read model that a read is answered from, by its name.
enum ReadModel: String, CaseIterable {
  case contacts, timeline, segments, analytics, audit, wallet
}

/// What a read found, and how far its read models had come.
struct Answered<Value> {
  let value: Value
  let position: UInt64
}

extension Exchange {
  /// Answers a read from its read models, after they have applied `Min-Position` and `asOf`.
  func read<Value: Sendable>(
    _ models: [ReadModel], asOf: AsOf? = nil,
    _ body: @Sendable (PostgresPool) async throws -> Value
  ) async throws(APIError) -> Answered<Value> {
    try await read(models, atLeast: asOf?.position ?? 0, body)
  }

  /// The same, after they have come at least as far as `position`.
  func read<Value: Sendable>(
    _ models: [ReadModel], atLeast position: UInt64,
    _ body: @Sendable (PostgresPool) async throws -> Value
  ) async throws(APIError) -> Answered<Value> {
    let pool = services.pool
    let wanted = max(try minPosition(), position)
    let timeoutMillis = try waitMillis()
    do {
      let position = try await ReadModels.wait(
        for: models.map(\.rawValue), position: wanted, pool: pool,
        timeoutMillis: timeoutMillis)
      guard position >= wanted else { throw APIError.behind(position: position, wanted: wanted) }
      return Answered(value: try await body(pool), position: position)
    } catch let error as APIError {
      throw error
    } catch is InvalidCursor {
      throw .invalid("after", "invalid_cursor", "after is no cursor of this list.")
    } catch is SegmentRecomputing {
      throw .segmentRecomputing
    } catch is CancellationError {
      throw .clientGone
    } catch PostgresError.rejected(let rejection) where rejection.kind == .statementTimeout {
      services.report("read model: \(rejection)", requestID)
      throw .readTookTooLong
    } catch let error as PostgresError {
      services.report("read model: \(error)", requestID)
      throw APIError(
        503, "unavailable", "read_model_unavailable",
        "The read models cannot be asked at the moment. Commands still work.", isRetryable: true)
    } catch {
      services.report("read: \(error)", requestID)
      throw APIError(500, "internal", "internal", "The read failed. Operators were told.")
    }
  }

  /// What `Min-Position` asks for; 0 without one.
  func minPosition() throws(APIError) -> UInt64 {
    guard let text = request.headers["min-position"] else { return 0 }
    guard let position = UInt64(text) else {
      throw .invalid(
        "Min-Position", "invalid_position", "Min-Position is the Log-Position of a write.")
    }
    let head = try head()
    guard position <= head else {
      throw .invalid(
        "Min-Position", "position_in_future", "The log ends at \(head): this is no Log-Position.")
    }
    return position
  }

  /// With `wait=projection`, waits until every read model has what was written, and says how far they are. What was
  /// written stays so: where they cannot be asked, the answer says nothing of them.
  func awaitProjections(_ response: inout HTTPResponse) async {
    guard operation.method != "GET", query("wait") == "projection",
      let position = response.headers["log-position"].flatMap(UInt64.init)
    else { return }
    do {
      let reached = try await ReadModels.wait(
        for: ReadModel.allCases.map(\.rawValue), position: position, pool: services.pool,
        timeoutMillis: services.settings.readWaitMillis)
      response.headers.set("read-position", String(reached))
    } catch {
      services.report("wait=projection: \(error)", requestID)
    }
  }

  /// What the org's state holds, from the writer's side.
  func readState<Value: Sendable>(
    _ body: @escaping @Sendable (borrowing Workspace) -> Value
  ) async throws(APIError) -> Value {
    do {
      return try await executor().read { workspace throws(CommandError) in body(workspace) }
    } catch let error as CommandError {
      throw APIError(error)
    } catch let error as APIError {
      throw error
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
  }

  /// What a read of the log or of the state holds at least; nil where nothing is only read.
  func positionBeforeReading() throws(APIError) -> String? {
    guard operation.method == "GET", operation.access.isOfAccount else { return nil }
    return String(try head())
  }

  /// Position of the log's last event.
  func head() throws(APIError) -> UInt64 {
    do {
      return try engine.log.head()
    } catch {
      throw APIError(.log(error))
    }
  }

  private func waitMillis() throws(APIError) -> Int {
    // A write that is only tried reads too: there `wait` says what to wait for, and not how long.
    guard let text = query("wait"), text != "projection" else {
      return services.settings.readWaitMillis
    }
    guard let millis = Int(text), (0...10_000).contains(millis) else {
      throw .invalid("wait", "out_of_range", "wait is a number of milliseconds from 0 to 10000.")
    }
    return millis
  }

  /// What `as_of` means; nil where it is not given.
  func asOf() throws(APIError) -> AsOf? { try moment("as_of") }

  /// The moment that a parameter names; nil where it is not given.
  func moment(_ name: String) throws(APIError) -> AsOf? {
    guard let text = query(name) else { return nil }
    return try moment(name, text)
  }

  /// The moment that `text`, the value of `name`, means.
  func moment(_ name: String, _ text: String) throws(APIError) -> AsOf {
    do {
      // By the log's clock or, of a test account that is ahead of it, the account's own, of which its times are.
      let latestMicros = max(engine.tools.clock.nowMicros(), nowMicros) + AsOf.skewMicros
      guard let asOf = try AsOf(text, of: org, latestMicros: latestMicros, engine.log) else {
        throw APIError.invalid(
          name, "invalid_as_of",
          "\(name) is a position of the log, an event's id or a time, none of them in the future.")
      }
      return asOf
    } catch let error as APIError {
      throw error
    } catch let error as EventLogError {
      throw APIError(.log(error))
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
  }

  func respond<Value>(_ value: JSON, _ answered: Answered<Value>) -> HTTPResponse {
    var response = respond(200, value)
    response.headers.set("read-position", String(answered.position))
    return response
  }

  func queryChoice<Value: RawRepresentable & CaseIterable>(
    _ name: String, _: Value.Type
  ) throws(APIError) -> Value? where Value.RawValue == String {
    guard let text = query(name) else { return nil }
    guard let value = Value(rawValue: text) else {
      let all = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw .invalid(name, "invalid_value", "\(name) is one of: \(all).")
    }
    return value
  }
}

extension APIError {
  fileprivate static var segmentRecomputing: APIError {
    var error = APIError(
      503, "unavailable", "segment_recomputing",
      "The segment's new definition is looking at all contacts. Try again in a moment.",
      isRetryable: true)
    error.headers.set("retry-after", "5")
    return error
  }

  static var readTookTooLong: APIError {
    APIError(
      503, "unavailable", "read_timeout",
      """
      The read was stopped after \(ReadPool.statementTimeoutMillis / 1_000) seconds. Ask for less \
      (a shorter period, another filter, no total), or try again when less is going on.
      """,
      isRetryable: true)
  }

  fileprivate static func behind(position: UInt64, wanted: UInt64) -> APIError {
    APIError(
      503, "unavailable", "read_model_behind",
      "The read model is at position \(position); you asked for \(wanted). Try again.",
      isRetryable: true)
  }
}
