import Synchronization

/// How many rows the rebuilds that run together may hold in memory: those of one pass over the log.
package final class RowBudget: Sendable {
  /// A row takes about a kilobyte, and at most two: with the pages of the log that are on their way
  /// about half a gigabyte.
  package static let standardLimit = 300_000

  private let limit: Int
  private let counts = Mutex<[String: Int]>([:])

  init(limit: Int = RowBudget.standardLimit) { self.limit = limit }

  /// Whether whoever holds `count` rows has to write them: together there are too many, and it holds
  /// no less than its share of them.
  func isExceeded(by name: String, holding count: Int) -> Bool {
    counts.withLock { counts in
      counts[name] = count
      let total = counts.values.reduce(0, +)
      return total >= limit && count * counts.count >= total
    }
  }

  func hold(_ count: Int, by name: String) { counts.withLock { $0[name] = count } }

  /// Its share is the others' now.
  func leave(_ name: String) { counts.withLock { $0[name] = nil } }
}
