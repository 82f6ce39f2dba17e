import HTTP
import Testing

/// How much of a body the server takes, from whom, and how much of all bodies at a time.
@Suite struct HTTPBodyTests {
  private static let size: HTTPServer.Handler = { .text(200, "size \($0.body.count)") }

  @Test func `what a request may bring is said by its head`() async throws {
    let allowance: HTTPServer.Allowance = { head in
      #expect(head.body.isEmpty)
      return BodyAllowance(limitBytes: head.path == "/large" ? 100 : 10, isKnown: true)
    }
    try await withServer(allowance: allowance, handler: Self.size) { server in
      let client = HTTPClient()
      defer { client.close() }
      for (path, byteCount, status) in [("/large", 100, 200), ("/small", 11, 413), ("/", 10, 200)] {
        let response = try await client.send(
          ClientRequest(
            method: "POST", url: server.url(path), body: [UInt8](repeating: 1, count: byteCount)))
        #expect(response.status == status, "\(path)")
      }
    }
  }

  @Test func `a body in chunks that is far too large is not kept, and its sender is told`()
    async throws
  {
    try await withServer(limits: HTTPLimits(maxBodyBytes: 10), handler: Self.size) { server in
      let client = try RawClient(port: server.port)
      client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      let chunk = "100000\r\n" + String(repeating: "a", count: 1 << 20) + "\r\n"
      for _ in 0..<33 { client.send(chunk) }
      client.send("0\r\n\r\n")
      #expect(await client.read(until: "}}").hasPrefix("HTTP/1.1 413 "))
    }
  }

  @Test func `there is room for so much at a time, and a part of it for those whom nobody knows`()
    async throws
  {
    var limits = HTTPLimits()
    limits.maxHeldBodyBytes = 400_000
    let allowance: HTTPServer.Allowance = { head in
      BodyAllowance(limitBytes: 400_000, isKnown: head.headers["x-key"] != nil)
    }
    func head(_ byteCount: Int, _ more: String = "") -> String {
      "POST / HTTP/1.1\r\nHost: x\r\n\(more)Content-Length: \(byteCount)\r\n\r\n"
    }
    func body(_ byteCount: Int) -> String { String(repeating: "a", count: byteCount) }
    try await withServer(limits: limits, allowance: allowance, handler: Self.size) { server in
      // A hundred thousand bytes are for strangers, and somebody holds most of them.
      let slow = try RawClient(port: server.port)
      slow.send(head(100_000) + body(90_000))
      try await Task.sleep(for: .milliseconds(200))
      let stranger = try RawClient(port: server.port)
      stranger.send(head(20_000) + body(20_000))
      let refusal = await stranger.read(until: "}}")
      #expect(refusal.hasPrefix("HTTP/1.1 503 "))
      #expect(refusal.contains("Retry-After: 1"))
      let small = try RawClient(port: server.port)
      small.send(head(4_000) + body(4_000))
      #expect(await small.read(until: "size").hasPrefix("HTTP/1.1 200 "))
      let known = try RawClient(port: server.port)
      known.send(head(250_000, "X-Key: k\r\n") + body(250_000))
      #expect(await known.read(until: "size").hasPrefix("HTTP/1.1 200 "))
      // What a request held is free when it is over.
      slow.send(body(10_000))
      #expect(await slow.read(until: "size 100000").hasPrefix("HTTP/1.1 200 "))
      let later = try RawClient(port: server.port)
      later.send(head(100_000) + body(100_000))
      #expect(await later.read(until: "size 100000").hasPrefix("HTTP/1.1 200 "))
    }
  }
}
