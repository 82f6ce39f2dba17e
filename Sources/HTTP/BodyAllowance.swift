import Synchronization

/// What a request may bring, said when its head is there and nothing of its body was kept.
package struct BodyAllowance: Sendable, Equatable {
  /// A larger body is answered with 413.
  package var limitBytes: Int
  /// Whether its sender is somebody: all others together have a part of the room alone, so that nobody who
  /// is known waits for them.
  package var isKnown: Bool

  /// So much of each body is free: a form, a command. Of all connections there can be, some fifty megabytes.
  package static let freeBytes = 4 << 10

  package init(limitBytes: Int, isKnown: Bool) {
    self.limitBytes = limitBytes
    self.isKnown = isKnown
  }
}

/// The bytes of all bodies that are held at the same time, from their arrival to the end of their request. Small ones
/// are not counted: whoever fills the room with large ones keeps nobody from signing in.
final class BodyRoom: Sendable {
  private struct Held {
    var bytes = 0
    var strangersBytes = 0
  }

  /// The part of the room that those have together whom nobody knows.
  private static let strangersShare = 4

  private let limitBytes: Int
  private let held = Mutex(Held())

  init(limitBytes: Int) { self.limitBytes = limitBytes }

  /// What a body of so many bytes takes.
  private static func counted(_ byteCount: Int) -> Int {
    max(0, byteCount - BodyAllowance.freeBytes)
  }

  /// False, and nothing is taken, where there is no room for a body of `oldCount` bytes to become one of `newCount`.
  func grow(from oldCount: Int, to newCount: Int, isKnown: Bool) -> Bool {
    let byteCount = Self.counted(newCount) - Self.counted(oldCount)
    return held.withLock { held in
      guard held.bytes + byteCount <= limitBytes else { return false }
      if !isKnown {
        guard held.strangersBytes + byteCount <= limitBytes / Self.strangersShare else {
          return false
        }
        held.strangersBytes += byteCount
      }
      held.bytes += byteCount
      return true
    }
  }

  /// A body of so many bytes is gone.
  func giveBack(_ count: Int, isKnown: Bool) {
    let byteCount = Self.counted(count)
    held.withLock { held in
      held.bytes -= byteCount
      if !isKnown { held.strangersBytes -= byteCount }
      precondition(held.bytes >= 0 && held.strangersBytes >= 0, "room is given back once")
    }
  }
}
