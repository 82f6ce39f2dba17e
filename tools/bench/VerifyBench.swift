import Crypto
import EventLog
import Merkle

/// `verify`: how fast a whole log is checked, by one thread and by two: as traffic and the background left it, and after a
/// compaction (cases `compacted.jobs1` and `.jobs2`), as nearly all of a large log is.
enum VerifyBench {
  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await reportDevice(bench: "verify", report)
    try await withBenchDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      try await fill(log, options)
      await log.close()
      try measure(directory, "", options, report)
      guard options.caseName?.hasPrefix("compacted.") ?? true else { return }
      let reopened = try LMDBEventLog(directory: directory)
      _ = try await reopened.compact()
      await reopened.close()
      try measure(directory, "compacted.", options, report)
    }
  }

  private static func measure(
    _ directory: String, _ prefix: String, _ options: Bench.Options,
    _ report: (Bench.Figure) -> Void
  ) throws {
    let wanted = [1, 2].filter { options.caseName ?? "\(prefix)jobs\($0)" == "\(prefix)jobs\($0)" }
    guard !wanted.isEmpty else { return }
    let reader = try LMDBLogReader(directory: directory)
    defer { reader.close() }
    // The first one also warms the page cache.
    _ = try reader.verify()
    for jobCount in wanted { try measure(reader, "\(prefix)jobs\(jobCount)", jobCount, report) }
  }

  private static func measure(
    _ reader: LMDBLogReader, _ name: String, _ jobCount: Int,
    _ report: (Bench.Figure) -> Void
  ) throws {
    let cpuBefore = processorSeconds()
    let start = SystemClock.monotonicNanos()
    let verification = try reader.verify(jobCount: jobCount)
    let seconds = Double(SystemClock.monotonicNanos() - start) / 1e9
    let cpu = processorSeconds() - cpuBefore
    precondition(verification.isSound, "a log that was just written is sound")
    func figure(_ metric: String, _ value: Double) {
      report(Bench.Figure(bench: "verify", caseName: name, metric: metric, value: value))
    }
    figure("per_second", Double(verification.eventCount) / seconds)
    // Of the blocks as they lie on the disk; decompressed; and what SHA-256 went over to make commitments, leaves and
    // nodes again.
    figure("stored_mb_per_second", Double(verification.byteCount) / seconds / 1e6)
    figure("content_mb_per_second", Double(verification.contentByteCount) / seconds / 1e6)
    figure("hashed_mb_per_second", Double(verification.hashedByteCount) / seconds / 1e6)
    figure("cpu_us_per_event", cpu / Double(verification.eventCount) * 1e6)
  }
}

/// `append · tree_share`: which part of an append's processor time the Merkle tree takes. Some of the leaves that were just
/// appended are hashed and put into a tree again, alone: as many as stay in a core's cache, where the sealing has them too.
/// Commitments are not counted: they are what keeps proofs valid after an erasure, with any tree or none.
enum TreeShareBench {
  /// `cpuMicros`: of one appended event.
  static func run(
    _ log: LMDBEventLog, cpuMicros: Double, _ report: (Bench.Figure) -> Void
  ) throws {
    var leaves: [[UInt8]] = []
    for org in try log.orgs().keys.sorted() where leaves.count < 2_000 {
      leaves += try log.leaves(of: org, from: 0, limit: 200).map {
        [MerkleTree.leafPrefix] + $0.leaf
      }
    }
    let batches = messages(leaves)
    // Of this thread alone: the background goes on beside it.
    let cpuBefore = SystemClock.threadProcessorNanos()
    let roundCount = 400
    var slots = 0
    for _ in 0..<roundCount {
      var frontier = Frontier()
      for batch in batches {
        var chains = [SHA256.Chain](repeating: .start, count: batch.count)
        SHA256.advance(&chains, over: batch)
        frontier.append(contentsOf: chains.map(\.digest)) { level, _, _ in
          if level == Frontier.batchLevel { slots += 1 }
        }
      }
    }
    precondition(slots > 0, "every sixteenth leaf completes a stored subtree")
    let nanos = SystemClock.threadProcessorNanos() - cpuBefore
    let cpu = Double(nanos) / Double(roundCount * leaves.count) / 1000
    for (metric, value) in [("cpu_us_per_event", cpu), ("percent", cpu / cpuMicros * 100)] {
      report(
        Bench.Figure(bench: "append", caseName: "tree_share", metric: metric, value: value))
    }
  }

  /// As many together as the writer hashes together.
  private static func messages(_ leaves: [[UInt8]]) -> [SHA256.Messages] {
    stride(from: 0, to: leaves.count, by: EventBatch.maxCount).map { first in
      let batch = leaves[first..<min(first + EventBatch.maxCount, leaves.count)]
      var messages = SHA256.Messages()
      messages.layOut(batch.map(\.count))
      for (index, leaf) in batch.enumerated() {
        let start = messages.offset(of: index)
        messages.bytes.replaceSubrange(start..<start + leaf.count, with: leaf)
      }
      return messages
    }
  }
}
