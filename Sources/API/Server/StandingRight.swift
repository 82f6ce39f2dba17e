import Application
import Domain
import HTTP
import Synchronization

/// Who was admitted to what: all that has to be known to ask again, and no request. Ten thousand tails keep one each.
struct Admitted: Sendable {
  enum Proof: Sendable {
    /// The directory's own hash of a key's secret.
    case key(secretHash: String)
    /// A session, and what it is bound to.
    case session(of: Identifier, name: String, untilMicros: Micros, seed: String)
  }

  let proof: Proof
  let home: Identifier
  let org: Identifier
  let remoteAddress: String
  let operation: Operation

  /// nil: what nobody has to be known for.
  init?(_ exchange: Exchange) {
    guard let caller = exchange.knownCaller else { return nil }
    guard let hash = caller.proofHash else { preconditionFailure("a caller proves something") }
    if let session = caller.session {
      proof = .session(
        of: session.user, name: session.name, untilMicros: session.expiresAtMicros,
        seed: hash)
    } else {
      let key = caller.key?.state
      // The string that is there anyway, instead of another of the same letters.
      proof = .key(
        secretHash: [key?.secretHash, key?.previous?.hash].compactMap(\.self)
          .first { $0 == hash } ?? hash)
    }
    home = caller.home
    org = caller.org
    remoteAddress = exchange.request.remoteAddress
    operation = exchange.operation
  }
}

/// Whether the caller of an answer that goes on for hours may still have it. Asked before each part of it:
/// whoever took the right away knows that nothing is told any more.
final class StandingRight: Sendable {
  private struct Seen {
    var generation: UInt64
    var atMicros: Micros
  }

  /// What ends by itself, at a time, ends so much late at most.
  private static let toleranceMicros: Micros = 1_000_000

  private let services: Services
  private let admitted: Admitted?
  private let seen: Mutex<Seen>

  init(_ exchange: Exchange) {
    services = exchange.services
    admitted = Admitted(exchange)
    // Nothing was looked at yet, or long ago.
    seen = Mutex(Seen(generation: 0, atMicros: .min))
  }

  /// Looks again where any right was changed since it looked last, and every second.
  func holds() -> Bool {
    do throws(APIError) {
      try check()
      return true
    } catch {
      return false
    }
  }

  /// - Throws: What the caller would be told who asked now, where it holds no longer.
  func check() throws(APIError) {
    guard let admitted else { return }
    let now = Seen(
      generation: services.engine.directory.generation,
      atMicros: services.engine.tools.clock.nowMicros())
    let isFresh = seen.withLock { seen in
      seen.generation == now.generation && now.atMicros - Self.toleranceMicros < seen.atMicros
    }
    if isFresh { return }
    try Authenticator(services: services).readmit(admitted)
    seen.withLock { $0 = now }
  }
}
