import Domain

/// The messages on their way out: the durable queue, which is nothing but a fold of the log.
struct DispatchQueueIndex {
  /// Queued messages by the moment before which they must not be tried; lazily cleaned.
  private var waiting = MinHeap<QueueEntry>()
  private var ordinal: UInt64 = 0
  /// Messages that can still be stopped, by address.
  private(set) var stoppable: [String: Set<Identifier>] = [:]
  /// Handed out, and no answer recorded yet.
  private(set) var unanswered: Set<Identifier> = []
  /// Messages by the provider's id: those under way and the latest that came to an end.
  private var byProviderID: [String: Identifier] = [:]
  private var endedProviderIDs: [String] = []
  /// As many as may come to an end while one call is in doubt.
  private static let endedLimit = 10_000

  private struct QueueEntry: Comparable {
    let notBeforeMicros: Micros
    let ordinal: UInt64
    let message: Identifier

    static func < (left: QueueEntry, right: QueueEntry) -> Bool {
      (left.notBeforeMicros, left.ordinal) < (right.notBeforeMicros, right.ordinal)
    }
  }

  mutating func apply(
    _ message: Identifier, from before: Message.State?, to after: Message.State,
    recordedAtMicros: Micros
  ) {
    let address =
      after.plan.flatMap { plan in
        plan.content.value.map { plan.channel.key($0.address) }
      } ?? ""
    let wasStoppable = before?.status?.isWaiting == true
    let isStoppable = after.status?.isWaiting == true
    if isStoppable, !wasStoppable { stoppable[address, default: []].insert(message) }
    if wasStoppable, !isStoppable {
      stoppable[address]?.remove(message)
      if stoppable[address]?.isEmpty == true { stoppable[address] = nil }
    }
    if after.status == .queued, before?.status != .queued {
      ordinal += 1
      waiting.insert(
        QueueEntry(
          notBeforeMicros: after.notBeforeMicros, ordinal: ordinal, message: message))
    }
    let isUnanswered = after.status == .dispatched || after.status == .unknown
    if isUnanswered { unanswered.insert(message) } else { unanswered.remove(message) }
    track(message, from: before, to: after)
  }

  private mutating func track(
    _ message: Identifier, from before: Message.State?, to after: Message.State
  ) {
    guard after.plan != nil, let providerID = after.providerID else { return }
    byProviderID[providerID] = message
    guard after.status?.isFinal == true, before?.status?.isFinal != true else { return }
    endedProviderIDs.append(providerID)
    guard endedProviderIDs.count > 2 * Self.endedLimit else { return }
    for old in endedProviderIDs.prefix(Self.endedLimit) { byProviderID[old] = nil }
    endedProviderIDs.removeFirst(Self.endedLimit)
  }

  /// Whether the provider's id belongs to another message than `message`.
  func isKnown(_ providerID: String, except message: Identifier) -> Bool {
    byProviderID[providerID].map { $0 != message } ?? false
  }

  /// Takes out up to `limit` queued messages whose moment has come, oldest first. Whoever takes one
  /// must dispatch it or put it back.
  mutating func take(
    limit: Int, nowMicros: Micros, isQueued: (Identifier) -> Bool
  ) -> [Identifier] {
    var taken: [Identifier] = []
    while taken.count < limit, let next = waiting.first, next.notBeforeMicros <= nowMicros {
      _ = waiting.popFirst()
      if isQueued(next.message) { taken.append(next.message) }
    }
    return taken
  }

  mutating func putBack(_ message: Identifier) {
    ordinal += 1
    waiting.insert(QueueEntry(notBeforeMicros: 0, ordinal: ordinal, message: message))
  }

  /// When the next queued message may be tried; nil without one.
  var nextMicros: Micros? { waiting.first?.notBeforeMicros }
}
