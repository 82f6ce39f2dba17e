/// Why a server did not start. Nothing is left open after it.
package enum HTTPError: Error, Equatable {
  case portInUse(host: String, port: Int)
  case addressInvalid(host: String, port: Int)
  case addressNotPermitted(host: String, port: Int)
  /// The certificate or the key cannot be read.
  case tlsFileUnreadable(path: String, errno: Int32)
  /// The daemon refused to start; with TLS most likely because key and certificate do not fit.
  case startFailed(usesTLS: Bool)
  case system(function: String, errno: Int32)
}

extension HTTPError {
  package var code: String {
    switch self {
    case .portInUse: "http_port_in_use"
    case .addressInvalid: "http_address_invalid"
    case .addressNotPermitted: "http_address_not_permitted"
    case .tlsFileUnreadable: "http_tls_file_unreadable"
    case .startFailed: "http_start_failed"
    case .system: "http_system_error"
    }
  }

  package var isRetryable: Bool {
    switch self {
    case .portInUse, .system: true
    case .addressInvalid, .addressNotPermitted, .tlsFileUnreadable, .startFailed: false
    }
  }
}

extension HTTPError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .portInUse(let host, let port):
      "\(code): another program listens on \(host) port \(port)"
    case .addressInvalid(let host, let port):
      "\(code): \(host) port \(port) is no address of this machine"
    case .addressNotPermitted(let host, let port):
      "\(code): this user may not listen on \(host) port \(port)"
    case .tlsFileUnreadable(let path, let errno):
      "\(code): \(path): \(System.message(errno))"
    case .startFailed(let usesTLS):
      "\(code): the HTTP daemon did not start\(usesTLS ? "; do key and certificate fit?" : "")"
    case .system(let function, let errno):
      "\(code): \(function): \(System.message(errno))"
    }
  }
}

/// What the server refuses by itself, before or after the handler.
package enum HTTPServerFault: Sendable, Equatable {
  case bodyTooLarge(limitBytes: Int)
  case targetTooLong(limitBytes: Int)
  case headersTooLarge(limitBytes: Int)
  /// The framing is ambiguous, or the target does not decode.
  case malformedRequest
  /// Another version of HTTP than 1.0 and 1.1.
  case versionNotSupported
  /// Too many requests are being answered: this one was not started.
  case overloaded
  /// The server stops: this request was not started.
  case stopping
  /// The handler answered with a header or status that cannot be sent.
  case responseInvalid
  /// The handler answered with a file that cannot be opened.
  case fileNotFound

  /// What the daemon means by a status that it chose itself.
  static func refused(_ status: Int, _ limits: HTTPLimits) -> HTTPServerFault {
    switch status {
    case 413: .bodyTooLarge(limitBytes: limits.maxBodyBytes)
    case 414: .targetTooLong(limitBytes: limits.maxTargetBytes)
    case 431: .headersTooLarge(limitBytes: limits.maxHeaderBytes)
    case 505: .versionNotSupported
    case 500...: .responseInvalid
    default: .malformedRequest
    }
  }

  package var status: Int {
    switch self {
    case .bodyTooLarge: 413
    case .targetTooLong: 414
    case .headersTooLarge: 431
    case .malformedRequest: 400
    case .versionNotSupported: 505
    case .overloaded, .stopping: 503
    case .responseInvalid: 500
    case .fileNotFound: 404
    }
  }

  package var code: String {
    switch self {
    case .bodyTooLarge: "body_too_large"
    case .targetTooLong: "target_too_long"
    case .headersTooLarge: "headers_too_large"
    case .overloaded: "overloaded"
    case .malformedRequest: "malformed_request"
    case .versionNotSupported: "http_version_not_supported"
    case .stopping: "stopping"
    case .responseInvalid: "internal"
    case .fileNotFound: "not_found"
    }
  }

  package var message: String {
    switch self {
    case .bodyTooLarge(let limitBytes): "The body is larger than \(limitBytes) bytes."
    case .targetTooLong(let limitBytes): "The target is longer than \(limitBytes) bytes."
    case .headersTooLarge(let limitBytes): "The header is larger than \(limitBytes) bytes."
    case .overloaded: "The server is busy; nothing was done. Try again."
    case .malformedRequest: "The request is not well-formed HTTP."
    case .versionNotSupported: "The server speaks HTTP/1.1."
    case .stopping: "The server is stopping; try again."
    case .responseInvalid: "The server could not write its answer."
    case .fileNotFound: "There is nothing here."
    }
  }

  /// The house's error object. A server may be given another responder.
  package var defaultResponse: HTTPResponse {
    let type = status < 500 ? "invalid_request" : "api_error"
    let json =
      #"{"error":{"type":"\#(type)","code":"\#(code)","message":"\#(message)","param":null,"request_id":null}}"#
    var response = HTTPResponse.json(status, Array(json.utf8))
    if status == 503 { response.headers.set("Retry-After", "1") }
    return response
  }
}
