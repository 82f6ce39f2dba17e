import HTTP

/// Who may call an operation.
package enum Access: Sendable, Equatable {
  /// Anybody: liveness, the sign-in, the console's files.
  case open
  /// The caller proves itself by the request's own signature.
  case signed
  /// An API key or a signed-in user whose scopes hold this one (`contacts:read`, …).
  case scope(String)
  /// The operator's token, which only this machine's operator can read.
  case operation
}

package enum IdempotencyRule: Sendable, Equatable {
  case ignored
  case optional
  case required
}

/// One operation: what routes the request, checks its parameters and describes it.
package struct Route: Sendable {
  package typealias Handler = @Sendable (Exchange) async throws(APIError) -> HTTPResponse

  package let method: String
  /// Such as `/api/contacts/{id}`.
  package let path: String
  package let access: Access
  /// The query parameters it knows; any other is an error.
  package let parameters: Set<String>
  package let idempotency: IdempotencyRule
  package let handler: Handler

  package init(
    _ method: String, _ path: String, _ access: Access, parameters: Set<String> = [],
    idempotency: IdempotencyRule? = nil, handler: @escaping Handler
  ) {
    self.method = method
    self.path = path
    self.access = access
    self.parameters = parameters
    self.idempotency = idempotency ?? (method == "GET" ? .ignored : .optional)
    self.handler = handler
  }
}

/// Finds the route of a request.
struct Router: Sendable {
  private struct Entry: Sendable {
    let pieces: [Substring]
    let route: Route
  }

  enum Match {
    case found(Route, parameters: [String: String])
    /// The path exists with other methods.
    case methodNotAllowed([String])
    case notFound
  }

  private let entries: [Entry]

  init(_ routes: [Route]) {
    entries = routes.map { Entry(pieces: $0.path.split(separator: "/"), route: $0) }
    let names = routes.map { $0.method + " " + $0.path }
    precondition(Set(names).count == names.count, "two routes have the same method and path")
  }

  func match(_ method: String, _ path: String) -> Match {
    let pieces = path.split(separator: "/", omittingEmptySubsequences: true)
    var allowed: [String] = []
    var best: (route: Route, parameters: [String: String])?
    for entry in entries {
      guard let parameters = Self.parameters(of: pieces, in: entry.pieces) else { continue }
      allowed.append(entry.route.method)
      guard entry.route.method == method || (method == "HEAD" && entry.route.method == "GET")
      else { continue }
      // A literal path wins over one with a placeholder.
      if let found = best, found.parameters.count <= parameters.count { continue }
      best = (entry.route, parameters)
    }
    if let best { return .found(best.route, parameters: best.parameters) }
    return allowed.isEmpty ? .notFound : .methodNotAllowed(Array(Set(allowed)).sorted())
  }

  private static func parameters(
    of pieces: [Substring], in pattern: [Substring]
  ) -> [String: String]? {
    guard pieces.count == pattern.count else { return nil }
    var parameters: [String: String] = [:]
    for (piece, expected) in zip(pieces, pattern) {
      if expected.hasPrefix("{") {
        parameters[String(expected.dropFirst().dropLast())] = String(piece)
      } else if piece != expected {
        return nil
      }
    }
    return parameters
  }
}
