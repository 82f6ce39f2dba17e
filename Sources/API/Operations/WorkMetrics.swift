import Application
import EventLog
import Foundation

/// What happened since the start, the writer's health and the process itself, in Prometheus text format.
enum WorkMetrics {
  static func lines(_ engine: Engine) -> [String] {
    let counts = engine.workCounter.counts
    let isWritable = if case .writable = engine.log.health { 1 } else { 0 }
    return family(
      "log_events_total", "counter", "Events written since the start.", [("", counts.eventCount)])
      + family(
        "log_writable", "gauge", "0 while the disk takes no writes.", [("", isWritable)])
      + family(
        "messages_total", "counter", "What became of messages since the start, step by step.",
        labelled("step", counts.messages))
      + family(
        "messages_skipped_total", "counter",
        "Messages that a rule kept from going out, by its reason.",
        labelled("reason", keyed(counts.skips)))
      + family(
        "opt_outs_total", "counter", "Opt-outs since the start.",
        labelled("channel", keyed(counts.optOuts)))
      + family(
        "webhook_attempts_total", "counter", "Webhook deliveries tried since the start.",
        [true, false].map {
          ("{taken=\"\($0)\"}", engine.deliveries.attemptCount(taken: $0))
        }) + process
  }

  private static func keyed<Key: RawRepresentable<String>>(_ counts: [Key: Int]) -> [String: Int] {
    Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) })
  }

  private static func labelled(_ label: String, _ counts: [String: Int]) -> [(String, Int)] {
    counts.sorted { $0.key < $1.key }.map { ("{\(label)=\"\($0.key)\"}", $0.value) }
  }

  private static func family(
    _ name: String, _ kind: String, _ help: String, _ values: [(labels: String, value: Int)]
  ) -> [String] {
    ["# HELP daybook_\(name) \(help)", "# TYPE daybook_\(name) \(kind)"]
      + values.map { "daybook_\(name)\($0.labels) \($0.value)" }
  }

  /// By the names that every client library of Prometheus gives them.
  private static var process: [String] {
    var lines: [String] = []
    if let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
      let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    {
      lines += [
        "# HELP process_resident_memory_bytes Memory of the process, the mapped log included.",
        "# TYPE process_resident_memory_bytes gauge",
        "process_resident_memory_bytes \(kibibytes * 1_024)",
      ]
    }
    if let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
      lines += [
        "# HELP process_open_fds Open file descriptors.", "# TYPE process_open_fds gauge",
        "process_open_fds \(descriptors.count)",
      ]
    }
    return lines
  }
}
