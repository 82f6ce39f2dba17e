import Synchronization

/// Requests since the start, by the class of their answer, and how long they took: Prometheus counters and a
/// histogram. Streams count when they begin.
final class RequestMetrics: Sendable {
  /// Upper bounds of the histogram, in microseconds.
  private static let boundsMicros: [Int64] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
  ]

  private struct Counts {
    /// 1xx to 5xx.
    var classes = [Int](repeating: 0, count: 5)
    /// Not cumulative; the last is for what took longer than every bound.
    var buckets = [Int](repeating: 0, count: boundsMicros.count + 1)
    var sumMicros: Int64 = 0
  }

  private let counts = Mutex(Counts())

  func observe(status: Int, tookMicros: Int64) {
    let bucket = Self.boundsMicros.firstIndex { tookMicros <= $0 } ?? Self.boundsMicros.count
    counts.withLock { counts in
      counts.classes[min(max(status / 100, 1), 5) - 1] += 1
      counts.buckets[bucket] += 1
      counts.sumMicros += tookMicros
    }
  }

  /// In Prometheus text format.
  var lines: [String] {
    let counts = counts.withLock { $0 }
    var lines = [
      "# HELP daybook_http_requests_total Requests answered, by the class of the answer's status.",
      "# TYPE daybook_http_requests_total counter",
    ]
    for (index, count) in counts.classes.enumerated() {
      lines.append("daybook_http_requests_total{status=\"\(index + 1)xx\"} \(count)")
    }
    lines += [
      "# HELP daybook_http_request_seconds From the request's arrival to its answer.",
      "# TYPE daybook_http_request_seconds histogram",
    ]
    var total = 0
    for (bound, count) in zip(Self.boundsMicros, counts.buckets) {
      total += count
      lines.append("daybook_http_request_seconds_bucket{le=\"\(Double(bound) / 1e6)\"} \(total)")
    }
    total += counts.buckets[Self.boundsMicros.count]
    return lines + [
      "daybook_http_request_seconds_bucket{le=\"+Inf\"} \(total)",
      "daybook_http_request_seconds_sum \(Double(counts.sumMicros) / 1e6)",
      "daybook_http_request_seconds_count \(total)",
    ]
  }
}
