import Glibc
import HTTP
import TestSupport
import Testing

/// As the kernel knows it.
private func threadName() -> String {
  let descriptor = unsafe open("/proc/thread-self/comm", O_RDONLY)
  defer { close(descriptor) }
  var name = [UInt8](repeating: 0, count: 64)
  let count = unsafe read(descriptor, &name, name.count)
  return text(Array(name.prefix(max(0, count - 1))))
}

@Suite struct HTTPServerTests {
  @Test func `blanks and tabs around a value are no part of it`() async throws {
    try await withServer { request in
      HTTPResponse.text(200, "<\(request.headers["X-Value"] ?? "")>")
    } _: { server in
      let client = try RawClient(port: server.port)
      client.send("GET / HTTP/1.1\r\nHost:\tx \t\r\nX-Value: \t a\tb \t\r\n")
      client.send("Connection: close\r\n\r\n")
      #expect(await client.read().hasSuffix("<a\tb>"))
    }
  }

  /// Answers with the request, one part a line.
  private static let echo: HTTPServer.Handler = { request in
    let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
    let lines = [
      request.method, request.rawTarget, request.rawPath, request.path, query,
      request.headers["x-test"] ?? "-", text(request.body), request.remoteAddress,
    ]
    return .text(200, lines.joined(separator: "\n"))
  }

  @Test(arguments: [1, 200, 1_500])
  func `a query of many parameters is taken as one of few`(count: Int) async throws {
    let handler: HTTPServer.Handler = { request in
      .text(200, "\(request.query.count) of \(request.rawPath), \(request.query.last?.value ?? "")")
    }
    try await withServer(handler: handler) { server in
      let client = try RawClient(port: server.port)
      let query = (0..<count).map { _ in "a=?" }.joined(separator: "&")
      client.send("GET /x%20y?\(query) HTTP/1.1\r\nHost: x\r\n\r\n")
      let expected = "\(count) of /x%20y, ?"
      #expect(await client.read(until: expected).hasSuffix(expected))
    }
  }

