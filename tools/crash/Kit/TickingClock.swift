import Synchronization

/// A clock that goes on by a millisecond whenever somebody looks.
package final class TickingClock: Sendable {
  private let micros: Mutex<Int64>

  package init(_ micros: Int64) { self.micros = Mutex(micros) }

  package func next() -> Int64 {
    micros.withLock { micros in
      micros += 1_000
      return micros
    }
  }
}
