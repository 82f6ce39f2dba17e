import Domain

/// Messages that ended and were dropped from a state while a book is read, those that were dropped last: a receipt comes
/// a few pages after its message, and to look into a stream for each of them would take many times as long as the book.
struct DroppedMessages {
  private static let maxBytes = 32 << 20

  private var states: [Identifier: Message.State] = [:]
  private var order: [Identifier] = []
  private var start = 0
  private var byteCount = 0

  mutating func insert(_ state: Message.State, of message: Identifier) {
    remove(message)
    states[message] = state
    order.append(message)
    byteCount += Self.byteCount(of: state)
    while byteCount > Self.maxBytes, start < order.count {
      remove(order[start])
      start += 1
    }
    if start > 1_024, start > order.count / 2 {
      order.removeFirst(start)
      start = 0
    }
  }

  /// nil: it was dropped long ago, or never.
  mutating func take(_ message: Identifier) -> Message.State? { remove(message) }

  @discardableResult
  private mutating func remove(_ message: Identifier) -> Message.State? {
    guard let state = states.removeValue(forKey: message) else { return nil }
    byteCount -= Self.byteCount(of: state)
    return state
  }

  /// About: texts are most of a long one.
  private static func byteCount(of state: Message.State) -> Int {
    1_000 + (state.plan?.content.value?.byteCount ?? 0)
  }
}
