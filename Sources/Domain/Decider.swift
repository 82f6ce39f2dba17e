/// A pure rule book over one stream: the same history and command give the same events, anywhere.
/// Time, ids, prices and answers of the outside world arrive in the command.
package protocol Decider {
  associatedtype Command: Sendable
  associatedtype Event: Sendable, Equatable
  associatedtype State: Sendable
  associatedtype Rejection: Error, Equatable

  static var initialState: State { get }

  /// The events that follow from `command`, or `[]` where there is nothing left to do.
  static func decide(_ command: Command, given state: State) throws(Rejection) -> [Event]

  /// The state after `event`. Total: whatever could make it trap, `decide` refuses first.
  ///
  /// Takes the state for good: what nobody else holds is changed in place.
  static func evolve(_ state: consuming State, with event: Event) -> State
}

extension Decider {
  package static func state(after history: some Sequence<Event>) -> State {
    history.reduce(initialState) { evolve($0, with: $1) }
  }
}

/// Data about a person: present, or gone with the person's key.
package enum Personal<Value: Sendable & Equatable>: Sendable, Equatable {
  case known(Value)
  case erased

  package var value: Value? {
    switch self {
    case .known(let value): value
    case .erased: nil
    }
  }
}

extension Personal: Hashable where Value: Hashable {}

extension Personal: Codable where Value: Codable {}

/// Microseconds since 1970, UTC.
package typealias Micros = Int64

package enum Channel: String, Sendable, CaseIterable, Codable {
  case sms
  case voice
  case email

  /// The channel that stands for all with the same kind of address: texts and calls go to one number.
  package var ofAddress: Channel { self == .voice ? .sms : self }

  /// All with the same kind of address.
  package var sharingAddress: [Channel] { self == .email ? [.email] : [.sms, .voice] }

  /// An address as addresses are compared: mailboxes are the same in any case.
  package func key(_ address: String) -> String {
    switch self {
    case .sms, .voice: address
    case .email: address.lowercased()
    }
  }
}

/// Why a message is sent; consent and hours depend on it.
package enum Purpose: String, Sendable, CaseIterable, Codable {
  case marketing
  case transactional
}
