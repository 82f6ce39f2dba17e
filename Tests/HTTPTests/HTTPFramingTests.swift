import Foundation
import HTTP
import Testing

/// Where a request ends, to both who read it: MHD and the handler.
@Suite struct HTTPFramingTests {
  /// The two readers of a head agree on what a length is: where MHD sees none and the handler one, the body is a request
  /// of its own.
  @Test(arguments: 0...45)
  func `a body is never another request, whatever its length is written with`(
    noughts: Int
  ) async throws {
    let handled = Counter()
    try await withServer { request in
      _ = handled.next()
      return .text(200, "size \(request.body.count)")
    } _: { server in
      let body = "GET / HTTP/1.1\r\nHost: y\r\n\r\n"
      let byteCount = body.utf8.count
      let client = try RawClient(port: server.port)
      let length = String(repeating: "0", count: noughts) + String(byteCount)
      client.send(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\r\n"
          + body)
      client.closeWriting()
      let answer = await client.read()
      #expect(answer.components(separatedBy: "HTTP/1.1 ").count == 2, "\(answer)")
      let isTaken = length.utf8.count <= 18
      #expect(answer.hasPrefix(isTaken ? "HTTP/1.1 200 " : "HTTP/1.1 400 "))
      #expect(answer.hasSuffix("size \(byteCount)") == isTaken)
      #expect(handled.value == (isTaken ? 1 : 0))
    }
  }

  /// RFC 9110 allows blanks around a value; MHD reads these two fields without those before it and with those behind it.
  @Test(arguments: [
    "Content-Length: 27 ", "Content-Length: 27\t", "Content-Length:\t27", "Content-Length: 27 \t ",
    "Transfer-Encoding: chunked ", "Transfer-Encoding: chunked\t", "Transfer-Encoding:\tchunked",
  ])
  func `blanks around what ends a body make no other request of it`(field: String) async throws {
    let handled = Counter()
    try await withServer { request in
      _ = handled.next()
      return .text(200, "size \(request.body.count)")
    } _: { server in
      let client = try RawClient(port: server.port)
      client.send("POST / HTTP/1.1\r\nHost: x\r\n\(field)\r\n\r\nGET / HTTP/1.1\r\nHost: y\r\n\r\n")
      client.closeWriting()
      let answer = await client.read()
      #expect(answer.components(separatedBy: "HTTP/1.1 ").count == 2, "\(answer)")
      let isTaken = field == "Content-Length:\t27"
      #expect(answer.hasPrefix(isTaken ? "HTTP/1.1 200 " : "HTTP/1.1 400 "), "\(answer)")
      #expect(answer.hasSuffix("size 27") == isTaken)
      #expect(handled.value == (isTaken ? 1 : 0))
    }
  }
}