  @Test func `a handler gets the whole request`() async throws {
    let client = HTTPClient()
    defer { client.close() }
    try await withServer(handler: Self.echo) { server in
      let response = try await client.send(
        ClientRequest(
          method: "PUT", url: server.url("/caf%C3%A9/a%2Fb?x=1&x=%32+3&y"),
          headers: ["X-Test": "yes"], body: Array("the body".utf8)))
      #expect(response.status == 200)
      #expect(
        text(response.body).split(separator: "\n").map(String.init) == [
          "PUT", "/caf%C3%A9/a%2Fb?x=1&x=%32+3&y", "/caf%C3%A9/a%2Fb", "/café/a/b",
          "x=1,x=2 3,y=", "yes", "the body", "127.0.0.1",
        ])
    }
  }

  @Test func `one connection carries many requests`() async throws {
    try await withServer(handler: Self.echo) { server in
      let client = try RawClient(port: server.port)
      for number in 1...3 {
        client.send("GET /\(number) HTTP/1.1\r\nHost: x\r\n\r\n")
        let answer = await client.read(until: "127.0.0.1")
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        #expect(answer.contains("\n/\(number)\n"))
      }
    }
  }

  @Test func `pipelined requests are answered in order`() async throws {
    try await withServer(handler: Self.echo) { server in
      let client = try RawClient(port: server.port)
      client.send(
        (1...5).map {
          "GET /\($0) HTTP/1.1\r\nHost: x\r\n" + ($0 == 5 ? "Connection: close\r\n" : "")
        }
        .joined(separator: "\r\n") + "\r\n")
      let answer = await client.read()
      let order = answer.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("/") }
      #expect(order == (1...5).flatMap { Array(repeating: "/\($0)", count: 3) }.map { $0[...] })
    }
  }

  @Test(arguments: [false, true])
  func `500 requests run at once`(areBrief: Bool) async throws {
    let arrived = Counter()
    let all = Gate()
    let client = HTTPClient(
      settings: {
        var settings = HTTPClientSettings()
        settings.maxConnectionsPerHost = 500
        return settings
      }())
    defer { client.close() }
    try await withServer(isBrief: { _ in areBrief }) { request in
      // Nobody is answered before everybody is here.
      if arrived.next() == 500 { all.open() }
      await all.wait()
      return .text(200, request.path)
    } _: { server in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<500 {
          group.addTask {
            let response = try await client.send(ClientRequest(url: server.url("/\(number)")))
            return response.status == 200 && text(response.body) == "/\(number)"
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }

  @Test(arguments: [false, true])
  func `a brief request stays on its connection's thread while it waits for others`(
    isBrief: Bool
  ) async throws {
    let gate = Gate()
    try await withServer(isBrief: { _ in isBrief }) { request in
      let begun = threadName()
      await gate.wait()
      // What it calls in turn comes back to it.
      let inner = await withTaskGroup(of: String.self) { group in
        group.addTask { threadName() }
        return await group.next() ?? ""
      }
      return .text(200, Set([begun, inner, threadName()]).sorted().joined(separator: ","))
    } _: { server in
      let client = try RawClient(port: server.port)
      client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      try await Task.sleep(for: .milliseconds(50))
      gate.open()
      let names = await client.read().split(separator: "\r\n\r\n").last.map(String.init)
      #expect((names == "MHD-worker") == isBrief, "\(names ?? "")")
    }
  }

  @Test func `a brief handler goes on where its server is gone`() async throws {
    let (gate, arrived, ended) = (Gate(), Gate(), Gate())
    try await withServer(isBrief: { _ in true }) { request in
      arrived.open()
      await gate.wait()
      ended.open()
      return .text(200, "too late")
    } _: { server in
      let client = try RawClient(port: server.port)
      client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      await arrived.wait()
      await server.stop(graceMillis: 0)
      #expect(await client.read() == "")
    }
    #expect(!ended.isOpen)
    gate.open()
    await ended.wait()
  }

  @Test func `HEAD has the length and no body`() async throws {
    try await withServer(handler: { _ in .text(200, "seven b") }) { server in
      let client = try RawClient(port: server.port)
      client.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      let answer = await client.read()
      #expect(answer.contains("Content-Length: 7\r\n"))
      #expect(answer.hasSuffix("\r\n\r\n"))
    }
  }

  @Test func `a body is asked for with 100 Continue`() async throws {
    try await withServer(handler: Self.echo) { server in
      let client = try RawClient(port: server.port)
      client.send(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
      #expect(await client.read(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
      client.send("body")
      #expect(await client.read(until: "127.0.0.1").contains("\nbody\n"))
    }
  }

  @Test func `a chunked body arrives whole`() async throws {
    try await withServer(handler: Self.echo) { server in
      let client = try RawClient(port: server.port)
      client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      client.send("3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n")
      #expect(await client.read(until: "127.0.0.1").contains("\nabcdefg\n"))
    }
  }

  @Test func `a file is sent with its type and length`() async throws {
    try await withServer { request in
      HTTPResponse(status: 200, body: .file(path: request.path, contentType: "text/x-swift"))
    } _: { server in
      let client = HTTPClient()
      defer { client.close() }
      let file = try await client.send(ClientRequest(url: server.url(#filePath)))
      #expect(file.headers["content-type"] == "text/x-swift")
      #expect(text(file.body).contains("a file is sent with its type and length"))
      let missing = try await client.send(ClientRequest(url: server.url("/no/such/file")))
      #expect(missing.status == 404)
    }
  }

  @Test func `a header with a line break is not sent`() async throws {
    try await withServer { _ in
      HTTPResponse(status: 200, headers: ["X-Bad": "a\r\nSet-Cookie: stolen"])
    } _: { server in
      let client = HTTPClient()
      defer { client.close() }
      let response = try await client.send(ClientRequest(url: server.url("/")))
      #expect(response.status == 500)
      #expect(response.headers["Set-Cookie"] == nil)
    }
  }

  @Test func `repeated headers stay apart in both directions`() async throws {
    try await withServer { request in
      var response = HTTPResponse.text(200, request.headers.values("x-many").joined(separator: "|"))
      response.headers.add("Set-Cookie", "a=1")
      response.headers.add("Set-Cookie", "b=2")
      return response
    } _: { server in
      let client = HTTPClient()
      defer { client.close() }
      let response = try await client.send(
        ClientRequest(url: server.url("/"), headers: ["X-Many": "1", "x-many": "2"]))
      #expect(text(response.body) == "1|2")
      #expect(response.headers.values("set-cookie") == ["a=1", "b=2"])
    }
  }

  @Test func `a port in use is named as such`() async throws {
    try await withServer(handler: Self.echo) { server in
      #expect(throws: HTTPError.portInUse(host: "127.0.0.1", port: server.port)) {
        try HTTPServer(host: "127.0.0.1", port: server.port, handler: Self.echo)
      }
    }
  }

  @Test func `an address of another machine is refused`() {
    #expect(throws: HTTPError.addressInvalid(host: "192.0.2.1", port: 0)) {
      try HTTPServer(host: "192.0.2.1", port: 0, handler: Self.echo)
    }
  }

  @Test func `what waits for something to happen is answered when the server stops`() async throws {
    let arrived = Gate()
    let server = try HTTPServer(
      host: "127.0.0.1", port: 0, isPatient: { $0.path == "/wait" }
    ) { _ in
      arrived.open()
      try? await Task.sleep(for: .seconds(3600))
      return .text(200, "nothing yet")
    }
    let client = try RawClient(port: server.port)
    client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    await arrived.wait()
    await server.stop(graceMillis: 60_000)
    #expect(await client.read().contains("nothing yet"))
  }

  @Test(arguments: [false, true])
  func `what waits for something to happen is over when its client leaves`(
    withReset: Bool
  ) async throws {
    let (arrived, ended) = (Gate(), Gate())
    try await withServer(isPatient: { $0.path == "/wait" }) { request in
      guard request.path == "/wait" else { return .text(200, "other") }
      arrived.open()
      // Cut short by cancellation alone.
      try? await Task.sleep(for: .seconds(3600))
      ended.open()
      return .text(200, "nothing yet")
    } _: { server in
      var client: RawClient? = try RawClient(port: server.port)
      // What came before on the connection is answered.
      client?.send("GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(await client?.read(until: "other").contains("other") == true)
      client?.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
      await arrived.wait()
      #expect(!ended.isOpen)
      if withReset { client?.reset() }
      client = nil
      await ended.wait()
    }
  }

  @Test func `the error responder is the caller's`() async throws {
    try await withServer(
      limits: HTTPLimits(maxBodyBytes: 1), errorResponder: { .text($0.status, "no: \($0.code)") },
      handler: Self.echo
    ) { server in
      let client = HTTPClient()
      defer { client.close() }
      let response = try await client.send(
        ClientRequest(method: "POST", url: server.url("/"), body: [1, 2]))
      #expect(text(response.body) == "no: body_too_large")
    }
  }
}
