import Domain
import HTTP
import Synchronization

/// Who takes an answer.
struct AnswerTaker {
  /// nil: nobody knows whose.
  var account: Identifier?
  /// Whether nothing was written, so that the request can be refused when it is answered.
  var isReader = true
}

/// The bytes of all answers that were written and not taken yet. Small ones are not counted, nor are those to operators,
/// who look why there is no room; and what streams keeps no more than its buffers.
///
/// A reader may have as much as is then left to all others, and no more than a part of the room: with each account that
/// takes what it may the rest is halved, and never taken whole.
/// Source: Choudhury and Hahne, "Dynamic queue length thresholds in a shared memory ATM switch" (1996).
///
/// Nobody waits for room: where there is none, a read is refused when it is answered and a write before it is begun, since
/// what was written has to be told. What readers hold refuses no write.
package final class AnswerRoom: Sendable {
  fileprivate struct Held {
    var bytes = 0
    var ofAccounts: [Identifier?: Int] = [:]
    /// The part of them that answers writes.
    var ofWrites: [Identifier?: Int] = [:]
  }

  /// Gives back what an answer takes when nothing refers to it any more.
  final class Lease: Sendable {
    private let room: AnswerRoom
    private let byteCount: Int
    private let taker: AnswerTaker

    fileprivate init(_ byteCount: Int, _ taker: AnswerTaker, _ room: AnswerRoom) {
      self.byteCount = byteCount
      self.taker = taker
      self.room = room
    }

    deinit { room.giveBack(byteCount, taker) }
  }

  /// So much of each answer is free: a command's, an error.
  static let freeBytes = 4 << 10
  /// The part of the room that one account has, and that those have together whom nobody knows.
  private static let accountShare = 4

  private let limitBytes: Int
  private let held = Mutex(Held())

  package init(limitBytes: Int = 128 << 20) { self.limitBytes = limitBytes }

  var heldBytes: Int { held.withLock { $0.bytes } }

  /// Takes room for an answer of so many bytes. nil where there is none for a reader; one alone may be larger than the
  /// part of its account, where it leaves half of the room.
  func lease(_ answerBytes: Int, to taker: AnswerTaker) -> Lease? {
    let byteCount = max(0, answerBytes - Self.freeBytes)
    let isTaken = held.withLock { held in
      let own = (held.ofAccounts[taker.account] ?? 0) + byteCount
      let left = limitBytes - held.bytes - byteCount
      let isWithinShare =
        own <= limitBytes / Self.accountShare || own == byteCount && left >= limitBytes / 2
      guard isWithinShare && own <= left || byteCount == 0 || !taker.isReader else { return false }
      held.add(byteCount, taker)
      return true
    }
    return isTaken ? Lease(byteCount, taker, self) : nil
  }

  /// Whether a write of the account's may begin: others' answers are taken.
  func admitsWrite(of account: Identifier) -> Bool {
    held.withLock { $0.ofWrites[account] ?? 0 <= limitBytes / Self.accountShare }
  }

  private func giveBack(_ byteCount: Int, _ taker: AnswerTaker) {
    held.withLock { held in
      held.add(-byteCount, taker)
      precondition(held.bytes >= 0, "room is given back once")
    }
  }
}

extension AnswerRoom.Held {
  fileprivate mutating func add(_ byteCount: Int, _ taker: AnswerTaker) {
    func added(to count: Int?) -> Int? {
      let sum = (count ?? 0) + byteCount
      return sum == 0 ? nil : sum
    }
    bytes += byteCount
    ofAccounts[taker.account] = added(to: ofAccounts[taker.account])
    if !taker.isReader { ofWrites[taker.account] = added(to: ofWrites[taker.account]) }
  }
}

extension HTTPResponse {
  /// The answer with room for it, until its client has taken it.
  ///
  /// - Throws: 503 `overloaded` where there is none for a reader.
  func held(in room: AnswerRoom, for taker: AnswerTaker) throws(APIError) -> HTTPResponse {
    guard case .bytes(let bytes) = body, bytes.count > AnswerRoom.freeBytes else { return self }
    guard let lease = room.lease(bytes.count, to: taker) else { throw .overloaded }
    var copy = self
    copy.lease = lease
    return copy
  }
}
