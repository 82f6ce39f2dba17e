import Foundation
import HTTP

/// Where passwords are hashed and compared: scrypt takes some tenths of a second of a processor, on purpose, and
/// anybody may ask for it by signing in.
///
/// On threads of its own: those that serve all other requests are as few as the processors, and would be busy with
/// strangers' guesses alone. Half as many as processors at a time; others wait in a short line, the second of a
/// client behind the first of every other.
enum PasswordLane {
  /// Who asks.
  enum Customer: Hashable, Sendable {
    case client(ClientKey)
    /// Where many clients come from one address.
    case email(String)
    /// Somebody known.
    case caller(String)
  }

  /// The last of it waits for some twenty seconds.
  private static let lineLimit = 64
  private static let gate = FairGate<Customer>(
    width: max(1, ProcessInfo.processInfo.activeProcessorCount / 2), lineLimit: lineLimit)

  /// What `body` returns.
  ///
  /// - Throws: What `body` throws; `APIError.overloaded` where too many wait.
  static func run<Output: Sendable>(
    for customer: Customer, _ body: @escaping @Sendable () throws -> Output
  ) async throws -> Output {
    let result = try await gate.pass(customer) {
      () async throws(APIError) -> Result<Output, any Error> in
      await onThread { Result { try body() } }
    }
    return try result.get()
  }
}
