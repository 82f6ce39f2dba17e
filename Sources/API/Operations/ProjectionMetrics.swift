import Application
import EventLog
import Postgres
import ProjectionRuntime
import ReadModels

/// The read models in Prometheus text format. While the database is away there are none, and
/// `daybook_read_models_up` is 0.
enum ProjectionMetrics {
  static func lines(_ exchange: Exchange) async -> [String] {
    let reader = exchange.engine.log
    let nowMicros = exchange.engine.tools.clock.nowMicros()
    do {
      let head = try reader.head()
      let statuses = try await exchange.services.pool.with { try ProjectionAdmin.list($0) }
      let live = try ReadModels.present(statuses).map { status in
        (status, try status.lagMicros(reader, nowMicros: nowMicros))
      }
      return gauge("read_models_up", "Whether the read models can be asked.", ["": 1])
        + gauges.flatMap { each in
          gauge(
            "projection_" + each.name, each.help,
            Dictionary(
              live.map { (labels($0.0), each.value($0.0, head, Double($0.1) / 1e6)) }
            ) { $1 })
        }
    } catch {
      return gauge("read_models_up", "Whether the read models can be asked.", ["": 0])
    }
  }

  private struct Gauge {
    let name: String
    let help: String
    let value: @Sendable (ProjectionStatus, _ head: UInt64, _ lagSeconds: Double) -> Double
  }

  private static let gauges = [
    Gauge(name: "position", help: "The last position applied.") { status, _, _ in
      Double(status.position)
    },
    Gauge(name: "lag_events", help: "Events of the log that are not applied yet.") {
      status, head, _ in Double(status.lagEvents(head: head))
    },
    Gauge(name: "lag_seconds", help: "For how long the first of them has waited.") {
      _, _, lagSeconds in lagSeconds
    },
    Gauge(name: "rate", help: "Events a second, lately.") { status, _, _ in status.rate },
    Gauge(name: "bytes", help: "Size of tables and indexes.") { status, _, _ in
      Double(status.byteCount)
    },
    Gauge(name: "parked", help: "Events that wait because one cannot be applied.") {
      status, _, _ in Double(status.parkedCount)
    },
    Gauge(name: "open_sweeps", help: "Events that are applied to a part of their rows so far.") {
      status, _, _ in Double(status.openSweepCount)
    },
    Gauge(name: "live", help: "1 where it is kept up with the log.") { status, _, _ in
      status.state == .live ? 1 : 0
    },
    Gauge(name: "diverged", help: "1 where a check found rows that are not what the log says.") {
      status, _, _ in status.check?.isEqual == false ? 1 : 0
    },
    Gauge(name: "checked_timestamp_seconds", help: "When it was checked last; 0: never.") {
      status, _, _ in Double(status.check?.atMicros ?? 0) / 1e6
    },
  ]

  private static func labels(_ status: ProjectionStatus) -> String {
    "{projection=\"\(status.name)\",version=\"\(status.version)\"}"
  }

  private static func gauge(
    _ name: String, _ help: String, _ values: [String: Double]
  ) -> [String] {
    ["# HELP daybook_\(name) \(help)", "# TYPE daybook_\(name) gauge"]
      + values.sorted { $0.key < $1.key }.map { "daybook_\(name)\($0.key) \(text($0.value))" }
  }

  /// Whole numbers without a point.
  private static func text(_ value: Double) -> String {
    Int64(exactly: value).map(String.init) ?? String(value)
  }
}
