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

/// Which refused attempts of a minute go on record: the same again and again once, and no more of one actor than leaves
/// room for the others.
struct RecentRefusals {
  private struct Attempts {
    var count = 0
    var ofActors: [String: Set<AccessRefusal>] = [:]
  }

  /// Above this number of different attempts a minute on an account, or of one actor, only the metric grows: but for the
  /// first of each actor, of whom an account has as many as it made.
  static let limit = 100
  static let actorLimit = 20
  private static let minuteMicros: Int64 = 60_000_000

  private var minute: Int64 = 0
  private var attempts: [Identifier: Attempts] = [:]

  /// Whether it is to be recorded.
  mutating func add(_ refusal: AccessRefusal, of org: Identifier, nowMicros: Int64) -> Bool {
    if minute != nowMicros / Self.minuteMicros {
      minute = nowMicros / Self.minuteMicros
      attempts = [:]
    }
    let known = attempts[org]?.ofActors[refusal.actor]?.count ?? 0
    let isWithinLimits = known < Self.actorLimit && attempts[org]?.count ?? 0 < Self.limit
    guard known == 0 || isWithinLimits,
      attempts[org, default: Attempts()].ofActors[refusal.actor, default: []].insert(refusal)
        .inserted
    else { return false }
    attempts[org]?.count += 1
    return true
  }
}

/// Puts refused attempts on the account's record, where webhooks and the audit find them, and on the
/// operator's.
final class RefusalRecord: Sendable {
  private let services: Services
  private let recent = Mutex(RecentRefusals())

  init(services: Services) { self.services = services }

  func record(_ refusal: AccessRefusal, of org: Identifier, _ requestID: String) {
    let nowMicros = services.engine.tools.clock.nowMicros()
    let isNew = recent.withLock { $0.add(refusal, of: org, nowMicros: nowMicros) }
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
