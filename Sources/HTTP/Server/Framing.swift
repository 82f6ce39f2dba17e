/// What MHD 0.9.75 lets pass although two readers could understand it differently, which is how
/// requests are smuggled past proxies. Source: RFC 9112, sections 3.2 and 6.3.
enum Framing {
  /// `isIntact`: the head is nothing but its parts and what belongs between them.
  static func fault(
    of request: HTTPRequest, isIntact: Bool, needsHost: Bool, limits: HTTPLimits
  ) -> HTTPServerFault? {
    let targetBytes = request.rawTarget.utf8.count
    guard targetBytes <= limits.maxTargetBytes else {
      return .targetTooLong(limitBytes: limits.maxTargetBytes)
    }
    // A colon, a blank and the end of the line come with each field.
    let fields = request.headers.fields.span
    var fieldBytes = 0
    for index in fields.indices {
      fieldBytes += fields[index].name.utf8.count + fields[index].value.utf8.count + 4
    }
    guard targetBytes + fieldBytes <= limits.maxHeaderBytes,
      limits.hasRoom(
        headBytes: request.method.utf8.count + targetBytes + 16 + fieldBytes,
        fieldCount: fields.count)
    else { return .headersTooLarge(limitBytes: limits.maxHeaderBytes) }
    guard isIntact else { return .malformedRequest }
    var (length, coding, hostCount) = (String?.none, String?.none, 0)
    for index in fields.indices {
      guard fields[index].isWellFormed else { return .malformedRequest }
      if HTTPHeaders.equal(fields[index].name, "Content-Length") {
        guard length == nil else { return .malformedRequest }
        length = fields[index].value
      } else if HTTPHeaders.equal(fields[index].name, "Transfer-Encoding") {
        guard coding == nil else { return .malformedRequest }
        coding = fields[index].value
      } else if HTTPHeaders.equal(fields[index].name, "Host") {
        hostCount += 1
      }
    }
    guard length == nil || coding == nil, hostCount == 1 || hostCount == 0 && !needsHost,
      coding.map({ HTTPHeaders.equal($0, "chunked") }) ?? true,
      length.map(isLength) ?? true,
      ASCII.isToken(request.method), request.hasValidPath
    else { return .malformedRequest }
    return nil
  }

  /// Whether a value of `Content-Length` is one to both readers: a longer one, be it by noughts in front, MHD is told
  /// not to look at (`is_length` in `pages.c`), and would take the body for the next request.
  private static func isLength(_ text: String) -> Bool {
    (1...18).contains(text.utf8.count) && text.utf8.allSatisfy(ASCII.isDigit)
  }

  /// Whether a sound request says that its body is too large. One in chunks does not say.
  static func excess(of request: HTTPRequest, _ allowance: BodyAllowance) -> HTTPServerFault? {
    guard let length = request.headers["Content-Length"],
      Int(length) ?? .max > allowance.limitBytes
    else { return nil }
    return .bodyTooLarge(limitBytes: allowance.limitBytes)
  }

  /// Whether the answer to `fault` should not wait for the body: it cannot be trusted to end where
  /// we think, or is too long to be read only to be dropped, or its sender waits to be asked for it.
  static func refusesAtOnce(_ fault: HTTPServerFault, _ headers: HTTPHeaders) -> Bool {
    guard case .bodyTooLarge(let limitBytes) = fault else { return true }
    let length = headers["Content-Length"].map { Int($0) ?? .max } ?? 0
    return headers["Expect"] != nil || length - limitBytes > ServerCore.promptBytesLimit
  }

  /// Whether `bytes` end in a line that is ended by CR LF, and the line before it too, where there is one.
  static func endsInSoundLine(_ bytes: RawSpan) -> Bool {
    func byte(_ index: Int) -> UInt8 {
      unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)
    }
    let (lineFeed, carriageReturn) = (UInt8(10), UInt8(13))
    var index = bytes.byteCount - 2
    guard index >= 0, byte(index) == carriageReturn, byte(index + 1) == lineFeed else {
      return false
    }
    while index > 0 {
      index -= 1
      if byte(index) == carriageReturn { return false }
      guard byte(index) == lineFeed else { continue }
      return index > 0 && byte(index - 1) == carriageReturn
    }
    return true
  }
}
