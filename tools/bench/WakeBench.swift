import EventLog

/// `append · wake`: how long after a commit is on disk a tailer beside the writer knows of it: through the futex word that
/// all processes share, as another process would.
enum WakeBench {
  static func run(
    _ options: Bench.Options, _ report: (Bench.Figure) -> Void
  ) async throws {
    try await withBenchDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      let reader = try LMDBLogReader(directory: directory)
      var mix = EventMix(seed: 3)
      let latencies = Latencies()
      var nanos: [Int64] = []
      var head: UInt64 = 0
      let start = SystemClock.monotonicNanos()
      while Double(SystemClock.monotonicNanos() - start) < options.seconds * 1e9 {
        let beyond = head
        let tailer = Task {
          _ = try await reader.waitForHead(beyond: beyond, timeoutMillis: 5_000)
          return SystemClock.monotonicNanos()
        }
        head = try await log.append(mix.commit(eventCount: 1)).lastPosition
        let acknowledged = SystemClock.monotonicNanos()
        // Woken before the caller had its answer: no time at all.
        nanos.append(max(0, try await tailer.value - acknowledged))
      }
      latencies.add(nanos)
      for (metric, share) in [("p50_ms", 0.5), ("p99_ms", 0.99)] {
        report(
          Bench.Figure(
            bench: "append", caseName: "wake", metric: metric, value: latencies.percentile(share)))
      }
      reader.close()
      await log.close()
    }
  }
}
