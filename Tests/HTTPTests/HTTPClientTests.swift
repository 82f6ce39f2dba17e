import Dispatch
import Glibc
import HTTP
import TestSupport
import Testing

@Suite struct HTTPClientTests {
  @Test func `a refused connection was certainly not processed`() async throws {
    let server = try HTTPServer(host: "127.0.0.1", port: 0) { _ in .text(200, "") }
    await server.stop(graceMillis: 0)
    #expect(await failure(of: ClientRequest(url: server.url("/"))) == .notSent(.connectionFailed))
  }

  @Test func `a name that does not resolve was certainly not processed`() async {
    let request = ClientRequest(url: "http://no-such-host.invalid/")
    #expect(await failure(of: request) == .notSent(.nameNotResolved))
  }

  @Test(arguments: [
    "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "/relative", "",
    "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "http://",
  ])
  func `a URL that is not HTTP is not sent`(url: String) async {
    #expect(await failure(of: ClientRequest(url: url)) == .notSent(.requestInvalid))
  }

  @Test func `a header with a line break is not sent`() async {
    let request = ClientRequest(url: "http://127.0.0.1/", headers: ["X": "a\r\nY: b"])
    #expect(await failure(of: request) == .notSent(.requestInvalid))
  }

  @Test func `a timeout after the request went out is unknown`() async throws {
    try await withServer { _ in
      try? await Task.sleep(for: .seconds(3600))
      return .text(200, "")
    } _: { server in
      var request = ClientRequest(method: "POST", url: server.url("/"), body: [1])
      request.timeoutMillis = 200
      #expect(await failure(of: request) == .unknown(.timeout))
    }
  }

  @Test func `a timeout before there is a connection is not sent`() async throws {
    let peer = try SilentPeer(accepts: false)
    var request = ClientRequest(url: "http://127.0.0.1:\(peer.port)/")
    request.connectTimeoutMillis = 200
    request.timeoutMillis = 60_000
    // The listen queue is full: connecting never ends.
    #expect(await failure(of: request) == .notSent(.timeout))
  }

