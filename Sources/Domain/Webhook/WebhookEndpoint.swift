/// A subscriber's URL and what it wants to hear. Stream: the endpoint's id.
///
/// Invariant: the log is its queue; `disabled` and `paused` stop deliveries and keep the place.
package enum WebhookEndpoint: Decider {
  package enum Command: Sendable, Equatable {
    /// Deliveries begin with the event after this one.
    case create(url: String, types: [String], secret: String)
    case update(url: String?, types: [String]?)
    case disable(reason: String)
    case enable
    /// Whoever owns the receiver wants quiet for a while; what happens meanwhile comes after `resume`.
    case pause
    case resume
    case delete
    case recordFailure(position: UInt64, attempt: Int, reason: String, retryAtMicros: Micros?)
    case setStyle(Style)
    /// The secret before signs along until `previousUntilMicros`.
    case rotateSecret(String, previousUntilMicros: Micros)
    /// Sends an event about nothing but itself.
    case test
    /// Delivers what lies between two positions of the log, both included, once more.
    case redeliver(from: UInt64, to: UInt64)
    case finishRedelivery(deliveredCount: Int, failedCount: Int)
  }

  /// How a delivery's body looks.
  package struct Style: Sendable, Equatable, Codable {
    package enum Payload: String, Sendable, CaseIterable, Codable {
      case full
      /// Ids and types only: the subscriber reads the rest.
      case thin
    }

    package enum Format: String, Sendable, CaseIterable, Codable {
      case standard
      /// CloudEvents 1.0, structured mode.
      case cloudEvents = "cloudevents"
    }

    package var payload: Payload
    package var format: Format

    package init(payload: Payload = .full, format: Format = .standard) {
      self.payload = payload
      self.format = format
    }
  }

  package struct Redelivery: Sendable, Equatable, Codable {
    package let from: UInt64
    package let to: UInt64
  }

  package enum Event: Sendable, Equatable {
    /// `types`: exact (`message.sent`), a family (`message.*`) or `*`.
    case created(url: String, types: [String], secret: Personal<String>)
    case updated(url: String, types: [String])
    case disabled(reason: String)
    case enabled
    case paused
    case resumed
    case deleted
    /// One attempt for the event at `position` failed; nil: there will be no further one.
    case deliveryFailed(position: UInt64, attempt: Int, reason: String, retryAtMicros: Micros?)
    case styleSet(Style)
    case secretRotated(secret: Personal<String>, previousUntilMicros: Micros)
    case tested
    case redeliveryRequested(from: UInt64, to: UInt64)
    case redelivered(deliveredCount: Int, failedCount: Int)
  }

  package struct State: Sendable, Equatable, Codable {
    package var exists = false
    package var isDeleted = false
    /// False after failures alone; people pause.
    package var isEnabled = false
    package var isPaused = false
    package var url = ""
    package var types: [String] = []
    package var secret: String?
    /// Signs along while subscribers change over.
    package var previousSecret: String?
    package var previousUntilMicros: Micros = 0
    package var style = Style()
    /// What was asked for and not finished, in order.
    package var redeliveries: [Redelivery] = []

    package init() {}

    package var takesDeliveries: Bool { isEnabled && !isPaused && !isDeleted }
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case noTypes
    case invalidURL
    case disabled
    case paused
    case tooManyRedeliveries
  }

  /// As many may wait at a time.
  package static let redeliveryLimit = 100

  package static let initialState = State()
}

extension WebhookEndpoint {
  /// Whether one of `types` names `type`: exactly, as a family (`message.*`) or as everything (`*`).
  package static func covers(_ types: [String], type: String) -> Bool {
    types.contains { pattern in
      pattern == "*" || pattern == type
        || (pattern.hasSuffix(".*") && type.hasPrefix(pattern.dropLast()))
    }
  }
}

// MARK: - Decide

