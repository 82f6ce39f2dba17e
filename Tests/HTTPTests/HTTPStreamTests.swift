import HTTP
import Synchronization
import TestSupport
import Testing

@Suite struct HTTPStreamTests {
  /// A client that reads on would take the end of chunks for the beginning of its next answer.
  @Test func `the head of a stream has nothing behind it`() async throws {
    try await withServer { _ in
      let (chunks, continuation) = AsyncStream<[UInt8]>.makeStream()
      continuation.yield(Array("chunk".utf8))
      continuation.finish()
      return HTTPResponse(status: 200, headers: ["X-Kind": "stream"], body: .stream(chunks))
    } _: { server in
      let client = try RawClient(port: server.port)
      client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
      let answer = await client.read()
      #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("X-Kind: stream\r\n"))
      #expect(answer.hasSuffix("\r\n\r\n") && answer.split(separator: "\r\n\r\n").count == 1)
    }
  }

  /// A stream without end that says when it ends nevertheless.
  private static func endless(first: String, ended: Gate) -> AsyncStream<[UInt8]> {
    AsyncStream { continuation in
      continuation.onTermination = { _ in ended.open() }
      continuation.yield(Array(first.utf8))
    }
  }

  @Test func `the head of a stream arrives before its first event`() async throws {
    let (events, continuation) = AsyncStream<[UInt8]>.makeStream()
    let client = HTTPClient()
    defer { client.close() }
    try await withServer(handler: { _ in .eventStream(events) }) { server in
      let stream = try await client.stream(ClientRequest(url: server.url("/")))
      #expect(stream.status == 200)
      #expect(stream.headers["content-type"] == "text/event-stream")
      continuation.yield(ServerSentEvent(id: "7", name: "contact", data: "one\ntwo").bytes)
      continuation.yield(ServerSentEvent.heartbeat)
      continuation.finish()
      var parser = ServerSentEventParser()
      var received: [ServerSentEvent] = []
      for try await bytes in stream.body { received += parser.append(bytes) }
      #expect(received == [ServerSentEvent(id: "7", name: "contact", data: "one\ntwo")])
    }
  }

  @Test(arguments: [false, true])
  func `a stream whose client leaves is ended`(withReset: Bool) async throws {
    let ended = Gate()
    try await withServer { _ in
      .eventStream(Self.endless(first: "data: 1\n\n", ended: ended))
    } _: { server in
      var client: RawClient? = try RawClient(port: server.port)
      client?.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(await client?.read(until: "data: 1").contains("data: 1") == true)
      #expect(!ended.isOpen)
      if withReset { client?.reset() }
      client = nil
      await ended.wait()
    }
  }

  @Test func `a reader that is cancelled ends the stream at the server`() async throws {
    let ended = Gate()
    let client = HTTPClient()
    defer { client.close() }
    try await withServer { _ in
      .eventStream(Self.endless(first: "data: 1\n\n", ended: ended))
    } _: { server in
      let firstRead = Gate()
      let reader = Task {
        let stream = try await client.stream(ClientRequest(url: server.url("/")))
        for try await _ in stream.body { firstRead.open() }
      }
      await firstRead.wait()
      reader.cancel()
      await ended.wait()
      let error = await #expect(throws: HTTPClientError.self) { try await reader.value }
      #expect(error == .unknown(.cancelled))
    }
  }

  @Test func `a stream lives on without its client's variable`() async throws {
    let (events, continuation) = AsyncStream<[UInt8]>.makeStream()
    try await withServer(handler: { _ in .eventStream(events) }) { server in
      let stream = try await HTTPClient().stream(ClientRequest(url: server.url("/")))
      continuation.yield(Array("still here".utf8))
      continuation.finish()
      var body: [UInt8] = []
      for try await bytes in stream.body { body += bytes }
      #expect(text(body) == "still here")
    }
  }

