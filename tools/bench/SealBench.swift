import EventLog

/// `seal`: how fast the small hot blocks that traffic leaves become large sealed ones, with dictionaries learnt from them,
/// while nothing else goes on.
enum SealBench {
  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await reportDevice(bench: "seal", report)
    try await withBenchDirectory { directory in
      var logOptions = LMDBEventLog.Options()
      logOptions.compaction.pauseFactor = nil
      let log = try LMDBEventLog(directory: directory + "/log", options: logOptions)
      try await fill(log, options)
      let cpuBefore = processorSeconds()
      let start = SystemClock.monotonicNanos()
      let sealed = try await log.compact()
      let seconds = Double(SystemClock.monotonicNanos() - start) / 1e9
      let cpu = processorSeconds() - cpuBefore
      await log.close()
      let events = Double(sealed.eventCount)
      let eventsPerBlock = events / Double(max(1, sealed.blocksAfter))
      // LMDB alone, with a block of the same size a transaction.
      let raw = try rawLMDBFloor(
        directory, byteCount: sealed.bytesAfter / max(1, sealed.blocksAfter), seconds: 0.5)
      func figure(_ name: String, _ metric: String, _ value: Double, _ floor: Double? = nil) {
        report(
          Bench.Figure(bench: "seal", caseName: name, metric: metric, value: value, floor: floor))
      }
      figure("blocks", "per_second", events / seconds, raw * eventsPerBlock)
      figure("blocks", "cpu_us_per_event", cpu / events * 1e6)
      figure("hot", "bytes_per_event", Double(sealed.bytesBefore) / events)
      figure("hot", "events_per_block", events / Double(max(1, sealed.blocksBefore)))
      figure("sealed", "bytes_per_event", Double(sealed.bytesAfter) / events)
      figure("sealed", "events_per_block", eventsPerBlock)
    }
  }
}
