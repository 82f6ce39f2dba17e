import Synchronization

/// What a request may bring, said when its head is there and nothing of its body was kept.
package struct BodyAllowance: Sendable, Equatable {
  /// A larger body is answered with 413.
  package var limitBytes: Int
  /// Who sends it, of those who are known: whatever they send at a time has a part of the room. nil: nobody knows who;
  /// all of those have one together, so that nobody who is known waits for them.
  package var sender: String?

  /// So much of each body is free: a form, a command. Of all connections there can be, some fifty megabytes.
  package static let freeBytes = 4 << 10

  package init(limitBytes: Int, sender: String?) {
    self.limitBytes = limitBytes
    self.sender = sender
  }
}

/// The bytes of all bodies that are held at the same time, from their arrival to the end of their request. Small ones
/// are not counted: whoever fills the room with large ones keeps nobody from signing in. Each sender may have twice as much
/// as is then left to all others: alone two thirds of the room, and however many take what they may, a part is left.
final class BodyRoom: Sendable {
  private struct Held {
    var bytes = 0
    var ofSenders: [String?: Int] = [:]
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
  func grow(from oldCount: Int, to newCount: Int, of sender: String?) -> Bool {
    let byteCount = Self.counted(newCount) - Self.counted(oldCount)
    guard byteCount > 0 else { return true }
    return held.withLock { held in
      let own = held.ofSenders[sender, default: 0] + byteCount
      let left = limitBytes - held.bytes - byteCount
      guard left >= 0, own <= (sender == nil ? limitBytes / Self.strangersShare : 2 * left) else {
        return false
      }
      held.ofSenders[sender] = own
      held.bytes += byteCount
      return true
    }
  }

  /// A body of so many bytes is gone.
  func giveBack(_ count: Int, of sender: String?) {
    let byteCount = Self.counted(count)
    guard byteCount > 0 else { return }
    held.withLock { held in
      held.bytes -= byteCount
      let own = held.ofSenders[sender, default: 0] - byteCount
      precondition(held.bytes >= 0 && own >= 0, "room is given back once")
      held.ofSenders[sender] = own == 0 ? nil : own
    }
  }
}
