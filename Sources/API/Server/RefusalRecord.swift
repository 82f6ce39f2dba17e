import Application
import Domain
import Synchronization

/// The attempts that were refused since the start, by the code of the refusal: what an operator's alarm
/// looks at, also where nobody knows who it was.
final class RefusalCounts: Sendable {
  private let counts = Mutex<[String: Int]>([:])

  func add(_ code: String) { counts.withLock { $0[code, default: 0] += 1 } }

  var all: [(code: String, count: Int)] {
    counts.withLock { $0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}

/// Puts refused attempts on the account's record, where webhooks and the audit find them, and on the
/// operator's. The same attempt again and again is recorded once a minute.
final class RefusalRecord: Sendable {
  private struct Attempt: Hashable {
    let actor: String
    let operation: String
    let reason: String
    let address: String?
  }

  private struct Recent {
    var minute: Int64 = 0
    var attempts: [Identifier: Set<Attempt>] = [:]
  }

  private static let minuteMicros: Int64 = 60_000_000
  /// Above this number of different attempts a minute on an account only the metric grows.
  private static let recordLimit = 100

  private let services: Services
  private let recent = Mutex(Recent())

  init(services: Services) { self.services = services }

  func record(_ refusal: AccessRefusal, of org: Identifier, _ requestID: String) {
    let minute = services.engine.tools.clock.nowMicros() / Self.minuteMicros
    let attempt = Attempt(
      actor: refusal.actor, operation: refusal.operation, reason: refusal.reason,
      address: refusal.address.value)
    let isNew = recent.withLock { recent in
      if recent.minute != minute {
        recent.minute = minute
        recent.attempts = [:]
      }
      guard recent.attempts[org, default: []].count < Self.recordLimit else { return false }
      return recent.attempts[org, default: []].insert(attempt).inserted
    }
    guard isNew else { return }
    services.report("refused \(refusal.operation): \(refusal.reason)", requestID)
    let call = Call(actor: refusal.actor, origin: "api", correlation: requestID)
    Task { [services] in
      do {
        _ = try await services.engine.executor(for: org).perform(call) {
          workspace throws(CommandError) in
          try workspace.recordRefusal(refusal)
        }
      } catch {
        services.report("refusal not recorded: \(error)", requestID)
      }
    }
  }
}
