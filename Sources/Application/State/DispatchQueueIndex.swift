import Domain

/// The messages on their way out: the durable queue, which is nothing but a fold of the log.
///
/// Queued messages stand in lanes, one a campaign and one for all else, each channel apart, that are served in
/// turn: a large campaign does not keep an answer waiting, a paused one keeps nobody waiting but itself, calls
/// that wait for a free line keep no text waiting, and neither does mail that no provider takes.
struct DispatchQueueIndex: Codable {
  fileprivate struct Lane: Hashable, Codable {
    let campaign: Identifier?
    let channel: Channel

    init(_ message: Message.State?) {
      campaign = message?.campaign
      channel = message?.channel ?? .sms
    }

    var isCall: Bool { channel == .voice }
  }

  /// How much may be taken now.
  struct Room {
    /// Of campaigns that are paused or have a pace.
    var campaigns: [Identifier: Int] = [:]
    /// Calls that may begin.
    var calls = Int.max
    /// What may be handed out by service, `Channel.ofAddress`; what is not named is not limited.
    var services: [Channel: Int] = [:]

    fileprivate func isOpen(_ lane: Lane) -> Bool {
      (lane.campaign.flatMap { campaigns[$0] } ?? .max) > 0 && (!lane.isCall || calls > 0)
        && (services[lane.channel.ofAddress] ?? .max) > 0
    }

    fileprivate mutating func take(_ lane: Lane) {
      if let campaign = lane.campaign { campaigns[campaign]? -= 1 }
      if lane.isCall { calls -= 1 }
      services[lane.channel.ofAddress]? -= 1
    }
  }

  /// Queued messages by the moment before which they must not be tried; lazily cleaned.
  private var lanes: [Lane: MinHeap<QueueEntry>] = [:]
  /// The lanes in the order in which they are served.
  private var turns: [Lane] = []
  private var ordinal: UInt64 = 0
  /// Messages that can still be stopped, by address.
  private(set) var stoppable: [Address: Set<Identifier>] = [:]
  /// ... and by campaign.
  private(set) var stoppableByCampaign: [Identifier: Set<Identifier>] = [:]
  /// Handed out, and no answer recorded yet.
  private(set) var unanswered: Set<Identifier> = []
  /// Calls that ring or are spoken, as far as anybody knows.
  private(set) var openCalls: Set<Identifier> = []
  /// Taken by the provider, by the moment at which that was recorded: some never get a receipt.
  private var receipts: [Receipt] = []
  private var firstReceipt = 0
  /// Messages by the provider's id: those under way and the latest that came to an end.
  private var byProviderID: [String: Identifier] = [:]
  private var endedProviderIDs: [EndedID] = []
  /// How many of those that ended are known at least.
  private static let endedLimit = 10_000
  /// ... and for how long: a call that begins later is not looked for so far back (`OrgExecutor.lookBackMicros`).
  private static let endedMicros: Int64 = 2 * OrgExecutor.lookBackMicros
  /// The addresses of those in `unanswered`.
  private var unansweredAddresses: [Identifier: String] = [:]

  /// An address in the form in which addresses are compared.
  struct Address: Hashable, Codable {
    let channel: Channel
    let key: String

    init(_ address: String, _ channel: Channel) {
      self.channel = channel
      key = channel.key(address)
    }
  }

  private struct QueueEntry: Comparable, Codable {
    let notBeforeMicros: Micros
    let ordinal: UInt64
    let message: Identifier

    static func < (left: QueueEntry, right: QueueEntry) -> Bool {
      (left.notBeforeMicros, left.ordinal) < (right.notBeforeMicros, right.ordinal)
    }
  }

  struct Receipt: Codable {
    let message: Identifier
    let sinceMicros: Micros
  }

  private struct EndedID: Codable {
    let id: String
    let address: String
    let atMicros: Micros
  }

  /// `occurredAtMicros`: by the real clock.
  mutating func apply(
    _ message: Identifier, from before: Message.State?, to after: Message.State,
    occurredAtMicros: Micros, recordedAtMicros: Micros
  ) {
    trackStoppable(message, from: before, to: after)
    if after.status == .queued, before?.status != .queued {
      insert(message, notBeforeMicros: after.notBeforeMicros, in: Lane(after))
    }
    trackCall(message, after)
    let isUnanswered = after.status == .dispatched || after.status == .unknown
    if isUnanswered { unanswered.insert(message) } else { unanswered.remove(message) }
    unansweredAddresses[message] = isUnanswered ? after.address : nil
    if after.status == .accepted, before?.status != .accepted {
      receipts.append(Receipt(message: message, sinceMicros: recordedAtMicros))
    }
    track(message, from: before, to: after, atMicros: occurredAtMicros)
  }

  private mutating func trackCall(_ message: Identifier, _ after: Message.State) {
    guard after.channel == .voice else { return }
    switch after.status {
    case .dispatched, .unknown, .accepted, .sent: openCalls.insert(message)
    case .planned, .held, .queued, .delivered, .failed, .skipped, .cancelled, .received, nil:
      openCalls.remove(message)
    }
  }

  private mutating func trackStoppable(
    _ message: Identifier, from before: Message.State?, to after: Message.State
  ) {
    let wasStoppable = before?.status?.isWaiting == true
    let isStoppable = after.status?.isWaiting == true
    guard wasStoppable != isStoppable, let channel = after.channel else { return }
    let address = Address(after.address ?? "", channel)
    if isStoppable {
      stoppable[address, default: []].insert(message)
      if let campaign = after.campaign {
        stoppableByCampaign[campaign, default: []].insert(message)
      }
      return
    }
    stoppable[address]?.remove(message)
    if stoppable[address]?.isEmpty == true { stoppable[address] = nil }
    guard let campaign = after.campaign else { return }
    stoppableByCampaign[campaign]?.remove(message)
    if stoppableByCampaign[campaign]?.isEmpty == true { stoppableByCampaign[campaign] = nil }
  }

