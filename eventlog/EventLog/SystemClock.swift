import Glibc

/// The machine's clocks without Foundation.
package enum SystemClock {
  /// Microseconds since 1970.
  package static func nowMicros() -> Int64 {
    nanos(CLOCK_REALTIME) / 1000
  }

  /// Nanoseconds of a clock that nobody sets: for measuring.
  package static func monotonicNanos() -> Int64 {
    nanos(CLOCK_MONOTONIC)
  }

  /// Nanoseconds of a core that the calling thread has used.
  package static func threadProcessorNanos() -> Int64 {
    nanos(CLOCK_THREAD_CPUTIME_ID)
  }

  fileprivate static func nanos(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    let code = unsafe clock_gettime(clock, &time)
    precondition(code == 0, "the clocks of Linux are always there")
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

/// What one thread uses of a core, readable from any other as long as that thread lives.
struct ThreadProcessorTime: Sendable {
  private let clock: clockid_t
  private let start: Int64

  /// Begins to count for the calling thread.
  init() {
    var clock: clockid_t = 0
    let code = unsafe pthread_getcpuclockid(pthread_self(), &clock)
    precondition(code == 0, "a thread that runs has a clock")
    self.clock = clock
    start = SystemClock.nanos(clock)
  }

  var nanos: Int64 { SystemClock.nanos(clock) - start }
}