  @Test func `a stream whose server is killed throws`() async throws {
    let server = try HTTPServer(host: "127.0.0.1", port: 0) { _ in
      HTTPResponse(
        status: 200,
        body: .stream(AsyncStream { continuation in continuation.yield(Array("half".utf8)) }))
    }
    let client = HTTPClient()
    defer { client.close() }
    let stream = try await client.stream(ClientRequest(url: server.url("/")))
    var body: [UInt8] = []
    let error = await #expect(throws: HTTPClientError.self) {
      for try await bytes in stream.body {
        body += bytes
        await server.stop(graceMillis: 0)
      }
    }
    #expect(text(body) == "half")
    #expect(error == .unknown(.connectionBroken))
  }

  @Test func `a stream's time is for its head only`() async throws {
    let (events, continuation) = AsyncStream<[UInt8]>.makeStream()
    let client = HTTPClient()
    defer { client.close() }
    try await withServer { request in
      if request.path == "/never" { try? await Task.sleep(for: .seconds(3600)) }
      return .eventStream(events)
    } _: { server in
      var request = ClientRequest(url: server.url("/"))
      request.timeoutMillis = 3000
      let stream = try await client.stream(request)
      try await Task.sleep(for: .milliseconds(3500))
      continuation.yield(Array("late".utf8))
      continuation.finish()
      var body: [UInt8] = []
      for try await bytes in stream.body { body += bytes }
      #expect(text(body) == "late")
      request.url = server.url("/never")
      request.timeoutMillis = 200
      let late = request
      await #expect(throws: HTTPClientError.unknown(.timeout)) { try await client.stream(late) }
    }
  }

  @Test func `the producer waits for a slow client`() async throws {
    let produced = Mutex(0)
    let chunk = [UInt8](repeating: 0x61, count: 64 << 10)
    let chunkCount = 1000
    var limits = HTTPLimits()
    limits.maxQueuedStreamBytes = 256 << 10
    try await withServer(limits: limits) { _ in
      // Made on demand: how many were asked for is how far the server has read ahead.
      HTTPResponse(
        status: 200,
        body: .stream(
          AsyncStream {
            let number = produced.withLock { count in
              count += 1
              return count
            }
            return number <= chunkCount ? chunk : nil
          }))
    } _: { server in
      let client = try RawClient(port: server.port, receiveBufferBytes: 64 << 10)
      client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      _ = await client.read(until: "a")
      // Everything that fits into the queue and the kernel's buffers, then no more.
      var seen = -1
      while seen != produced.withLock({ $0 }) {
        seen = produced.withLock { $0 }
        try await Task.sleep(for: .milliseconds(300))
      }
      #expect(seen < chunkCount)
      #expect(await client.read().count > 32 << 20)
      #expect(produced.withLock { $0 } == chunkCount + 1)
    }
  }

  /// Goal: no wake-up is lost between a stream that falls silent and its next event. Method: streams
  /// that stay open, whose events come after pauses of about the time that falling silent takes; whoever
  /// waits for an event that does not come runs into the time limit.
  @Test(.timeLimit(.minutes(2)))
  func `an event arrives whenever it is sent, with nothing behind it`() async throws {
    let client = HTTPClient()
    defer { client.close() }
    try await withServer { request in
      let seed = Int(request.path.dropFirst()) ?? 0
      return .eventStream(
        AsyncStream { continuation in
          let task = Task {
            for number in 0..<8 {
              // Up to a third of a millisecond, without giving the thread away.
              let until = ContinuousClock.now + .microseconds((seed * 7 + number * 13) % 331)
              while ContinuousClock.now < until { continue }
              continuation.yield(ServerSentEvent(data: "\(number)").bytes)
            }
          }
          continuation.onTermination = { _ in task.cancel() }
        })
    } _: { server in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<16 {
          group.addTask {
            for round in 0..<40 {
              let target = "/\(worker * 1_000 + round)"
              let stream = try await client.stream(ClientRequest(url: server.url(target)))
              var parser = ServerSentEventParser()
              var count = 0
              for try await bytes in stream.body {
                count += parser.append(bytes).count
                if count == 8 { break }
              }
              #expect(count == 8)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func `1000 quiet streams each get their event`() async throws {
    let go = Gate()
    let opened = Counter()
    let client = HTTPClient(
      settings: {
        var settings = HTTPClientSettings()
        settings.maxConnectionsPerHost = 2000
        return settings
      }())
    System.raiseOpenFileLimit()
    defer { client.close() }
    try await withServer { request in
      .eventStream(
        AsyncStream { continuation in
          Task {
            await go.wait()
            continuation.yield(Array("data: \(request.path)\n\n".utf8))
            continuation.finish()
          }
        })
    } _: { server in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<1000 {
          group.addTask {
            let stream = try await client.stream(ClientRequest(url: server.url("/\(number)")))
            if opened.next() == 1000 { go.open() }
            var body: [UInt8] = []
            for try await bytes in stream.body { body += bytes }
            return text(body) == "data: /\(number)\n\n"
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }
}
