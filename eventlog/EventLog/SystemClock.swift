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

  private static func nanos(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    let code = unsafe clock_gettime(clock, &time)
    precondition(code == 0, "the clocks of Linux are always there")
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
