import Domain
import Synchronization

/// Where webhook deliveries stand and how the latest went, for people who look: kept in memory, the
/// newest first. What counts (cursors, failures) is in files and in the log.
package final class DeliveryBoard: Sendable {
  package struct Delivery: Sendable, Equatable {
    package var event: Identifier
    package var type: String
    package var position: UInt64
    package var attempt: Int
    package var atMicros: Micros
    package var tookMillis: Int64
    /// nil where there was no answer.
    package var status: Int?
    package var error: String?
    /// The beginning of what the subscriber answered.
    package var response: String
    package var isRedelivery: Bool
  }

  package struct Standing: Sendable, Equatable {
    /// The last position that was dealt with.
    package var position: UInt64 = 0
    /// Attempts in a row that failed for the event at hand.
    package var failureCount = 0
    package var retryAtMicros: Micros?
    package var deliveries: [Delivery] = []

    package init() {}
  }

  private static let keptCount = 200
  private let standings = Mutex<[Identifier: Standing]>([:])

  package init() {}

  package func standing(of endpoint: Identifier) -> Standing? {
    standings.withLock { $0[endpoint] }
  }

  func note(_ delivery: Delivery, of endpoint: Identifier) {
    standings.withLock { standings in
      standings[endpoint, default: Standing()].deliveries.insert(delivery, at: 0)
      let surplus = standings[endpoint, default: Standing()].deliveries.count - Self.keptCount
      if surplus > 0 { standings[endpoint]?.deliveries.removeLast(surplus) }
    }
  }

  func advance(_ endpoint: Identifier, to position: UInt64) {
    standings.withLock { standings in
      standings[endpoint, default: Standing()].position = position
      standings[endpoint]?.failureCount = 0
      standings[endpoint]?.retryAtMicros = nil
    }
  }

  func fail(_ endpoint: Identifier, failureCount: Int, retryAtMicros: Micros?) {
    standings.withLock { standings in
      standings[endpoint, default: Standing()].failureCount = failureCount
      standings[endpoint]?.retryAtMicros = retryAtMicros
    }
  }
}
