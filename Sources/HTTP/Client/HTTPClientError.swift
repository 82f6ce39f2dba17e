/// Why there is no answer, and above all whether the request may have been processed.
package enum HTTPClientError: Error, Equatable {
  /// Not a byte of the request went out: it was certainly not processed.
  case notSent(Reason)
  /// Bytes went out, and then no whole answer came: it may have been processed. Never repeat it
  /// blindly.
  case unknown(Reason)

  package enum Reason: String, Error, Equatable {
    /// The URL, the method or a header cannot be written as a request.
    case requestInvalid = "request_invalid"
    case nameNotResolved = "name_not_resolved"
    /// `addressPolicy` forbids every address of the host.
    case addressRefused = "address_refused"
    case connectionFailed = "connection_failed"
    case tlsFailed = "tls_failed"
    case timeout
    case connectionBroken = "connection_broken"
    case responseInvalid = "response_invalid"
    case responseTooLarge = "response_too_large"
    /// The task that waited was cancelled.
    case cancelled
    /// The client was closed, before or during the request.
    case clientClosed = "client_closed"
    case outOfResources = "out_of_resources"
  }

  package var reason: Reason {
    switch self {
    case .notSent(let reason), .unknown(let reason): reason
    }
  }

  /// Whether the request may have reached the server.
  package var mayHaveBeenProcessed: Bool {
    switch self {
    case .notSent: false
    case .unknown: true
    }
  }
}

extension HTTPClientError {
  package var code: String {
    switch self {
    case .notSent(let reason): "http_not_sent_\(reason.rawValue)"
    case .unknown(let reason): "http_unknown_\(reason.rawValue)"
    }
  }

  /// Whether the same request can be sent again without a risk of doing it twice, and may then
  /// succeed. What is `unknown` is the caller's to reconcile.
  package var isRetryable: Bool {
    switch self {
    case .unknown: false
    case .notSent(let reason):
      switch reason {
      case .nameNotResolved, .connectionFailed, .tlsFailed, .timeout, .connectionBroken,
        .outOfResources:
        true
      case .requestInvalid, .addressRefused, .responseInvalid, .responseTooLarge, .cancelled,
        .clientClosed:
        false
      }
    }
  }
}

extension HTTPClientError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notSent(let reason): "\(code): the request was not sent (\(reason.rawValue))"
    case .unknown(let reason): "\(code): the request may have been processed (\(reason.rawValue))"
    }
  }
}
