/// Who stopped the sending; each lifts only their own stop.
package enum HaltScope: String, Sendable, CaseIterable, Codable {
  /// Somebody of the org.
  case org
  /// The operator, for every org.
  case all
}

/// What becomes of that which waits while sending is stopped.
package enum HaltMode: String, Sendable, CaseIterable, Codable {
  /// It goes on waiting, and goes out once the stop is lifted.
  case wait
  /// It is skipped, and so is what comes meanwhile: nothing of it ever goes out.
  case skip
}

/// How an org sends. Whatever is nil is not limited by the org.
package struct SendingRules: Sendable, Equatable, Codable {
  /// What the carriers know of the sender.
  package enum Registration: String, Sendable, CaseIterable, Codable {
    case pending, verified, rejected
  }

  /// Marketing to one person within `capHours`, over all numbers of the org.
  package var capCount: Int?
  package var capHours: Int?
  /// How fast one of our numbers sends.
  package var messagesPerSecond: Int?
  /// What may be spent or set aside within a day (UTC).
  package var dailyBudgetMicros: Int64?
  /// An alert is due when less than this is left.
  package var lowBalanceMicros: Int64?
  /// Where stated, marketing waits for `verified`.
  package var registration: Registration?
  /// Calls that ring or are spoken at the same time: as many as the provider's account allows.
  package var concurrentCalls: Int?
  /// The same text does not go to the same address again within so many hours.
  package var duplicateHours: Int?
  /// What did not go out so many hours after it was planned for is skipped.
  package var maxAgeHours: Int?
  /// What carriers count against; nil: they do not count this sender (toll-free, short codes).
  package var brand: BrandClass?
  /// Its keywords, and its answer to HELP.
  package var program: MessagingProgram
  /// A line below every marketing mail that names it as what it is (15 U.S.C. 7704(a)(5)).
  package var advertisementNotice: String?

  package init(
    capCount: Int? = nil, capHours: Int? = nil, messagesPerSecond: Int? = nil,
    dailyBudgetMicros: Int64? = nil, lowBalanceMicros: Int64? = nil,
    registration: Registration? = nil, concurrentCalls: Int? = nil, duplicateHours: Int? = nil,
    maxAgeHours: Int? = nil, brand: BrandClass? = nil,
    program: MessagingProgram = MessagingProgram(), advertisementNotice: String? = nil
  ) {
    self.capCount = capCount
    self.capHours = capHours
    self.messagesPerSecond = messagesPerSecond
    self.dailyBudgetMicros = dailyBudgetMicros
    self.lowBalanceMicros = lowBalanceMicros
    self.registration = registration
    self.concurrentCalls = concurrentCalls
    self.duplicateHours = duplicateHours
    self.maxAgeHours = maxAgeHours
    self.brand = brand
    self.program = program
    self.advertisementNotice = advertisementNotice
  }

  package static let noticeLength = 200

  /// Thirty days.
  package static let maxAgeHoursLimit = 720

  /// What an account may do that says nothing of itself.
  package static let standardConcurrentCalls = 10

  /// The first field that is beyond its range: caps count a day, since the org remembers no more.
  var fieldOutOfRange: String? {
    if (capCount == nil) != (capHours == nil) { return "frequency_cap" }
    if let capCount, !(1...100).contains(capCount) { return "frequency_cap.count" }
    if let capHours, !(1...24).contains(capHours) { return "frequency_cap.hours" }
    if let messagesPerSecond, !(1...10_000).contains(messagesPerSecond) {
      return "messages_per_second"
    }
    if let concurrentCalls, !(1...1_000).contains(concurrentCalls) { return "concurrent_calls" }
    if let duplicateHours, !(1...Gate.capHoursLimit).contains(duplicateHours) {
      return "duplicate_hours"
    }
    if let maxAgeHours, !(1...Self.maxAgeHoursLimit).contains(maxAgeHours) {
      return "max_age_hours"
    }
    if let dailyBudgetMicros, !(0...Wallet.balanceLimitMicros).contains(dailyBudgetMicros) {
      return "daily_budget"
    }
    if let lowBalanceMicros, !(0...Wallet.balanceLimitMicros).contains(lowBalanceMicros) {
      return "low_balance"
    }
    if let advertisementNotice,
      advertisementNotice.isBlank || advertisementNotice.count > Self.noticeLength
    {
      return "advertisement_notice"
    }
    return program.faults.first
  }
}

/// An address that the org does not write to or call, whoever carries it.
package struct Suppression: Sendable, Equatable {
  package enum List: String, Sendable, CaseIterable, Codable {
    /// Kept by the org's people: complaints, competitors, customers of others.
    case suppression
    /// Asked not to be called or texted for advertising (47 CFR 64.1200(d)).
    case doNotCall = "do_not_call"
    /// Takes no texts.
    case landline
    /// Belongs to somebody else by now: the Reassigned Numbers Database or the carriers' deactivations say
    /// so (47 CFR 64.1200(m)). What its last holder agreed to says nothing of the new one.
    case reassignedNumber = "reassigned_number"

    package var isOfNumbers: Bool {
      switch self {
      case .suppression, .doNotCall: false
      case .landline, .reassignedNumber: true
      }
    }
  }

  package var list: List
  package var channel: Channel
  /// Where it came from: a file, a letter, a call.
  package var source: String
  /// Sealed under the org's key: no contact need exist.
  package var address: Personal<String>

  /// How the source begins where the person said no, and nobody carried the address then.
  private static let noSource = "opt_out:"

  /// A person's own no: nobody of the org takes it off the list.
  package var isNo: Bool { list == .suppression && source.hasPrefix(Self.noSource) }

  package static func no(
    by method: OptOut.Method, on channel: Channel, address: Personal<String>
  ) -> Suppression {
    Suppression(
      list: .suppression, channel: channel, source: noSource + method.rawValue, address: address)
  }

  package init(list: List, channel: Channel, source: String, address: Personal<String>) {
    self.list = list
    self.channel = channel
    self.source = source
    self.address = address
  }
}
