import Application
import Domain
import Foundation
import Synchronization
import Testing

/// A clock that tests set: it starts where they say and goes on by itself.
final class TestClock: WallClock {
  private let offsetMicros: Mutex<Int64>
  private static let system = SystemClock()

  init(startMicros: Micros) {
    offsetMicros = Mutex(startMicros - Self.system.nowMicros())
  }

  func nowMicros() -> Micros { offsetMicros.withLock { $0 } + Self.system.nowMicros() }

  func advance(byMicros: Int64) { offsetMicros.withLock { $0 += byMicros } }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a seed gives the same sequence for ever.
struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

final class SeededRandom: RandomSource {
  private let generator: Mutex<SplitMix64>

  init(seed: UInt64) { generator = Mutex(SplitMix64(seed: seed)) }

  func next() -> UInt128 {
    generator.withLock { UInt128($0.next()) << 64 | UInt128($0.next()) }
  }
}

enum Moment {
  /// A Friday, 15:00 in New York and 10:00 in Honolulu: open everywhere in the United States.
  static let openMicros: Micros = 1_795_204_800_000_000
  static let minuteMicros: Int64 = 60_000_000
  static let hourMicros: Int64 = 3_600_000_000
  static let dayMicros: Int64 = 86_400_000_000
}

/// Waits until `condition` holds. A minute is far more than any of them takes.
func wait(
  _ comment: String, at location: SourceLocation = #_sourceLocation,
  until condition: () async throws -> Bool
) async throws {
  for _ in 0..<12_000 {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(5))
  }
  try #require(Bool(false), "never happened: \(comment)", sourceLocation: location)
}
