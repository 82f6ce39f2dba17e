import Synchronization

/// A clock that shows the given times one after the other, and then the last one for ever.
final class Ticks: Sendable {
  private let times: [Int64]
  private let index = Mutex(0)

  init(_ times: [Int64]) {
    precondition(!times.isEmpty, "a clock shows something")
    self.times = times
  }

  func next() -> Int64 {
    index.withLock { index in
      defer { index = min(index + 1, times.count - 1) }
      return times[index]
    }
  }
}
