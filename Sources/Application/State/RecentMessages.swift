import Domain

/// When each address was last sent advertising: what frequency caps count. Nothing older than a day.
struct RecentMessages: Codable {
  private struct Entry: Codable {
    let message: Identifier
    let atMicros: Micros
  }

  private struct Noted: Codable {
    let address: DispatchQueueIndex.Address
    let atMicros: Micros
  }

  private var entries: [DispatchQueueIndex.Address: [Entry]] = [:]
  /// Addresses in the order in which something was noted, for cleaning.
  private var order: [Noted] = []
  private var start = 0

  /// Texts and calls to one number count together.
  static func address(_ address: String, _ channel: Channel) -> DispatchQueueIndex.Address {
    .init(address, channel == .voice ? .sms : channel)
  }

  static let lengthMicros = Int64(Gate.capHoursLimit) * 3_600_000_000

  mutating func apply(
    _ event: Message.Event, of message: Identifier, _ state: Message.State, atMicros: Micros
  ) {
    guard let plan = state.plan, plan.purpose == .marketing, let text = plan.content.value?.address
    else { return }
    let address = Self.address(text, plan.channel)
    switch event {
    case .queued, .dispatched:
      entries[address]?.removeAll { $0.message == message }
      entries[address, default: []].append(Entry(message: message, atMicros: atMicros))
      order.append(Noted(address: address, atMicros: atMicros))
      clean(nowMicros: atMicros)
    case .held, .skipped, .cancelled:
      entries[address]?.removeAll { $0.message == message }
    case .planned, .accepted, .retryScheduled, .unknown, .sent, .delivered, .failed, .received,
      .opened, .clicked, .complained, .callEnded:
      break
    }
  }

  private mutating func clean(nowMicros: Micros) {
    while start < order.count, nowMicros - order[start].atMicros >= Self.lengthMicros {
      let address = order[start].address
      start += 1
      entries[address]?.removeAll { nowMicros - $0.atMicros >= Self.lengthMicros }
      if entries[address]?.isEmpty == true { entries[address] = nil }
    }
    if start > 1_024, start > order.count / 2 {
      order.removeFirst(start)
      start = 0
    }
  }

  /// Oldest first.
  func moments(
    _ address: DispatchQueueIndex.Address, nowMicros: Micros, except message: Identifier?
  ) -> [Micros] {
    (entries[address] ?? []).compactMap {
      $0.message != message && nowMicros - $0.atMicros < Self.lengthMicros ? $0.atMicros : nil
    }
  }
}

/// What an org spent or set aside on the latest day (UTC) on which it did.
struct DaySpending: Codable {
  private var day: Int64 = .min
  private var micros: Int64 = 0

  static func day(_ atMicros: Micros) -> Int64 {
    Int64((Double(atMicros) / 86_400_000_000).rounded(.down))
  }

  mutating func apply(_ event: Wallet.Event, atMicros: Micros) {
    let day = Self.day(atMicros)
    if day > self.day { (self.day, micros) = (day, 0) }
    micros = max(0, micros + event.committedMicros)
  }

  func micros(onDayOf nowMicros: Micros) -> Int64 { Self.day(nowMicros) == day ? micros : 0 }
}

extension Wallet.Event {
  /// What it adds to the day's spending: a hold counts when it is made.
  var committedMicros: Int64 {
    switch self {
    case .held(_, let amountMicros): amountMicros
    case .released(_, let amountMicros): -amountMicros
    case .debited(let charge): charge.amountMicros
    case .refunded(_, let charge): -charge.amountMicros
    case .opened, .funded, .settled, .waived: 0
    }
  }
}