  private mutating func track(
    _ message: Identifier, from before: Message.State?, to after: Message.State,
    atMicros: Micros
  ) {
    guard after.hasPlan, let providerID = after.providerID else { return }
    byProviderID[providerID] = message
    guard after.status?.isFinal == true, before?.status?.isFinal != true else { return }
    endedProviderIDs.append(
      EndedID(id: providerID, address: after.address ?? "", atMicros: atMicros))
    if endedProviderIDs.count >= 2 * Self.endedLimit,
      endedProviderIDs.count.isMultiple(of: Self.endedLimit)
    {
      forgetEnded(nowMicros: atMicros)
    }
  }

  /// A provider that is asked about a call in doubt lists what went to its address, and what ended long ago must not be
  /// taken for it: as long as nobody knows what became of the one, the ids of the others are known.
  private mutating func forgetEnded(nowMicros: Micros) {
    let addresses = Set(unansweredAddresses.values)
    let kept = endedProviderIDs.dropLast(Self.endedLimit).filter { ended in
      let isKept =
        ended.atMicros > nowMicros - Self.endedMicros || addresses.contains(ended.address)
      if !isKept { byProviderID[ended.id] = nil }
      return isKept
    }
    endedProviderIDs = kept + endedProviderIDs.suffix(Self.endedLimit)
  }

  /// The message that a provider knows by this id; nil where it ended long ago.
  func message(providerID: String) -> Identifier? { byProviderID[providerID] }

  /// Whether the provider's id belongs to another message than `message`.
  func isKnown(_ providerID: String, except message: Identifier) -> Bool {
    byProviderID[providerID].map { $0 != message } ?? false
  }
}

// MARK: - Lanes

extension DispatchQueueIndex {
  private mutating func insert(_ message: Identifier, notBeforeMicros: Micros, in lane: Lane) {
    ordinal += 1
    let entry = QueueEntry(notBeforeMicros: notBeforeMicros, ordinal: ordinal, message: message)
    if lanes[lane] == nil { turns.append(lane) }
    lanes[lane, default: MinHeap()].insert(entry)
  }

  /// Takes out up to `limit` queued messages whose moment has come, one a lane in turn, oldest first.
  /// Whoever takes one must dispatch it or put it back.
  mutating func take(
    limit: Int, nowMicros: Micros, room: Room, isQueued: (Identifier) -> Bool
  ) -> [Identifier] {
    var taken: [Identifier] = []
    var room = room
    var waiting = turns
    while taken.count < limit, !waiting.isEmpty {
      var left: [Lane] = []
      for lane in waiting where taken.count < limit && room.isOpen(lane) {
        guard let message = pop(lane, nowMicros: nowMicros, isQueued) else { continue }
        room.take(lane)
        taken.append(message)
        left.append(lane)
      }
      waiting = left
    }
    turns.removeAll { lanes[$0]?.isEmpty ?? true }
    for (lane, waiting) in lanes where waiting.isEmpty { lanes[lane] = nil }
    // Whoever was served last comes last the next time.
    if turns.count > 1 { turns.append(turns.removeFirst()) }
    return taken
  }

  private mutating func pop(
    _ lane: Lane, nowMicros: Micros, _ isQueued: (Identifier) -> Bool
  ) -> Identifier? {
    while let next = lanes[lane]?.first, next.notBeforeMicros <= nowMicros {
      _ = lanes[lane]?.popFirst()
      if isQueued(next.message) { return next.message }
    }
    return nil
  }

  mutating func putBack(_ message: Identifier, _ state: Message.State?, notBeforeMicros: Micros) {
    insert(message, notBeforeMicros: notBeforeMicros, in: Lane(state))
  }

  /// When the next queued message may be tried; nil without one. Lanes without room do not count.
  func nextMicros(room: Room) -> Micros? {
    lanes.compactMap { lane, waiting in
      room.isOpen(lane) ? waiting.first?.notBeforeMicros : nil
    }
    .min()
  }

  /// Which campaigns have something queued.
  var queuedCampaigns: Set<Identifier> { Set(lanes.keys.compactMap(\.campaign)) }
}

// MARK: - Receipts

extension DispatchQueueIndex {
  /// Takes out the messages that the provider took at or before `untilMicros` and of which nothing
  /// came since. Whoever takes one asks the provider about it.
  mutating func takeSilent(
    untilMicros: Micros, isSilent: (Identifier) -> Bool
  ) -> [Receipt] {
    var silent: [Receipt] = []
    while firstReceipt < receipts.count {
      let entry = receipts[firstReceipt]
      let isStillSilent = isSilent(entry.message)
      if isStillSilent, entry.sinceMicros > untilMicros { break }
      if isStillSilent { silent.append(entry) }
      firstReceipt += 1
    }
    if firstReceipt > 1_024, firstReceipt > receipts.count / 2 {
      receipts.removeFirst(firstReceipt)
      firstReceipt = 0
    }
    return silent
  }

  /// When the oldest message without a receipt was taken; nil where `takeSilent` left none.
  var oldestReceiptMicros: Micros? {
    firstReceipt < receipts.count ? receipts[firstReceipt].sinceMicros : nil
  }
}
