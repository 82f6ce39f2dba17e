/// Reads that keep the database busy for long have a line of their own, with fewer places than there
/// are connections: what people and programs wait for at every step is never behind them. (Writes ask
/// the database nothing.)
struct ReportLane: Sendable {
  private let gate: FairGate<Anybody>

  init(connectionCount: Int) {
    gate = FairGate(width: max(1, connectionCount / 2), lineLimit: 32)
  }

  /// Those inside and those in the line.
  var count: Int { gate.count }

  nonisolated(nonsending) func run<Result: Sendable>(
    _ operation: Operation, _ body: nonisolated(nonsending) () async throws(APIError) -> Result
  ) async throws(APIError) -> Result {
    guard operation.isReport else { return try await body() }
    return try await gate.pass(body)
  }
}
