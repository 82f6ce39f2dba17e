import Application
import Domain
import EventLog

/// `wallet`: postings a second, each checked against the balance and durable, as the charges of a blast are:
/// many in one commit of one org.
enum WalletBench {
  private static let postingsPerCommit = 500
  private static let clientCount = 4

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    guard options.caseName ?? "batched" == "batched" else { return }
    try await withBenchDirectory { directory in
      let house = try await SendingHouse(directory)
      let executor = try await house.org()
      let processorBefore = processorSeconds()
      let start = EventLog.SystemClock.monotonicNanos()
      let deadline = start + Int64(options.seconds * 1e9)
      let count = try await withThrowingTaskGroup(of: Int.self) { group in
        for client in 0..<clientCount {
          group.addTask { try await post(client, executor, until: deadline) }
        }
        return try await group.reduce(0, +)
      }
      let seconds = Double(EventLog.SystemClock.monotonicNanos() - start) / 1e9
      let processor = processorSeconds() - processorBefore
      try await house.close()
      func figure(_ metric: String, _ value: Double) {
        report(Bench.Figure(bench: "wallet", caseName: "batched", metric: metric, value: value))
      }
      figure("per_second", Double(count) / seconds)
      figure("cpu_us_per_posting", processor / Double(max(count, 1)) * 1e6)
    }
  }

  private static func post(
    _ client: Int, _ executor: OrgExecutor, until deadline: Int64
  ) async throws -> Int {
    var count = 0
    while EventLog.SystemClock.monotonicNanos() < deadline {
      let first = count
      _ = try await executor.perform(SendingHouse.call) { workspace throws(CommandError) in
        for index in first..<first + postingsPerCommit {
          try workspace.charge(
            Charge(
              amountMicros: 12_000, resourceType: "sms", resourceID: "SM\(client)-\(index)",
              description: "SMS, segments: 1"))
        }
      }
      count += postingsPerCommit
    }
    return count
  }
}
