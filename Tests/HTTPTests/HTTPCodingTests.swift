import Testing

@testable import HTTP

@Suite struct HTTPCodingTests {
  @Test func `headers are found without case and keep their order`() {
    var headers: HTTPHeaders = ["Accept": "a", "X-One": "1", "accept": "b"]
    #expect(headers["ACCEPT"] == "a")
    #expect(headers.values("Accept") == ["a", "b"])
    #expect(headers.only("accept") == nil)
    #expect(headers.only("x-one") == "1")
    #expect(headers.only("x-two") == nil)
    headers.set("ACCEPT", "c")
    #expect(headers.map { "\($0.name)=\($0.value)" } == ["ACCEPT=c", "X-One=1"])
    headers["x-one"] = nil
    #expect(headers["X-One"] == nil)
    #expect(HTTPHeaders(headers.fields) == ["ACCEPT": "c"])
  }

  /// Source: RFC 9110, section 5.6.7.
  @Test(arguments: [
    ("120", 120), ("0", 0), ("99999999999999999999", Int64.max), ("", nil),
    ("-1", nil), ("+1", nil), ("soon", nil),
    ("Sun, 06 Nov 1994 08:49:47 GMT", 10), ("Sunday, 06-Nov-94 08:49:47 GMT", 10),
    ("Sun Nov  6 08:49:47 1994", 10), ("Sun, 06 Nov 1994 08:49:30 GMT", 0),
    ("Mon, 07 Nov 1994 08:49:37 GMT", 86_400), ("Thu, 29 Feb 1996 00:00:00 GMT", 41_440_223),
    ("Sun, 06 Nov 1994 08:49:47 CET", nil), ("Sun, 06 Nov 1994 25:49:47 GMT", nil),
    ("Sun, 06 Xov 1994 08:49:47 GMT", nil), ("Sun, 06 Nov 1994 08:49 GMT", nil),
  ])
  func `a server asks for time in seconds or by a date`(text: String, seconds: Int64?) {
    // 1994-11-06T08:49:37Z
    #expect(RetryAfter.seconds(["Retry-After": text], nowSeconds: 784_111_777) == seconds)
    #expect(RetryAfter.seconds([:], nowSeconds: 784_111_777) == nil)
  }

  /// Source: RFC 9110, section 5.6.2.
  @Test func `a field's name is a token, and its value has no controls`() {
    let token = Set(
      "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    for byte in 0..<128 as Range<UInt8> {
      let text = "a" + String(decoding: [byte], as: UTF8.self)
      #expect(
        HTTPHeaders.Field(name: text, value: "").isWellFormed == token.contains(byte), "\(byte)")
      #expect(
        HTTPHeaders.Field(name: "a", value: text).isWellFormed
          == (byte == 9 || byte >= 0x20 && byte != 0x7f), "\(byte)")
    }
    // Values are looked at eight bytes at a time, the last ones perhaps twice.
    for count in 1...17 {
      for place in 0..<count {
        for (byte, isFit) in [(9, true), (0, false), (0x1f, false), (0x20, true), (0x7f, false)] {
          var bytes = [UInt8](repeating: 0x7e, count: count)
          bytes[place] = UInt8(byte)
          let value = String(decoding: bytes, as: UTF8.self)
          #expect(HTTPHeaders.Field(name: "a", value: value).isWellFormed == isFit, "\(bytes)")
        }
      }
    }
    #expect(!HTTPHeaders.Field(name: "é", value: "").isWellFormed)
    #expect(!HTTPHeaders.Field(name: "", value: "").isWellFormed)
    #expect(HTTPHeaders.Field(name: "a", value: "é").isWellFormed)
  }

  @Test(arguments: [
    ("a b", "a%20b"), ("é/?&=+", "%C3%A9%2F%3F%26%3D%2B"), ("-._~", "-._~"), ("", ""),
  ])
  func `percent coding goes there and back`(plain: String, encoded: String) {
    #expect(PercentCoding.encode(plain) == encoded)
    #expect(PercentCoding.decode(encoded) == plain)
  }

  @Test(arguments: ["%", "%4", "%zz", "%ff", "a%C3"])
  func `a broken escape does not decode`(encoded: String) {
    #expect(PercentCoding.decode(encoded) == nil)
  }

  @Test func `a form keeps order and repeated names`() {
    let items = [
      QueryItem(name: "Body", value: "Hi & bye = 100% ✓"),
      QueryItem(name: "to", value: "+15550100"),
      QueryItem(name: "to", value: ""), QueryItem(name: "", value: "x"),
    ]
    let encoded = FormCoding.encode(items)
    #expect(encoded == "Body=Hi+%26+bye+%3D+100%25+%E2%9C%93&to=%2B15550100&to=&=x")
    #expect(FormCoding.decode(encoded) == items)
    #expect(
      FormCoding.decode("a&b=1=2&&c=%zz") == [
        QueryItem(name: "a", value: ""), QueryItem(name: "b", value: "1=2"),
        QueryItem(name: "c", value: "%zz"),
      ])
  }

  @Test(arguments: [
    ("/a/b?x=1&y", "/a/b", "/a/b", ["a", "b"]),
    ("/a%2Fb/%41", "/a%2Fb/%41", "/a/b/A", ["a/b", "A"]),
    ("http://host:1/p?q", "/p", "/p", ["p"]), ("http://host", "/", "/", []), ("*", "*", "*", ["*"]),
    ("//x", "//x", "//x", ["x"]),
  ])
  func `a target is split and decoded`(
    target: String, rawPath: String, path: String, segments: [String]
  ) {
    let request = HTTPRequest(method: "GET", target: target)
    #expect(request.rawPath == rawPath)
    #expect(request.path == path)
    #expect(request.pathSegments == segments)
  }

  @Test func `a media type is read without its parameters`() {
    let request = HTTPRequest(
      method: "POST", target: "/", headers: ["content-type": " Text/CSV ; charset=utf-8"])
    #expect(request.mediaType == "text/csv")
  }
}

