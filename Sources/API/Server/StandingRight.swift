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

/// When it was looked what somebody may do, so that what was not changed since need not be looked at again.
struct Seen: Sendable {
  private let generation: UInt64
  private let atMicros: Micros

  /// What ends by itself, at a time, ends so much late at most.
  private static let toleranceMicros: Micros = 1_000_000

  /// Now.
  init(_ engine: Engine) {
    generation = engine.directory.generation
    atMicros = engine.tools.clock.nowMicros()
  }

  /// Whether no right was changed since, and no second is over.
  func isFresh(_ now: Seen) -> Bool {
    generation == now.generation && now.atMicros - Self.toleranceMicros < atMicros
  }
}

/// Whether the caller of an answer that goes on for hours may still have it. Asked before each part of it:
/// whoever took the right away knows that nothing is told any more.
final class StandingRight: Sendable {
  private let services: Services
  private let admitted: Admitted?
  /// nil: nothing was looked at yet, or long ago.
  private let seen = Mutex<Seen?>(nil)

  init(_ exchange: Exchange) {
    services = exchange.services
    admitted = Admitted(exchange)
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
    let now = Seen(services.engine)
    if seen.withLock({ $0?.isFresh(now) ?? false }) { return }
    try Authenticator(services: services).readmit(admitted)
    seen.withLock { $0 = now }
  }
}

extension Exchange {
  /// Asked before anything is written: a request may have waited for its turn, and an import has many, while what its
  /// caller was admitted with was taken away.
  ///
  /// - Throws: What the caller would be told who came now; 403 also where they lack any right that they came with, since
  ///   what the request may do was judged by those.
  func requireStanding() throws(APIError) {
    guard let caller = knownCaller, !caller.seen.isFresh(Seen(engine)),
      let admitted = Admitted(self)
    else { return }
    let scopes = try Authenticator(services: services).readmit(admitted)
    guard operation.access != .oneself else { return }
    for right in caller.scopes where !Scope.allows(scopes, right) { throw .rightTaken(right) }
  }
}
