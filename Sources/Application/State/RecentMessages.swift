import Domain

/// What makes two messages the same text. Equal for equal content; two texts have the same print once in
/// 2^64.
struct TextPrint: Hashable, Sendable, Codable {
  private let value: UInt64

  init(_ content: MessageContent) {
    // FNV-1a, with a byte between the parts that no UTF-8 text contains.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    let parts = [content.body, content.subject, content.html, content.voicemail].map { $0 ?? "" }
    for part in parts + content.media {
      for byte in part.utf8 { add(byte) }
      add(0xFF)
    }
    value = hash
  }
}

/// When each address was last sent something: what frequency caps count, and what would be the same
/// again. Nothing older than a day.
struct RecentMessages: Codable {
  private struct Entry: Codable {
    let message: Identifier
    let atMicros: Micros
    /// Caps count advertising alone.
    let isMarketing: Bool
    /// nil where the org does not care, or where the message never arrived.
    var text: TextPrint?
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
    .init(address, channel.ofAddress)
  }

  static let lengthMicros = Int64(Gate.capHoursLimit) * 3_600_000_000

  /// `keepsTexts`: the org does not say the same twice.
  mutating func apply(
    _ event: Message.Event, of message: Identifier, _ state: Message.State, atMicros: Micros,
    keepsTexts: Bool
  ) {
    guard let plan = state.plan, let content = plan.content.value,
      keepsTexts || plan.purpose == .marketing
    else { return }
    switch event {
    case .queued, .dispatched:
      let address = Self.address(content.address, plan.channel)
      entries[address]?.removeAll { $0.message == message }
      entries[address, default: []].append(
        Entry(
          message: message, atMicros: atMicros, isMarketing: plan.purpose == .marketing,
          text: keepsTexts ? TextPrint(content) : nil))
      order.append(Noted(address: address, atMicros: atMicros))
      clean(nowMicros: atMicros)
    case .held, .skipped, .cancelled:
      entries[Self.address(content.address, plan.channel)]?.removeAll { $0.message == message }
    case .failed:
      // Whoever tries again says it for the first time.
      let address = Self.address(content.address, plan.channel)
      let index = entries[address]?.firstIndex { $0.message == message }
      if let index { entries[address]?[index].text = nil }
    case .planned, .accepted, .retryScheduled, .unknown, .sent, .delivered, .received,
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

  /// When advertising went to it, oldest first.
  func moments(
    _ address: DispatchQueueIndex.Address, nowMicros: Micros, except message: Identifier?
  ) -> [Micros] {
    (entries[address] ?? []).compactMap {
      $0.isMarketing && $0.message != message && nowMicros - $0.atMicros < Self.lengthMicros
        ? $0.atMicros : nil
    }
  }

  /// What went to the address within a day, or is about to.
  func messages(to address: DispatchQueueIndex.Address) -> [Identifier] {
    (entries[address] ?? []).map(\.message)
  }

  /// When the same went to it last.
  func lastMicros(
    of text: TextPrint, to address: DispatchQueueIndex.Address, nowMicros: Micros,
    except message: Identifier?
  ) -> Micros? {
    (entries[address] ?? []).last {
      $0.text == text && $0.message != message && nowMicros - $0.atMicros < Self.lengthMicros
    }?.atMicros
  }
}

/// What an org spent or set aside for messages and calls on the latest day (UTC) on which it did. A hold counts when it is
/// made. What people write to it, and what it gives back of its credit, is not its sending.
struct DaySpending: Codable {
  private var day: Int64 = .min
  private var micros: Int64 = 0
  /// For what something was set aside on that day. What comes back of others was another day's.
  private var messages: Set<Identifier> = []

  static func day(_ atMicros: Micros) -> Int64 {
    Int64((Double(atMicros) / 86_400_000_000).rounded(.down))
  }

  mutating func apply(_ event: Wallet.Event, atMicros: Micros) {
    let day = Self.day(atMicros)
    if day > self.day { (self.day, micros, messages) = (day, 0, []) }
    micros += committedMicros(event, onDayOf: atMicros, isNew: false)
    switch event {
    case .held(let message, _): messages.insert(message)
    case .released(let message, _), .refunded(let message, _): messages.remove(message)
    case .opened, .funded, .settled, .debited, .waived: break
    }
  }

  func micros(onDayOf nowMicros: Micros) -> Int64 { Self.day(nowMicros) == day ? micros : 0 }

  /// Whether the price of `message` is among what was set aside on that day.
  func counts(_ message: Identifier, onDayOf nowMicros: Micros) -> Bool {
    Self.day(nowMicros) == day && messages.contains(message)
  }

  /// What the event adds to the spending of the day of `nowMicros`. `isNew`: what it gives back was set aside by
  /// the same command.
  func committedMicros(
    _ event: Wallet.Event, onDayOf nowMicros: Micros, isNew: Bool
  ) -> Int64 {
    switch event {
    case .held(_, let amountMicros): amountMicros
    case .debited(let charge): charge.isOfSending ? charge.amountMicros : 0
    case .released(let message, let amountMicros):
      isNew || counts(message, onDayOf: nowMicros) ? -amountMicros : 0
    case .refunded(let message, let charge):
      isNew || counts(message, onDayOf: nowMicros) ? -charge.amountMicros : 0
    case .opened, .funded, .settled, .waived: 0
    }
  }
}
