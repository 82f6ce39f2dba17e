import JSON

extension Bench.Figure {
  /// `{"bench":…,"case":…,"metric":…,"value":…,"floor":…}`.
  var jsonLine: String {
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("bench", bench)
    writer.field("case", caseName)
    writer.field("metric", metric)
    writer.field("value", JSON.double(Self.rounded(value)))
    if let floor { writer.field("floor", JSON.double(Self.rounded(floor))) }
    writer.endObject()
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  var row: String {
    let name = "\(bench) · \(caseName)".padded(to: 28)
    let amount = "\(Self.rounded(value))".padded(to: 14)
    return "\(name) \(metric.padded(to: 16)) \(amount)"
      + (floor.map { "floor \(Self.rounded($0))" } ?? "")
  }

  /// Three digits after the point are more than any of these measurements is worth.
  private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}

extension String {
  fileprivate func padded(to count: Int) -> String {
    self + String(repeating: " ", count: max(0, count - self.count))
  }
}
