import HTTP
import Testing

/// The pool of a connection holds the head of a request and that of its answer: what is carried out is answered, and
/// what leaves no room for an answer is refused before anybody hears of it.
@Suite struct HTTPHeadRoomTests {
  private static let handled = "handled"

  /// A head of `byteCount` bytes with `fieldCount` short fields, behind which `closing` stands.
  private static func head(_ method: String, byteCount: Int, fieldCount: Int) -> String {
    var head = "\(method) / HTTP/1.1\r\nHost: x\r\n"
    for index in 0..<fieldCount { head += "a\(index): b\r\n" }
    if method == "POST" { head += "Transfer-Encoding: chunked\r\n" }
    let rest = byteCount - head.utf8.count - "X-Long: \r\n\r\n".utf8.count
    return head + "X-Long: \(String(repeating: "a", count: max(0, rest)))\r\n\r\n"
  }

  /// Sixteen fields, which have `byteCount` bytes together as they are sent.
  private static func fields(byteCount: Int) -> HTTPHeaders {
    let each = byteCount / 16
    return HTTPHeaders(
      (0..<16).map { index in
        let name = "X-Field-\(index)"
        let rest = index == 0 ? byteCount - each * 16 : 0
        return HTTPHeaders.Field(
          name: name, value: String(repeating: "v", count: each + rest - name.utf8.count - 4))
      })
  }

  /// Whether each of `requests` is answered, as carried out or with 431, and none is carried out without an answer.
  private static func check(
    _ requests: [String],
    body: @escaping @Sendable () -> HTTPResponse.Body = { .bytes(Array(handled.utf8)) }
  ) async throws {
    let count = Counter()
    try await withServer { _ in
      _ = count.next()
      // The most that an answer may have.
      return HTTPResponse(
        status: 200, headers: fields(byteCount: HTTPLimits.maxAnswerFieldBytes), body: body())
    } _: { server in
      var answeredCount = 0
      for request in requests {
        let client = try RawClient(port: server.port)
        client.send(request)
        let answer = await client.read(until: "\r\n\r\n")
        let isHandled = answer.hasPrefix("HTTP/1.1 200 ")
        if isHandled { answeredCount += 1 }
        try #require(
          isHandled || answer.hasPrefix("HTTP/1.1 431 "), "\(request.utf8.count) bytes")
      }
      #expect(count.value == answeredCount && answeredCount > 0)
    }
  }

  @Test(arguments: [1, 20, 40, 60, 80, 100, 120])
  func `a head of any size is answered`(fieldCount: Int) async throws {
    try await Self.check(
      stride(from: 1_500, to: 13_000, by: 90).map {
        Self.head("GET", byteCount: $0, fieldCount: fieldCount)
      })
  }

  @Test(arguments: [1, 40, 100])
  func `fields behind a body of any size are answered`(fieldCount: Int) async throws {
    let chunks = "3\r\nabc\r\n0\r\n"
    let trailers = (0..<fieldCount).map { "t\($0): b\r\n" }.joined()
    try await Self.check(
      stride(from: 0, to: 12_500, by: 90).map {
        Self.head("POST", byteCount: 200, fieldCount: 1) + chunks + trailers
          + "X-Long: \(String(repeating: "a", count: $0))\r\n\r\n"
      })
  }

  @Test func `a stream behind a head of any size is answered`() async throws {
    try await Self.check(
      stride(from: 1_500, to: 13_000, by: 90).map {
        Self.head("GET", byteCount: $0, fieldCount: 20)
      }
    ) {
      let (chunks, continuation) = AsyncStream<[UInt8]>.makeStream()
      continuation.yield(Array(Self.handled.utf8))
      continuation.finish()
      return .stream(chunks)
    }
  }

  /// Whatever room the request left: a fault that only long requests show would be found by nobody.
  @Test(arguments: [1_500, 8_000])
  func `an answer with too long a head is a fault that is told`(requestBytes: Int) async throws {
    try await withServer { _ in
      HTTPResponse(
        status: 200, headers: Self.fields(byteCount: HTTPLimits.maxAnswerFieldBytes + 1),
        body: .bytes(Array(Self.handled.utf8)))
    } _: { server in
      let client = try RawClient(port: server.port)
      client.send(Self.head("GET", byteCount: requestBytes, fieldCount: 1))
      let answer = await client.read(until: "\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 500 "))
    }
  }
}
