import HTTP

/// Asks again and again until the answer is right, and returns it. The bound is on a hang, not on speed.
///
/// A server that is away or behind is no answer yet; every other failure ends the wait.
@discardableResult
func eventually<Value>(
  _ what: String, within limit: Duration = .seconds(60),
  isolation: isolated (any Actor)? = #isolation, _ ask: () async throws -> Value,
  until isRight: (Value) -> Bool
) async throws -> Value {
  let deadline = ContinuousClock.now + limit
  var last = "no answer"
  while ContinuousClock.now < deadline {
    do {
      let value = try await ask()
      if isRight(value) { return value }
      last = String("\(value)".prefix(2_000))
    } catch let error as HTTPClientError {
      last = error.description
    } catch let error as UnexpectedAnswer where error.answer.status == 503 {
      last = error.description
    }
    try await Task.sleep(for: .milliseconds(40))
  }
  throw HarnessError("waited \(limit) for \(what); the last was \(last)")
}

/// Asks again and again until it is so.
func eventually(
  _ what: String, within limit: Duration = .seconds(60),
  isolation: isolated (any Actor)? = #isolation, _ holds: () async throws -> Bool
) async throws {
  try await eventually(what, within: limit, holds) { $0 }
}
