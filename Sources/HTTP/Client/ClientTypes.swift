package struct ClientRequest: Sendable {
  package var method: String
  /// Absolute, `http` or `https`, percent-encoded.
  package var url: String
  package var headers: HTTPHeaders
  package var body: [UInt8]
  /// From `send` to the last byte of the answer; for `stream`, to the end of the head.
  package var timeoutMillis: Int
  /// For resolving, connecting and the TLS handshake.
  package var connectTimeoutMillis: Int
  /// A redirected POST becomes a GET, as browsers do. Off: the 3xx is the answer.
  package var followRedirects = false

  package init(
    method: String = "GET", url: String, headers: HTTPHeaders = [:], body: [UInt8] = [],
    timeoutMillis: Int = 30_000, connectTimeoutMillis: Int = 5_000
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.timeoutMillis = timeoutMillis
    self.connectTimeoutMillis = connectTimeoutMillis
  }
}

package struct ClientResponse: Sendable {
  package var status: Int
  package var headers: HTTPHeaders
  package var body: [UInt8]

  package init(status: Int, headers: HTTPHeaders = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

/// An answer whose body is read while it arrives.
package struct ClientStream: Sendable {
  package let status: Int
  package let headers: HTTPHeaders
  /// Pieces of the body, cut anywhere. Throws `HTTPClientError`. Dropping it, or cancelling the task
  /// that reads it, ends the transfer. For one reader.
  package let body: AsyncThrowingStream<[UInt8], any Error>
}

package struct HTTPClientSettings: Sendable {
  package var addressPolicy = AddressPolicy.any
  /// What names resolve to, asked for each request, as `name:port:address`; a name that is not there is the
  /// system's to resolve, and so is every one where this is nil.
  package var hosts: (@Sendable () -> [String])?
  package var maxConnectionsPerHost = 64
  /// A longer body ends `send` with `.responseTooLarge`.
  package var maxResponseBytes = 16 << 20
  /// Whether the status is the answer, and of the body what comes of it: a longer one is cut off, and one that breaks
  /// off or does not end in time is not waited for.
  package var takesCutResponses = false
  /// Bytes of a streamed body that wait for their reader before the server has to wait.
  package var maxQueuedStreamBytes = 1 << 20
  /// How long an unused connection is kept: shorter than servers keep theirs, so that a request is
  /// seldom written to a connection which the server is just closing.
  package var idleConnectionSeconds = 20
  package var userAgent = "Daybook"
  /// PEM file of the authorities to trust instead of the system's.
  package var authoritiesPath: String?

  package init() {}
}
