internal import Synchronization

/// Random bytes for keys, nonces and identifiers: libcrypto's generator, drawn in advance.
package enum Random {
  /// A draw of 12 bytes costs libcrypto almost as much as one of a page; a page's worth is kept.
  private static let poolByteCount = 4096

  private struct Pool: Sendable {
    var bytes: [UInt8] = []
    var used = 0

    /// What `make` makes of the next `count` bytes.
    mutating func draw<Value>(_ count: Int, _ make: (ArraySlice<UInt8>) -> Value) -> Value {
      if bytes.count - used < count { refill() }
      let drawn = make(bytes[used..<used + count])
      // What was handed out must not be found in this process's memory a second time.
      for index in used..<used + count { bytes[index] = 0 }
      used += count
      return drawn
    }

    private mutating func refill() {
      if bytes.isEmpty { bytes = [UInt8](repeating: 0, count: poolByteCount) }
      fillWithRandomness(&bytes)
      used = 0
    }
  }

  private static let pool = Mutex(Pool())

  /// `count` random bytes. Traps where the system has no randomness to give.
  package static func bytes(_ count: Int) -> [UInt8] {
    precondition(count >= 0, "a count of bytes")
    guard count <= poolByteCount / 4 else {
      var bytes = [UInt8](repeating: 0, count: count)
      fillWithRandomness(&bytes)
      return bytes
    }
    return pool.withLock { $0.draw(count) { Array($0) } }
  }

  /// A uniformly random number of 64 bits.
  package static func uint64() -> UInt64 {
    pool.withLock { pool in
      pool.draw(8) { bytes in bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    }
  }
}