extension WebhookEndpoint {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    if case .create(let url, let types, let secret) = command {
      guard !state.exists else { throw .alreadyExists }
      try check(url, types)
      return [.created(url: url, types: types, secret: .known(secret))]
    }
    guard state.exists else { throw .notFound }
    if state.isDeleted, case .delete = command { return [] }
    guard !state.isDeleted else { throw .notFound }
    switch command {
    case .create: throw .alreadyExists
    case .update(let url, let types):
      let url = url ?? state.url
      let types = types ?? state.types
      guard url != state.url || types != state.types else { return [] }
      try check(url, types)
      return [.updated(url: url, types: types)]
    case .disable(let reason): return state.isEnabled ? [.disabled(reason: reason)] : []
    case .enable: return state.isEnabled ? [] : [.enabled]
    case .pause: return state.isPaused ? [] : [.paused]
    case .resume: return state.isPaused ? [.resumed] : []
    case .delete: return [.deleted]
    case .recordFailure(let position, let attempt, let reason, let retryAtMicros):
      return [
        .deliveryFailed(
          position: position, attempt: attempt, reason: reason, retryAtMicros: retryAtMicros)
      ]
    case .setStyle(let style): return state.style == style ? [] : [.styleSet(style)]
    case .rotateSecret(let secret, let previousUntilMicros):
      return [.secretRotated(secret: .known(secret), previousUntilMicros: previousUntilMicros)]
    case .test:
      try requireDeliveries(state)
      return [.tested]
    case .redeliver(let from, let to):
      try requireDeliveries(state)
      guard state.redeliveries.count < redeliveryLimit else { throw .tooManyRedeliveries }
      return [.redeliveryRequested(from: from, to: to)]
    case .finishRedelivery(let deliveredCount, let failedCount):
      guard !state.redeliveries.isEmpty else { return [] }
      return [.redelivered(deliveredCount: deliveredCount, failedCount: failedCount)]
    }
  }

  private static func requireDeliveries(_ state: State) throws(Rejection) {
    guard state.isEnabled else { throw .disabled }
    guard !state.isPaused else { throw .paused }
  }

  private static func check(_ url: String, _ types: [String]) throws(Rejection) {
    guard !types.isEmpty, !types.contains(where: \.isBlank) else { throw .noTypes }
    guard isURL(url) else { throw .invalidURL }
  }

  /// `http` or `https` and a host; whether somebody answers there, deliveries will tell.
  package static func isURL(_ text: String) -> Bool {
    guard let scheme = ["https://", "http://"].first(where: text.lowercased().hasPrefix),
      text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    else { return false }
    let authority = text.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
    let isLiteral = authority.first == "["
    let host = isLiteral ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
    guard authority.hasPrefix(host), !host.isEmpty,
      isLiteral ? isAddress(host.dropFirst().dropLast()) : host.utf8.allSatisfy(isName)
    else { return false }
    let port = authority.dropFirst(host.count)
    // A sign is read as a part of a number, and is none of a port.
    return port.isEmpty
      || port.first == ":" && port.dropFirst().allSatisfy(\.isNumber)
        && (1...65_535).contains(Int(port.dropFirst()) ?? 0)
  }

  /// Letters and digits, and what stands in names beside them. Not `@`: what is before it would be a password; and
  /// nothing in percents, which hides what is called.
  private static func isName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// An address of IPv6 (RFC 4291, 2.2): eight groups, or fewer around one `::`.
  private static func isAddress(_ text: Substring) -> Bool {
    let sides = text.split(separator: "::", omittingEmptySubsequences: false).map(groupCount)
    guard let first = sides[0] else { return false }
    guard sides.count == 2 else { return sides.count == 1 && first == 8 }
    return sides[1].map { first + $0 < 8 } ?? false
  }

  /// How many groups stand between colons; nil where something else does.
  private static func groupCount(_ text: Substring) -> Int? {
    guard !text.isEmpty else { return 0 }
    let groups = text.split(separator: ":", omittingEmptySubsequences: false)
    let areGroups = groups.allSatisfy { group in
      (1...4).contains(group.utf8.count) && group.allSatisfy(\.isHexDigit)
        && group.allSatisfy(\.isASCII)
    }
    return areGroups ? groups.count : nil
  }
}

// MARK: - Evolve

extension WebhookEndpoint {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let url, let types, let secret):
      next.exists = true
      next.isEnabled = true
      next.url = url
      next.types = types
      next.secret = secret.value
    case .updated(let url, let types):
      next.url = url
      next.types = types
    case .disabled:
      next.isEnabled = false
    case .enabled:
      next.isEnabled = true
    case .paused:
      next.isPaused = true
    case .resumed:
      next.isPaused = false
    case .deleted:
      next.isDeleted = true
      next.isEnabled = false
    case .deliveryFailed, .tested:
      break
    case .styleSet(let style):
      next.style = style
    case .secretRotated(let secret, let previousUntilMicros):
      next.previousSecret = state.secret
      next.previousUntilMicros = previousUntilMicros
      next.secret = secret.value
    case .redeliveryRequested(let from, let to):
      next.redeliveries.append(Redelivery(from: from, to: to))
    case .redelivered:
      if !next.redeliveries.isEmpty { next.redeliveries.removeFirst() }
    }
    return next
  }
}