  @Test func `a TLS handshake with a plain server is not sent`() async throws {
    let peer = try SilentPeer(answer: "this is not TLS at all, it is only text\r\n\r\n")
    let request = ClientRequest(url: "https://127.0.0.1:\(peer.port)/")
    #expect(await failure(of: request) == .notSent(.tlsFailed))
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
  ])
  func `a server that dies in its answer leaves the outcome unknown`(answer: String) async throws {
    let peer = try SilentPeer(answer: answer)
    let request = ClientRequest(method: "POST", url: "http://127.0.0.1:\(peer.port)/", body: [1])
    #expect(await failure(of: request) == .unknown(.connectionBroken))
    #expect(peer.requestCount.value == 1)
  }

  @Test func `an answer that is not HTTP leaves the outcome unknown`() async throws {
    let peer = try SilentPeer(answer: "SSH-2.0-OpenSSH\r\n\r\n")
    let error = await failure(of: ClientRequest(url: "http://127.0.0.1:\(peer.port)/"))
    #expect(error == .unknown(.responseInvalid))
  }

  /// The danger: libcurl repeats a request by itself when a kept connection breaks before the answer.
  @Test(arguments: [("POST", 1), ("GET", 2)])
  func `only what is safe to repeat is repeated on a broken kept connection`(
    method: String, secondTries: Int
  ) async throws {
    let client = HTTPClient()
    defer { client.close() }
    // Answers the first request of each connection and closes on the second.
    let peer = try SilentPeer(
      answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", dropsSecond: true)
    let request = ClientRequest(method: method, url: "http://127.0.0.1:\(peer.port)/")
    #expect(try await client.send(request).status == 200)
    let second = await failure(of: request, client: client)
    #expect(second == (method == "POST" ? .unknown(.connectionBroken) : nil))
    #expect(peer.requestCount.value == 1 + secondTries)
  }

  @Test func `a response that is too long ends the transfer`() async throws {
    var settings = HTTPClientSettings()
    settings.maxResponseBytes = 1000
    let client = HTTPClient(settings: settings)
    defer { client.close() }
    try await withServer { request in
      .text(200, String(repeating: "x", count: Int(request.queryValue("n") ?? "") ?? 0))
    } _: { server in
      let allowed = try await client.send(ClientRequest(url: server.url("/?n=1000")))
      #expect(allowed.body.count == 1000)
      let error = await failure(of: ClientRequest(url: server.url("/?n=1001")), client: client)
      #expect(error == .unknown(.responseTooLarge))
    }
  }

  @Test func `where the status is the answer, a response that is too long is cut off`() async throws
  {
    var settings = HTTPClientSettings()
    settings.maxResponseBytes = 1000
    settings.takesCutResponses = true
    let client = HTTPClient(settings: settings)
    defer { client.close() }
    try await withServer { request in
      .text(202, String(repeating: "x", count: Int(request.queryValue("n") ?? "") ?? 0))
    } _: { server in
      for byteCount in [999, 1_000, 1_001, 5_000_000] {
        let answer = try await client.send(ClientRequest(url: server.url("/?n=\(byteCount)")))
        #expect(answer.status == 202)
        #expect(answer.body.count == min(byteCount, 1_000))
      }
    }
  }

  @Test(arguments: [
    // It ends too early, or with what cannot be understood.
    "Content-Length: 500\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
  ])
  func `where the status is the answer, a body that breaks off is an answer too`(
    rest: String
  ) async throws {
    let peer = try SilentPeer(answer: "HTTP/1.1 202 Accepted\r\n" + rest)
    var request = ClientRequest(method: "POST", url: "http://127.0.0.1:\(peer.port)/", body: [1])
    var settings = HTTPClientSettings()
    let strict = HTTPClient(settings: settings)
    defer { strict.close() }
    await #expect(throws: HTTPClientError.self) { try await strict.send(request) }
    settings.takesCutResponses = true
    let client = HTTPClient(settings: settings)
    defer { client.close() }
    let answer = try await client.send(request)
    #expect(answer.status == 202 && text(answer.body) == "abc")
    // Without a whole head there is no status.
    let half = try SilentPeer(answer: "HTTP/1.1 202 Accepted\r\nContent-")
    request.url = "http://127.0.0.1:\(half.port)/"
    await #expect(throws: HTTPClientError.unknown(.connectionBroken)) {
      try await client.send(request)
    }
  }

  @Test func `connections are kept and used again`() async throws {
    let peer = try SilentPeer(answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    let client = HTTPClient()
    defer { client.close() }
    for _ in 0..<10 {
      let response = try await client.send(ClientRequest(url: "http://127.0.0.1:\(peer.port)/"))
      #expect(text(response.body) == "ok")
    }
    #expect(peer.connectionCount.value == 1)
    #expect(peer.requestCount.value == 10)
  }

  @Test func `a redirect is an answer unless it is to be followed`() async throws {
    try await withServer { request in
      guard request.path == "/from" else { return .text(200, "\(request.method) \(request.path)") }
      return HTTPResponse(status: 302, headers: ["Location": "/to"])
    } _: { server in
      let client = HTTPClient()
      defer { client.close() }
      var request = ClientRequest(url: server.url("/from"))
      #expect(try await client.send(request).status == 302)
      request.followRedirects = true
      #expect(text(try await client.send(request).body) == "GET /to")
      let stream = try await client.stream(request)
      #expect(stream.status == 200)
    }
  }

  @Test func `cancelling the task cancels the transfer`() async throws {
    let arrived = Gate()
    try await withServer { _ in
      arrived.open()
      try? await Task.sleep(for: .seconds(3600))
      return .text(200, "")
    } _: { server in
      let client = HTTPClient()
      defer { client.close() }
      let task = Task { try await client.send(ClientRequest(url: server.url("/"))) }
      await arrived.wait()
      task.cancel()
      await #expect(throws: HTTPClientError.unknown(.cancelled)) { try await task.value }
      let early = Task {
        unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
        return try await client.send(ClientRequest(url: server.url("/")))
      }
      let error = await #expect(throws: HTTPClientError.self) { try await early.value }
      #expect(error?.reason == .cancelled)
    }
  }

  @Test func `a closed client ends what is under way and sends nothing more`() async throws {
    let arrived = Gate()
    try await withServer { _ in
      arrived.open()
      try? await Task.sleep(for: .seconds(3600))
      return .text(200, "")
    } _: { server in
      let client = HTTPClient()
      let task = Task { try await client.send(ClientRequest(url: server.url("/"))) }
      await arrived.wait()
      client.close()
      client.close()
      await #expect(throws: HTTPClientError.unknown(.clientClosed)) { try await task.value }
      let error = await failure(of: ClientRequest(url: server.url("/")), client: client)
      #expect(error == .notSent(.clientClosed))
    }
  }

  @Test(arguments: [
    "127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f.1", "0177.0.0.1", "127.1",
    "0x7f000001", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::]",
    "LOCALHOST",
  ])
  func `a client for strangers' URLs does not reach this machine`(host: String) async throws {
    try await withServer(handler: { _ in .text(200, "inside") }) { server in
      var settings = HTTPClientSettings()
      settings.addressPolicy = .publicOnly
      let client = HTTPClient(settings: settings)
      defer { client.close() }
      let request = ClientRequest(url: "http://\(host):\(server.port)/")
      let error = await failure(of: request, client: client)
      #expect(error == .notSent(.addressRefused))
    }
  }

  /// Reaches 127.0.0.2 and nothing else; `names.test` resolves to what `addresses` gives, one a request.
  private static func narrowClient(port: Int, _ addresses: [String] = []) -> HTTPClient {
    let asked = Counter()
    var settings = HTTPClientSettings()
    settings.addressPolicy = AddressPolicy { $0 == [127, 0, 0, 2] }
    settings.hosts = {
      guard !addresses.isEmpty else { return [] }
      return ["names.test:\(port):\(addresses[min(asked.next(), addresses.count) - 1])"]
    }
    return HTTPClient(settings: settings)
  }

  /// Goal: a name that resolves to another address once it was looked at (DNS rebinding) leads nowhere else.
  /// Method: two servers on one port, of which the second may not be reached; the name leads to the first,
  /// then to the second, then to both.
  @Test func `a name that leads elsewhere the second time leads nowhere`() async throws {
    let inside = Counter()
    try await withServer { _ in
      _ = inside.next()
      return .text(200, "inside")
    } _: { server in
      let outside = try HTTPServer(host: "127.0.0.2", port: server.port) { _ in
        HTTPResponse(status: 200, headers: ["Connection": "close"])
      }
      let client = Self.narrowClient(
        port: server.port, ["127.0.0.2", "127.0.0.1", "127.0.0.1,127.0.0.2", "127.0.0.2"])
      let request = ClientRequest(url: "http://names.test:\(server.port)/")
      #expect(try await client.send(request).status == 200)
      #expect(await failure(of: request, client: client) == .notSent(.addressRefused))
      // The one that may be reached answers; the other one is passed over.
      #expect(try await client.send(request).status == 200)
      #expect(try await client.send(request).status == 200)
      #expect(inside.value == 0)
      client.close()
      await outside.stop(graceMillis: 0)
    }
  }

  @Test(arguments: [301, 302, 303, 307, 308])
  func `a redirect leads to no address that may not be reached`(status: Int) async throws {
    let inside = Counter()
    try await withServer { _ in
      _ = inside.next()
      return .text(200, "inside")
    } _: { server in
      let outside = try HTTPServer(host: "127.0.0.2", port: 0) { _ in
        HTTPResponse(status: status, headers: ["Location": server.url("/")])
      }
      let client = Self.narrowClient(port: server.port)
      var request = ClientRequest(url: "http://127.0.0.2:\(outside.port)/")
      #expect(try await client.send(request).status == status)
      request.followRedirects = true
      #expect(await failure(of: request, client: client) == .unknown(.addressRefused))
      #expect(inside.value == 0)
      client.close()
      await outside.stop(graceMillis: 0)
    }
  }

  @Test(
    arguments: [
      ([8, 8, 8, 8], true), ([1, 1, 1, 1], true), ([172, 15, 0, 1], true), ([172, 32, 0, 1], true),
      ([10, 0, 0, 1], false), ([127, 9, 9, 9], false), ([172, 31, 255, 255], false),
      ([192, 168, 0, 1], false), ([169, 254, 169, 254], false), ([100, 100, 0, 1], false),
      ([0, 0, 0, 0], false), ([224, 0, 0, 1], false), ([255, 255, 255, 255], false),
      ([0x2a, 0, 0x14, 0x50] + zeros(11) + [1], true), (zeros(15) + [1], false), (zeros(16), false),
      ([0xfe, 0x80] + zeros(13) + [1], false), ([0xfd, 0x12] + zeros(13) + [1], false),
      ([0x20, 0x01, 0x0d, 0xb8] + zeros(12), false), ([0xff, 0x02] + zeros(13) + [1], false),
      (zeros(10) + [0xff, 0xff, 127, 0, 0, 1], false),
      (zeros(10) + [0xff, 0xff, 8, 8, 8, 8], true),
      ([0, 0x64, 0xff, 0x9b] + zeros(8) + [10, 0, 0, 1], false),
      ([0x20, 0x02, 192, 168, 0, 1] + zeros(10), false), ([168, 63, 129, 16], false),
      ([168, 63, 129, 17], true), (zeros(10) + [0xff, 0xff, 168, 63, 129, 16], false),
    ] as [([UInt8], Bool)])
  func `only addresses of the public Internet are public`(address: [UInt8], isPublic: Bool) {
    #expect(AddressPolicy.publicOnly.allows(address) == isPublic)
    #expect(AddressPolicy.any.allows(address))
  }

  @Test(
    arguments: [
      ([169, 254, 169, 254], false), ([0xfe, 0x80] + zeros(13) + [1], false),
      ([0xfe, 0xbf] + zeros(13) + [1], false),
      (zeros(10) + [0xff, 0xff, 169, 254, 169, 254], false),
      ([0, 0x64, 0xff, 0x9b] + zeros(8) + [169, 254, 0, 1], false),
      ([10, 0, 0, 1], true), ([127, 0, 0, 1], true), (zeros(15) + [1], true),
      ([0xfd, 0x12] + zeros(13) + [1], true), ([8, 8, 8, 8], true),
      // Where clouds tell machines their credentials besides.
      ([0xfd, 0x00, 0x0e, 0xc2] + zeros(10) + [2, 0x54], false),
      ([0xfd, 0x20, 0x00, 0xce] + zeros(10) + [2, 0x54], false), ([100, 100, 100, 200], false),
      ([168, 63, 129, 16], false), (zeros(10) + [0xff, 0xff, 100, 100, 100, 200], false),
    ] as [([UInt8], Bool)])
  func `what may reach our own network reaches no link-local address`(
    address: [UInt8], isAllowed: Bool
  ) {
    #expect(AddressPolicy.anyButLinkLocal.allows(address) == isAllowed)
  }

  @Test func `one service of this machine may be reached, and no other`() async throws {
    try await withServer(handler: { _ in .text(200, "inside") }) { server in
      var settings = HTTPClientSettings()
      settings.addressPolicy = .publicOnly.admitting([127, 0, 0, 1], port: server.port)
      let client = HTTPClient(settings: settings)
      defer { client.close() }
      #expect(try await client.send(ClientRequest(url: server.url("/"))).status == 200)
      try await withServer(handler: { _ in .text(200, "another") }) { other in
        let error = await failure(of: ClientRequest(url: other.url("/")), client: client)
        #expect(error == .notSent(.addressRefused))
      }
    }
  }

  private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  private func failure(
    of request: ClientRequest, client given: HTTPClient? = nil
  ) async -> HTTPClientError? {
    let client = given ?? HTTPClient()
    defer { if given == nil { client.close() } }
    do throws(HTTPClientError) {
      _ = try await client.send(request)
      return nil
    } catch {
      return error
    }
  }
}

