/// What MHD 0.9.75 lets pass although two readers could understand it differently, which is how
/// requests are smuggled past proxies. Source: RFC 9112, sections 3.2 and 6.3.
enum Framing {
  static func fault(of request: HTTPRequest, limits: HTTPLimits) -> HTTPServerFault? {
    let targetBytes = request.rawTarget.utf8.count
    guard targetBytes <= limits.maxTargetBytes else {
      return .targetTooLong(limitBytes: limits.maxTargetBytes)
    }
    // A colon, a blank and the end of the line come with each field.
    let fieldBytes = request.headers.fields.reduce(0) {
      $0 + $1.name.utf8.count + $1.value.utf8.count + 4
    }
    guard targetBytes + fieldBytes <= limits.maxHeaderBytes else {
      return .headersTooLarge(limitBytes: limits.maxHeaderBytes)
    }
    let lengths = request.headers.values("Content-Length")
    let codings = request.headers.values("Transfer-Encoding")
    guard lengths.count <= 1, codings.count <= 1, lengths.isEmpty || codings.isEmpty,
      request.headers.values("Host").count <= 1,
      codings.allSatisfy({ HTTPHeaders.equal($0, "chunked") }),
      lengths.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(ASCII.isDigit) }),
      request.headers.fields.allSatisfy(\.isWellFormed),
      request.method.utf8.allSatisfy(ASCII.isToken), request.hasValidPath
    else { return .malformedRequest }
    if let length = lengths.first, Int(length) ?? .max > limits.maxBodyBytes {
      return .bodyTooLarge(limitBytes: limits.maxBodyBytes)
    }
    return nil
  }

  /// Whether the answer to `fault` should not wait for the body: it cannot be trusted to end where
  /// we think, or is too long to be read only to be dropped, or its sender waits to be asked for it.
  static func refusesAtOnce(_ fault: HTTPServerFault, _ headers: HTTPHeaders) -> Bool {
    guard case .bodyTooLarge(let limitBytes) = fault else { return true }
    let length = headers["Content-Length"].map { Int($0) ?? .max } ?? 0
    return headers["Expect"] != nil || length - limitBytes > ServerCore.discardBytesLimit
  }
}
