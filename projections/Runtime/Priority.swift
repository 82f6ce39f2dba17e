import Foundation
internal import Glibc
internal import Postgres

/// How far this process lets every other one of the machine go first: for what may be behind for a while, beside
/// those whose answers somebody waits for.
package enum Priority {
  private static let nice: Int32 = 10

  /// For as long as the process lives. To be called while there are few threads.
  ///
  /// Under Linux each thread has a nice value of its own, and threads that it starts inherit it (setpriority(2)).
  package static func giveWay() {
    for thread in threads {
      // Refused at worst: it only goes on as before.
      _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), UInt32(thread), nice)
    }
  }

  /// Gives way altogether in bursts, as `BurstYield` says, on a thread of its own that does not, until it is
  /// cancelled. nil, and nothing happens, where we could not come back.
  ///
  /// `standby`: is on while others want nearly all of the machine in a burst. `freeProcessors`: since the last time, as
  /// `FreeProcessors` tells where it is nil. `lag`: the log's head, and up to where every read model is; nil where nobody knows.
  package static func giveWayInBursts(
    _ standby: Standby, freeProcessors: (@Sendable () -> Double?)? = nil,
    lag: @escaping @Sendable () -> (head: UInt64, applied: UInt64?)?
  ) -> Thread? {
    guard mayComeBack else { return nil }
    let keeper = Thread {
      let ours = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self"))?
        .split(separator: "/").last.flatMap { Int32($0) }
      var (burst, isYielding) = (BurstYield(), false)
      var (machine, shortage) = (FreeProcessors(), Shortage())
      defer { standby.isOn = false }
      while !Thread.current.isCancelled {
        Thread.sleep(forTimeInterval: 0.1)
        let must =
          lag().map { burst.mustYield(head: $0.head, applied: $0.applied, at: .now) } ?? false
        let isShort = shortage.isThere(freeProcessors.map { $0() } ?? machine.sinceLast())
        standby.isOn = must && isShort
        // Again while it lasts: threads come and go.
        guard must || isYielding else { continue }
        isYielding = must
        let policy = must ? SchedulingPolicy.idle : .usual
        for thread in threads where thread != ours { policy.set(thread) }
        SessionPriority.yield(must)
      }
    }
    keeper.start()
    return keeper
  }

  private static var threads: [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return names.compactMap { Int32($0) }
  }

  /// "a process can switch from SCHED_IDLE to SCHED_OTHER so long as its nice value falls in the range permitted by
  /// its RLIMIT_NICE", which counts from 20 downwards; root may do so anyway. Source: sched(7), getrlimit(2).
  private static var mayComeBack: Bool {
    if geteuid() == 0 { return true }
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(__RLIMIT_NICE.rawValue), &limit) == 0 else {
      return false
    }
    return limit.rlim_cur >= rlim_t(20 - nice)
  }
}
