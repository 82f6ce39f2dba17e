import EventLog

/// `proof`: how long a proof of any event takes that nobody has asked for before: on the log as traffic and the background
/// left it (case `hot`), and after a compaction (case `compacted`), which makes the largest blocks there are. And how long
/// the erasure of one person takes (case `erasure`), which rewrites the log's file.
enum ProofBench {
  private static let proofCount = 500

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await reportDevice(bench: "proof", report)
    try await withBenchDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      try await fill(log, options)
      for name in ["hot", "compacted"] where options.caseName ?? name == name {
        if name == "compacted" { _ = try await log.compact() }
        try measure(log, "inclusion.\(name)", report) { org, count, random throws in
          _ = try log.inclusionProof(
            of: org, orgSequence: UInt64(random.below(Int(count))), size: count)
        }
        try measure(log, "consistency.\(name)", report) { org, count, random throws in
          _ = try log.consistencyProof(
            of: org, from: 1 + UInt64(random.below(Int(count))), to: count)
        }
      }
      if options.caseName ?? "erasure" == "erasure" { try await erase(from: log, report) }
      await log.close()
    }
  }

  private static func erase(
    from log: LMDBEventLog, _ report: (Bench.Figure) -> Void
  ) async throws {
    // Those of `fill`.
    let mix = EventMix(seed: logSeed)
    let start = SystemClock.monotonicNanos()
    try await log.erase([SubjectID(mix.contacts[0][0])], org: mix.orgs[0])
    let millis = Double(SystemClock.monotonicNanos() - start) / 1e6
    let megabytes = Double(try log.usage().values.reduce(0, +)) / 1e6
    for (metric, value) in [("ms", millis), ("log_mb", megabytes)] {
      report(Bench.Figure(bench: "proof", caseName: "erasure", metric: metric, value: value))
    }
  }

  private static func measure(
    _ log: LMDBEventLog, _ name: String, _ report: (Bench.Figure) -> Void,
    _ prove: (OrgID, UInt64, inout SplitMix) throws -> Void
  ) throws {
    let latencies = Latencies()
    var random = SplitMix(state: 3)
    let orgs = try log.orgs().sorted { $0.key < $1.key }
    let cpuBefore = SystemClock.threadProcessorNanos()
    for _ in 0..<proofCount {
      let (org, count) = orgs[random.below(orgs.count)]
      let start = SystemClock.monotonicNanos()
      try prove(org, count, &random)
      latencies.add([SystemClock.monotonicNanos() - start])
    }
    let cpu = Double(SystemClock.threadProcessorNanos() - cpuBefore) / 1e6
    let figures = [
      ("p50_ms", latencies.percentile(0.5)), ("p99_ms", latencies.percentile(0.99)),
      ("cpu_ms", cpu / Double(proofCount)),
    ]
    for (metric, value) in figures {
      report(Bench.Figure(bench: "proof", caseName: name, metric: metric, value: value))
    }
  }
}
