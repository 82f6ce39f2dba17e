/// Whether read models leave all processor time that anybody else wants to those others.
///
/// While a burst of events comes in they do, for as long as they are not far behind: what they lack is then
/// applied after the burst, in large rounds. Once they are `limit` behind they have their usual share again until
/// they have caught up, so that they never stand still.
package struct BurstYield {
  /// Events a second that are a burst.
  package static let burst = 2_000.0
  /// How old the oldest event may get that is not applied.
  package static let limit = Duration.seconds(5)
  /// Caught up: nothing that is older than this is lacking.
  package static let recovered = Duration.milliseconds(250)

  private static let keptCount = 40

  private var heads: [(at: ContinuousClock.Instant, position: UInt64)] = []
  private var isRecovering = false

  package init() {}

  /// To be told a few times a second. `applied`: up to where every read model that is kept up is; nil: there is none.
  package mutating func mustYield(
    head: UInt64, applied: UInt64?, at now: ContinuousClock.Instant
  ) -> Bool {
    let applied = applied ?? head
    let before = heads.last
    heads.append((now, head))
    // What was there at the first look that saw more than is applied waits since then at the latest.
    // The first and the latest tell enough of a long time.
    if heads.count > Self.keptCount { heads.remove(at: 1) }
    heads.removeFirst(heads.firstIndex { $0.position > applied } ?? heads.count - 1)
    let behind = head > applied ? now - heads[0].at : .zero
    if behind >= Self.limit { isRecovering = true }
    if behind <= Self.recovered { isRecovering = false }
    guard !isRecovering, let before, now > before.at else { return false }
    return Double(head - min(before.position, head)) / ((now - before.at) / .seconds(1))
      >= Self.burst
  }
}
