import Application
import Domain
import HTTP
import Synchronization

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
  private let operation: Operation
  /// What the caller is known by and nothing else: ten thousand tails keep theirs.
  private let request: HTTPRequest
  private let seen: Mutex<Seen>

  init(_ exchange: Exchange) {
    services = exchange.services
    operation = exchange.operation
    var request = HTTPRequest(
      method: exchange.request.method, target: exchange.operation.path,
      remoteAddress: exchange.request.remoteAddress)
    for name in ["authorization", "cookie", "account"] {
      for value in exchange.request.headers.values(name) { request.headers.add(name, value) }
    }
    self.request = request
    // Nothing was looked at yet, or long ago.
    seen = Mutex(Seen(generation: 0, atMicros: .min))
  }

  /// Looks again where any right was changed since it looked last, and every second.
  func holds() -> Bool {
    let now = Seen(
      generation: services.engine.directory.generation,
      atMicros: services.engine.tools.clock.nowMicros())
    let isFresh = seen.withLock { seen in
      seen.generation == now.generation && now.atMicros - Self.toleranceMicros < seen.atMicros
    }
    if isFresh { return true }
    guard Authenticator(services: services).stillAdmits(request, for: operation) else {
      return false
    }
    seen.withLock { $0 = now }
    return true
  }

  /// - Throws: 401 where it holds no longer.
  func check() throws(APIError) {
    guard holds() else { throw .unauthorized }
  }
}
