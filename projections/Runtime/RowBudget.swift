import Synchronization

/// How many rows the rebuilds that run together may hold in memory: those of one pass over the log. The rest
/// wait in files.
package final class RowBudget: Sendable {
  /// A row takes about a kilobyte, and at most two. As much again goes to pages of the log that are on their
  /// way, and to where the rows in files are.
  package static let standardLimit = 150_000

  let limit: Int
  private let counts = Mutex<[String: Int]>([:])

  init(limit: Int = RowBudget.standardLimit) { self.limit = limit }

  /// Whether whoever holds `count` rows has to evict some: together there are too many, and it holds
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
