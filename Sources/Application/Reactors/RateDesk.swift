import Domain
import Synchronization

/// A stock of permits that fills up with time: `rate` a second, at most a second's worth (but one).
struct TokenBucket {
  private var tokens = 1.0
  private var rate = 0.0
  private var atMicros: Micros

  init(nowMicros: Micros) { atMicros = nowMicros }

  mutating func refill(perSecond: Double, nowMicros: Micros) {
    let passed = Double(max(0, nowMicros - atMicros)) / 1_000_000
    tokens = min(max(1, perSecond), tokens + passed * perSecond)
    rate = perSecond
    atMicros = nowMicros
  }

  /// Parts of permits are sums of fractions, which may miss a whole one by a hair: nobody is kept
  /// waiting for that.
  private static let hair = 1e-6

  var available: Int { Int(tokens + Self.hair) }

  mutating func take() { tokens -= 1 }

  /// As good as a new one.
  func isFull(at nowMicros: Micros) -> Bool {
    let passed = Double(max(0, nowMicros - atMicros)) / 1_000_000
    return tokens + passed * rate >= max(1, rate)
  }

  /// Until there is one again.
  func waitMicros(at nowMicros: Micros) -> Int64 {
    guard available < 1, rate > 0 else { return 0 }
    // Rounded up: who comes back a moment too early has to be told to wait again.
    let waitMicros = Int64(((1 - tokens) / rate * 1_000_000).rounded(.up))
    return max(0, waitMicros - max(0, nowMicros - atMicros))
  }
}

/// How fast we may send, in messages a second. What is not named is not limited.
package struct RateTable: Sendable {
  /// Calls to one provider, of all orgs.
  package var providerPerSecond: Double?
  /// By the recipients' class: a mail domain, or the calling code of a number (`1`, `44`), since no
  /// number tells its carrier.
  package var classes: [String: Double] = [:]

  package init() {}
}

/// Shares the providers' capacity among all orgs: nobody's blast keeps the others waiting.
final class RateDesk: Sendable {
  private enum Key: Hashable {
    case provider(Channel)
    /// An org's part of it, while others want theirs too.
    case share(Channel, Identifier)
    case sender(String)
    case recipients(String)
  }

  private struct State {
    var buckets: [Key: TokenBucket] = [:]
    /// Who asked for permits lately, and when.
    var asked: [Identifier: Micros] = [:]
  }

  struct Admission {
    var admitted: [OrgExecutor.Ticket] = []
    var refused: [Identifier] = []
    /// Until it is worth asking again.
    var waitMicros: Int64 = 0
  }

  private let rates: RateTable
  private let state = Mutex(State())
  /// An org that did not ask for this long wants nothing now.
  private static let interestMicros: Int64 = 1_000_000

  init(rates: RateTable) { self.rates = rates }

  func admit(
    _ tickets: [OrgExecutor.Ticket], of org: Identifier, sender: String, senderPerSecond: Int?,
    nowMicros: Micros
  ) -> Admission {
    state.withLock { state in
      let orgCount = orgCount(asking: org, nowMicros: nowMicros, &state)
      var admission = Admission()
      for ticket in tickets {
        var limits = limits(of: ticket, sender, senderPerSecond)
        if let rate = rates.providerPerSecond, orgCount > 1 {
          limits.append((.share(ticket.channel, org), rate / Double(orgCount)))
        }
        let waitMicros = refill(limits, nowMicros: nowMicros, &state.buckets)
        guard waitMicros == 0 else {
          admission.refused.append(ticket.message)
          admission.waitMicros =
            admission.waitMicros == 0 ? waitMicros : min(admission.waitMicros, waitMicros)
          continue
        }
        for (key, _) in limits { state.buckets[key]?.take() }
        admission.admitted.append(ticket)
      }
      return admission
    }
  }

  /// How many orgs want to send now. Each has a stock of its own beside the provider's, so that asking more often
  /// gets nobody more than the same part.
  private func orgCount(
    asking org: Identifier, nowMicros: Micros, _ state: inout State
  ) -> Int {
    guard rates.providerPerSecond != nil else { return 1 }
    for (other, atMicros) in state.asked where nowMicros - atMicros >= Self.interestMicros {
      state.asked[other] = nil
      for channel in Channel.allCases { state.buckets[.share(channel, other)] = nil }
    }
    state.asked[org] = nowMicros
    return state.asked.count
  }

  private func limits(
    of ticket: OrgExecutor.Ticket, _ sender: String, _ senderPerSecond: Int?
  ) -> [(Key, Double)] {
    var limits: [(Key, Double)] = []
    if let rate = rates.providerPerSecond { limits.append((.provider(ticket.channel), rate)) }
    if let rate = senderPerSecond { limits.append((.sender(sender), Double(rate))) }
    if !rates.classes.isEmpty {
      let name = Self.recipientClass(ticket.address, ticket.channel)
      if let rate = rates.classes[name] { limits.append((.recipients(name), rate)) }
    }
    return limits
  }

  static func recipientClass(_ address: String, _ channel: Channel) -> String {
    if channel == .email {
      return address.split(separator: "@").last.map { $0.lowercased() } ?? ""
    }
    // +1 is one plan; other codes have one to three digits, of which two tell most apart.
    let digits = address.drop { $0 == "+" }
    return digits.hasPrefix("1") ? "1" : String(digits.prefix(2))
  }

  /// The longest wait for one of them; 0 where all have a permit.
  private func refill(
    _ limits: [(Key, Double)], nowMicros: Micros, _ buckets: inout [Key: TokenBucket]
  ) -> Int64 {
    var waitMicros: Int64 = 0
    for (key, rate) in limits {
      buckets[key, default: TokenBucket(nowMicros: nowMicros)].refill(
        perSecond: rate, nowMicros: nowMicros)
      guard let bucket = buckets[key], bucket.available < 1 else { continue }
      waitMicros = max(waitMicros, max(1_000, bucket.waitMicros(at: nowMicros)))
    }
    return waitMicros
  }
}
