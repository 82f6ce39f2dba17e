import HTTP
import TestSupport
import Testing

/// How much of a body the server takes, from whom, and how much of all bodies at a time.
@Suite struct HTTPBodyTests {
  private static let size: HTTPServer.Handler = { .text(200, "size \($0.body.count)") }

  @Test func `what a request may bring is said by its head`() async throws {
    let allowance: HTTPServer.Allowance = { head in
      #expect(head.body.isEmpty)
      return BodyAllowance(limitBytes: head.path == "/large" ? 100 : 10, sender: "k")
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
      BodyAllowance(limitBytes: 400_000, sender: head.headers["x-key"])
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
      known.send(head(200_000, "X-Key: k\r\n") + body(200_000))
      #expect(await known.read(until: "size").hasPrefix("HTTP/1.1 200 "))
      // What a request held is free when it is over.
      slow.send(body(10_000))
      #expect(await slow.read(until: "size 100000").hasPrefix("HTTP/1.1 200 "))
      let later = try RawClient(port: server.port)
      later.send(head(100_000) + body(100_000))
      #expect(await later.read(until: "size 100000").hasPrefix("HTTP/1.1 200 "))
    }
  }

  @Test func `whoever fills the room leaves some of it to others`() async throws {
    var limits = HTTPLimits()
    limits.maxHeldBodyBytes = 400_000
    let allowance: HTTPServer.Allowance = { head in
      BodyAllowance(limitBytes: 400_000, sender: head.headers["x-key"])
    }
    func begin(_ key: String, _ byteCount: Int, of all: Int, on server: HTTPServer) throws
      -> RawClient
    {
      let client = try RawClient(port: server.port)
      client.send("POST / HTTP/1.1\r\nHost: x\r\nX-Key: \(key)\r\nContent-Length: \(all)\r\n\r\n")
      client.send(String(repeating: "a", count: byteCount))
      return client
    }
    let isThere = Counter()
    let door = Gate()
    try await withServer(limits: limits, allowance: allowance) { request in
      if isThere.next() == 1 { await door.wait() }
      return .text(200, "size \(request.body.count)")
    } _: { server in
      // Two thirds of the room, and no more.
      let first = try begin("a", 260_000, of: 260_000, on: server)
      while isThere.value < 1 { await Task.yield() }
      let second = try begin("a", 20_000, of: 20_000, on: server)
      #expect(await second.read(until: "}}").hasPrefix("HTTP/1.1 503 "))
      let small = try begin("a", 4_000, of: 4_000, on: server)
      #expect(await small.read(until: "size 4000").hasPrefix("HTTP/1.1 200 "))
      let other = try begin("b", 50_000, of: 50_000, on: server)
      #expect(await other.read(until: "size 50000").hasPrefix("HTTP/1.1 200 "))
      door.open()
      #expect(await first.read(until: "size 260000").hasPrefix("HTTP/1.1 200 "))
      let whole = try begin("a", 390_000, of: 390_000, on: server)
      #expect(await whole.read(until: "}}").hasPrefix("HTTP/1.1 503 "))
    }
  }
}
