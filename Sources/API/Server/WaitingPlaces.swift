import Domain
import HTTP
import Synchronization

/// Places for requests that are answered late on purpose: so many in all, and no more of one account than leaves most of
/// them to the others.
final class WaitingPlaces: Sendable {
  private struct Taken {
    var count = 0
    var ofAccounts: [Identifier: Int] = [:]
  }

  private let limit: Int
  private let accountLimit: Int
  private let taken = Mutex(Taken())

  init(limit: Int, accountLimit: Int) {
    self.limit = limit
    self.accountLimit = accountLimit
  }

  /// Those that are taken.
  var count: Int { taken.withLock { $0.count } }

  /// Runs `body` on a place of the account's.
  ///
  /// - Throws: 429 `rate_limited` where the account has taken all of its own, 503 `overloaded` where there are none left.
  nonisolated(nonsending) func wait<Result: Sendable>(
    of account: Identifier,
    _ body: nonisolated(nonsending) () async throws(APIError) -> Result
  ) async throws(APIError) -> Result {
    try take(of: account)
    defer { leave(account) }
    return try await body()
  }

  private func take(of account: Identifier) throws(APIError) {
    try taken.withLock { taken throws(APIError) in
      guard taken.ofAccounts[account, default: 0] < accountLimit else {
        throw .tooManyWaiting(accountLimit)
      }
      guard taken.count < limit else { throw .overloaded }
      taken.count += 1
      taken.ofAccounts[account, default: 0] += 1
    }
  }

  private func leave(_ account: Identifier) {
    taken.withLock { taken in
      taken.count -= 1
      let left = taken.ofAccounts[account, default: 0] - 1
      precondition(left >= 0, "a place is left once")
      taken.ofAccounts[account] = left == 0 ? nil : left
    }
  }
}

extension APIError {
  fileprivate static func tooManyWaiting(_ limit: Int) -> APIError {
    var error = APIError(
      429, "rate_limit", "rate_limited",
      "\(limit) requests of an account may wait at the same time. Try again when one is answered.",
      isRetryable: true)
    error.headers.set("retry-after", "1")
    return error
  }
}
