import Foundation

/// How many of the machine's processors nobody wants but those who give way: idle, or with work that is nicer than usual,
/// our own among it.
package struct FreeProcessors {
  private struct Ticks {
    var free: UInt64
    var all: UInt64
  }

  private var before: Ticks?

  package init() {}

  /// On average since the last time; nil the first time, and where the kernel does not tell.
  package mutating func sinceLast() -> Double? {
    sinceLast((try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? "")
  }

  /// Source: proc(5), /proc/stat: `cpu user nice system idle iowait irq softirq steal guest guest_nice` of all processors, in
  /// ticks since the start, of which the last two are in the first two; and a line `cpu0 …` for each of them.
  package mutating func sinceLast(_ text: String) -> Double? {
    let lines = text.split(separator: "\n").prefix { $0.hasPrefix("cpu") }
    let ticks = lines.first?.split(separator: " ").dropFirst().prefix(8).compactMap { UInt64($0) }
    guard let ticks, ticks.count == 8 else { return nil }
    let now = Ticks(free: ticks[1] + ticks[3] + ticks[4], all: ticks.reduce(0, +))
    defer { before = now }
    // The time that waits for disks may run backwards, says proc(5).
    guard let before, now.all > before.all, now.free >= before.free else { return nil }
    return Double(now.free - before.free) / Double(now.all - before.all) * Double(lines.count - 1)
  }
}

/// Whether others want nearly all of the machine. A look is short, and what is free in it varies: the first that finds little
/// counts, and then the average of a few.
package struct Shortage {
  /// Fewer free processors are too few: what somebody nice would take of them is not free.
  package static let minFree = 0.5
  private static let lookCount = 3

  private var looks: [Double] = []
  private var isShort = false

  package init() {}

  /// `free`: since the look before; nil, where nobody knows, is no shortage.
  package mutating func isThere(_ free: Double?) -> Bool {
    guard let free else {
      self = Shortage()
      return false
    }
    looks = looks.suffix(Self.lookCount - 1) + [free]
    let average = looks.reduce(0, +) / Double(looks.count)
    isShort = free < Self.minFree || isShort && average < Self.minFree
    return isShort
  }
}
