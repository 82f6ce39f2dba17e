import HTTP
import TestSupport
import Testing

/// Goal: what an answer takes up is given back once its connection has ended, in whatever way. Method: an answer of more
/// than sockets hold, and something that says when it is gone.
@Suite struct HTTPLeaseTests {
  private final class Lease: Sendable {
    let gone: Gate

    init(_ gone: Gate) { self.gone = gone }

    deinit { gone.open() }
  }

  private static let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 16 << 20)
  private static let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

  private static func answer(_ gone: Gate) -> HTTPResponse {
    var response = HTTPResponse(status: 200, body: .bytes(bytes))
    response.lease = Lease(gone)
    return response
  }

  @Test func `an answer that is taken is over`() async throws {
    let gone = Gate()
    try await withServer(handler: { _ in Self.answer(gone) }) { server in
      let client = try RawClient(port: server.port)
      client.send(Self.request)
      #expect(await client.read().hasSuffix("aaa"))
      await gone.wait()
    }
  }

  @Test(arguments: [false, true])
  func `an answer whose client leaves is over, and no sooner`(withReset: Bool) async throws {
    let gone = Gate()
    try await withServer(handler: { _ in Self.answer(gone) }) { server in
      var client: RawClient? = try RawClient(port: server.port, receiveBufferBytes: 4_096)
      client?.send(Self.request)
      #expect(await client?.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 ") == true)
      #expect(!gone.isOpen)
      if withReset { client?.reset() }
      client = nil
      await gone.wait()
    }
  }

  @Test func `an answer that nobody reads is over with the patience of the server`() async throws {
    let gone = Gate()
    var limits = HTTPLimits()
    limits.idleTimeoutSeconds = 1
    try await withServer(limits: limits, handler: { _ in Self.answer(gone) }) { server in
      let client = try RawClient(port: server.port, receiveBufferBytes: 4_096)
      client.send(Self.request)
      await gone.wait()
    }
  }

  /// With a byte now and then it is never idle.
  @Test func `an answer that is taken too slowly is over`() async throws {
    let gone = Gate()
    var limits = HTTPLimits()
    limits.idleTimeoutSeconds = 3_600
    limits.requestTimeoutSeconds = 1
    limits.leastAnswerBytesPerSecond = 16 << 20
    try await withServer(limits: limits, handler: { _ in Self.answer(gone) }) { server in
      let client = try RawClient(port: server.port, receiveBufferBytes: 4_096)
      client.send(Self.request)
      await gone.wait()
      #expect(await client.read().utf8.count < Self.bytes.count)
    }
  }

  @Test func `an answer to whom left before is over`() async throws {
    let (gone, isAsked, door) = (Gate(), Gate(), Gate())
    try await withServer { _ in
      isAsked.open()
      await door.wait()
      return Self.answer(gone)
    } _: { server in
      var client: RawClient? = try RawClient(port: server.port)
      client?.send(Self.request)
      await isAsked.wait()
      client?.reset()
      client = nil
      door.open()
      await gone.wait()
    }
  }

  @Test func `an answer that is not sent is over`() async throws {
    let gone = [Gate(), Gate()]
    try await withServer { request in
      var response = Self.answer(gone[request.method == "HEAD" ? 0 : 1])
      response.dropsConnection = request.method == "GET"
      return response
    } _: { server in
      for (index, method) in ["HEAD", "GET"].enumerated() {
        let client = try RawClient(port: server.port)
        client.send("\(method) / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        _ = await client.read()
        await gone[index].wait()
      }
    }
  }

  @Test func `an answer is over with its server`() async throws {
    let gone = Gate()
    var client: RawClient?
    try await withServer(handler: { _ in Self.answer(gone) }) { server in
      client = try RawClient(port: server.port, receiveBufferBytes: 4_096)
      client?.send(Self.request)
      #expect(await client?.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 ") == true)
    }
    await gone.wait()
    client = nil
  }
}