@Suite struct MultipartTests {
  private func request(_ body: String, type: String = "multipart/form-data; boundary=XX")
    -> HTTPRequest
  {
    HTTPRequest(
      method: "POST", target: "/", headers: ["Content-Type": type], body: Array(body.utf8))
  }

  @Test func `fields and files are read as browsers send them`() throws {
    let body =
      "--XX\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{\"a\":1}\r\n"
      + "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\"; c.csv\"\r\n"
      + "Content-Type: text/csv\r\n\r\nx,y\r\n\r\n--X,1\r\n\r\n--XX--\r\n"
    #expect(
      try Multipart.parts(of: request(body)) == [
        MultipartPart(name: "map", body: Array("{\"a\":1}".utf8)),
        MultipartPart(
          name: "file", filename: "a \"b\"; c.csv", contentType: "text/csv",
          body: Array("x,y\r\n\r\n--X,1\r\n".utf8)),
      ])
  }

  @Test func `what is encoded is read back`() throws {
    let parts = [
      MultipartPart(name: "a\"b", body: []),
      MultipartPart(
        name: "f", filename: "x\r\ny.bin", contentType: "application/octet-stream",
        body: Array(0...255) + Array("\r\n--other\r\n".utf8)),
    ]
    let body = Multipart.encode(parts, boundary: "XX")
    #expect(try Multipart.parts(of: body, boundary: "XX") == parts)
    #expect(try Multipart.parts(of: Multipart.encode([], boundary: "XX"), boundary: "XX") == [])
  }

  @Test func `a preamble and padding are skipped`() throws {
    let body =
      "hello\r\n--XX  \r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--XX--\r\nbye"
    #expect(
      try Multipart.parts(of: request(body, type: "multipart/form-data; boundary=\"XX\""))
        == [MultipartPart(name: "a", body: [0x31])])
  }

  @Test(arguments: [
    ("--XX\r\n\r\nno name\r\n--XX--", Multipart.Failure.malformed),
    ("--XX\r\nX: y\r\n\r\nno name\r\n--XX--", .partUnnamed),
    ("--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nno end", .malformed),
    ("", .malformed), ("--XX", .malformed), ("--XX\r\n", .malformed), ("--YY--\r\n", .malformed),
    ("--XXjunk\r\n\r\n--XX--", .malformed),
  ])
  func `a broken body is refused`(body: String, failure: Multipart.Failure) {
    #expect(throws: failure) { try Multipart.parts(of: request(body)) }
  }

  @Test(arguments: ["text/plain", "multipart/form-data", "multipart/form-data; boundary=", ""])
  func `another content type is refused`(type: String) {
    #expect(throws: Multipart.Failure.boundaryMissing) {
      try Multipart.parts(of: request("--XX--", type: type))
    }
  }

  @Test func `the number of parts is bounded`() {
    let parts = [MultipartPart](repeating: MultipartPart(name: "a", body: []), count: 5)
    let body = Multipart.encode(parts, boundary: "XX")
    #expect(throws: Multipart.Failure.tooManyParts(limit: 4)) {
      try Multipart.parts(of: body, boundary: "XX", partsLimit: 4)
    }
  }
}

@Suite struct ServerSentEventTests {
  @Test func `an event is read back as it was written`() {
    let event = ServerSentEvent(id: "9", name: "n", data: "a\n\n: b\u{2028}c\n")
    var parser = ServerSentEventParser()
    #expect(parser.append(event.bytes) == [event])
    #expect(parser.append(ServerSentEvent.heartbeat) == [])
  }

  @Test func `events are read wherever the stream was cut`() {
    let text = ": hi\r\nid: 1\r\nevent: e\r\ndata: a\r\ndata:b\r\n\r\ndata: c\n\ndata\r\rid: 2\n\n"
    for size in 1...text.utf8.count {
      var parser = ServerSentEventParser()
      var events: [ServerSentEvent] = []
      var rest = Array(text.utf8)[...]
      while !rest.isEmpty {
        events += parser.append(Array(rest.prefix(size)))
        rest = rest.dropFirst(size)
      }
      #expect(
        events == [
          ServerSentEvent(id: "1", name: "e", data: "a\nb"), ServerSentEvent(id: "1", data: "c"),
          ServerSentEvent(id: "1", data: ""),
        ], "cut every \(size) bytes")
    }
  }
}
