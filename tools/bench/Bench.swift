/// What `daybook bench NAME` runs. Every benchmark measures the device's own limit in the same run.
package enum Bench {
  /// What a run is about: how long, how large.
  package struct Options: Sendable {
    /// Of each timed case.
    package var seconds = 3.0
    /// Of the logs that `replay`, `open` and `size` are measured on.
    package var eventCount = 300_000
    /// Of the org that `lists` and `segments` are measured on; it has ten times as many events, or
    /// `eventCount` where that is more.
    package var contactCount = 100_000
    /// Of the campaign of texts.
    package var recipientCount = 50_000
    /// nil: all cases of the benchmark.
    package var caseName: String?

    package init() {}
  }

  /// One figure. `floor`: what the device alone does in the same unit.
  package struct Figure: Sendable {
    package let bench: String
    package let caseName: String
    package let metric: String
    package let value: Double
    package let floor: Double?

    package init(
      bench: String, caseName: String, metric: String, value: Double, floor: Double? = nil
    ) {
      self.bench = bench
      self.caseName = caseName
      self.metric = metric
      self.value = value
      self.floor = floor
    }
  }

  package typealias Benchmark =
    @Sendable (Options, _ report: (Figure) -> Void) async throws -> Void

  private static let benchmarks: [(name: String, run: Benchmark)] = [
    ("append", AppendBench.run), ("replay", ReplayBench.run), ("open", OpenBench.run),
    ("size", SizeBench.run), ("seal", SealBench.run), ("proof", ProofBench.run),
    ("verify", VerifyBench.run), ("blast", BlastBench.run), ("wallet", WalletBench.run),
    ("lists", ListBench.run), ("segments", SegmentBench.run),
    ("rebuild", RebuildBench.run), ("project", ProjectBench.run),
    ("readmodels", ReadModelsBench.run), ("http", HTTPBench.run),
  ]

  package static var names: [String] { benchmarks.map(\.name) }

  /// Runs the benchmark `name` (or all of them, for `all`) and gives `print` a line per figure: JSON, or a row
  /// for people. False where there is no such benchmark.
  package static func run(
    name: String, json: Bool, options: Options = Options(), print: (String) -> Void
  ) async throws -> Bool {
    // What `readmodels` measures, at another size, is the others' too.
    let chosen = benchmarks.filter {
      name == "all" ? $0.name != "readmodels" : $0.name == name
    }
    for benchmark in chosen {
      try await benchmark.run(options) { figure in
        print(json ? figure.jsonLine : figure.row)
      }
    }
    return !chosen.isEmpty
  }
}
