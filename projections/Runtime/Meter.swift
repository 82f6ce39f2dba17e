/// Counts a projection's way through the log.
final class Meter {
  private let name: String
  private let head: UInt64
  private let report: (RebuildProgress) -> Void
  private let start = ContinuousClock.now
  private var position: UInt64 = 0
  private var phase = RebuildProgress.Phase.folding

  init(_ name: String, head: UInt64, report: @escaping (RebuildProgress) -> Void) {
    self.name = name
    self.head = head
    self.report = report
  }

  func reached(_ position: UInt64) {
    self.position = position
    tell()
  }

  func enter(_ phase: RebuildProgress.Phase) {
    self.phase = phase
    tell()
  }

  private func tell() {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    report(
      RebuildProgress(
        projection: name, phase: phase, position: position, head: head,
        eventsPerSecond: seconds > 0 ? Double(position) / seconds : 0))
  }
}