/// A server that breaks its word: it reads one request at a time and answers with fixed bytes.
final class SilentPeer: Sendable {
  let port: Int
  let connectionCount = Counter()
  let requestCount = Counter()
  private let listener: Int32
  /// Connections that fill the listen queue of a peer that does not accept.
  private let fillers: [RawClient]

  /// The connection ends after `answer`, unless that is a whole answer. With `dropsSecond` the second
  /// request on a connection is read but not answered.
  ///
  /// - Throws: Where a peer that does not accept cannot fill its queue.
  init(accepts: Bool = true, answer: String = "", dropsSecond: Bool = false) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address: [UInt8] = [2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    var length = socklen_t(16)
    unsafe address.withUnsafeMutableBytes { bytes in
      let pointer = unsafe bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
      _ = unsafe bind(listener, pointer, 16)
      _ = listen(listener, accepts ? 16 : 0)
      guard let pointer = unsafe pointer else { return }
      _ = unsafe getsockname(listener, pointer, &length)
    }
    port = Int(address[2]) << 8 | Int(address[3])
    fillers = accepts ? [] : [try RawClient(port: port)]
    guard accepts else { return }
    DispatchQueue(label: "silent peer").async {
      [listener, connectionCount, requestCount] in
      defer { close(listener) }
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return }
        _ = connectionCount.next()
        DispatchQueue(label: "silent connection").async {
          Self.serve(connection, answer, dropsSecond, requestCount)
        }
      }
    }
  }

  /// Wakes up the thread that accepts, which closes the listener: closed here, its number could be another server's
  /// by the time that thread looks at it, which would take that server's connections away.
  deinit {
    _ = shutdown(listener, Int32(SHUT_RDWR))
    if !fillers.isEmpty { close(listener) }
  }

  private static func serve(
    _ connection: Int32, _ answer: String, _ dropsSecond: Bool, _ requestCount: Counter
  ) {
    defer { close(connection) }
    let isWhole = answer.hasSuffix("ok")
    var buffer = [UInt8](repeating: 0, count: 65536)
    var servedCount = 0
    while unsafe recv(connection, &buffer, buffer.count, 0) > 0 {
      _ = requestCount.next()
      if dropsSecond, servedCount == 1 { return }
      servedCount += 1
      let bytes = Array(answer.utf8)
      _ = unsafe send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
      if !isWhole { return }
    }
  }
}
