import Application
import Crypto
import Domain
import HTTP
import JSON
import Testing

@testable import SendGridProvider

@Suite struct SendGridTests {
  private let email = OutboundEmail(
    credentials: ProviderCredentials(
      baseURL: "https://api.sendgrid.com", options: ["from": "a@b.example"],
      secrets: ["api_key": "SG.secret"]),
    message: Identifier(.message, 7), from: "a@b.example", fromName: "Ann", replyTo: "r@b.example",
    to: "z@p.example", subject: "Hi", text: "Text", html: "<p>Text</p>",
    headers: ["List-Unsubscribe": "<https://b.example/u>"])

  @Test(.enabled(if: SharedFile.exists("specs/sendgrid/mail_v3.json"), "no API descriptions here"))
  func `a mail is what SendGrid describes`() throws {
    let request = SendGridProvider.creation(of: email, timeoutMillis: 1_000)
    #expect(request.url == "https://api.sendgrid.com/v3/mail/send")
    #expect(request.headers["Authorization"] == "Bearer SG.secret")
    let spec = try SharedFile.json("specs/sendgrid/mail_v3.json")
    let operation = try #require(spec["paths"]?["/v3/mail/send"]?["post"])
    let reference = operation["requestBody"]?["$ref"]?.string
    let name = reference?.split(separator: "/").last.map(String.init)
    let body =
      name.flatMap { spec["components"]?["requestBodies"]?[$0] } ?? operation["requestBody"]
    let schema = try #require(body?["content"]?["application/json"]?["schema"])
    try check(try JSON(parsing: request.body), schema, spec, "body")
  }

  /// Every property is described, every required one is there, types and enumerations fit.
  private func check(_ value: JSON, _ schema: JSON, _ spec: JSON, _ path: String) throws {
    var schema = schema
    if let name = schema["$ref"]?.string?.split(separator: "/").last {
      schema = try #require(spec["components"]?["schemas"]?[String(name)])
    }
    for part in schema["allOf"]?.array ?? [] where part["properties"] == nil {
      try check(value, part, spec, path)
    }
    if let object = value.object, let properties = schema["properties"]?.object {
      for (key, value) in object.fields {
        let property = try #require(properties[key], "\(path).\(key) is not described")
        try check(value, property, spec, "\(path).\(key)")
      }
      for name in schema["required"]?.array?.compactMap(\.string) ?? [] {
        #expect(object[name] != nil, "\(path).\(name) is required")
      }
    }
    if let items = value.array, let item = schema["items"] {
      for (index, value) in items.enumerated() {
        try check(value, item, spec, "\(path)[\(index)]")
      }
    }
    if let type = schema["type"]?.string, path != "body.from" {
      let kinds = [
        "string": value.string != nil, "object": value.object != nil, "array": value.array != nil,
        "boolean": value.bool != nil, "integer": value.int != nil, "number": value.double != nil,
      ]
      #expect(kinds[type] == true, "\(path) should be \(type)")
    }
  }

  @Test(
    .enabled(
      if: SharedFile.exists("specs/sendgrid/email_activity_v3.json"), "no API descriptions here"))
  func `a question about a mail has the described path and parameters`() throws {
    let request = SendGridProvider.question(about: email, timeoutMillis: 1_000)
    let parts = request.url.split(separator: "?", maxSplits: 1)
    #expect(parts[0] == "https://api.sendgrid.com/v3/messages")
    let spec = try SharedFile.json("specs/sendgrid/email_activity_v3.json")
    let described = try #require(spec["paths"]?["/v3/messages"]?["get"]?["parameters"]?.array)
    let given = FormCoding.decode(String(parts[1]))
    #expect(Set(given.map(\.name)).isSubset(of: described.compactMap { $0["name"]?.string }))
    #expect(given.first?.value == "unique_args['message']=\"\(email.message)\"")
    let any = SendGridProvider.question(
      aboutAnyAround: 1_795_204_800_000_000, of: email, timeoutMillis: 1_000)
    let asked = FormCoding.decode(String(any.url.split(separator: "?", maxSplits: 1)[1]))
    #expect(Set(asked.map(\.name)).isSubset(of: described.compactMap { $0["name"]?.string }))
    #expect(
      asked.first?.value == "last_event_time BETWEEN TIMESTAMP \"2026-10-21T20:00:00.000Z\" "
        + "AND TIMESTAMP \"2026-12-20T20:00:00.000Z\"")
  }

  @Test(
    .enabled(
      if: SharedFile.exists("specs/signature-vectors/vectors.json"), "no signature vectors here"))
  func `the published signature is good, and no other`() throws {
    let vector = try #require(
      try SharedFile.json("specs/signature-vectors/vectors.json")["sendgrid"])
    func text(_ name: String) throws -> String { try #require(vector[name]?.string) }
    let key = try text("public_key_base64_spki_der")
    let timestamp = try text(SendGridSignature.timestampHeader)
    let signature = try text(SendGridSignature.header)
    let nowMicros = try #require(Int64(timestamp)) * 1_000_000
    func isValid(
      _ payload: String, _ timestamp: String, _ signature: String, at nowMicros: Int64
    ) -> Bool {
      let request = HTTPRequest(
        method: "POST", target: "/",
        headers: [
          SendGridSignature.header: signature, SendGridSignature.timestampHeader: timestamp,
        ], body: Array(payload.utf8))
      return SendGridSignature.isValid(request, publicKey: key, nowMicros: nowMicros)
    }
    let payload = try text("payload")
    #expect(isValid(payload, timestamp, signature, at: nowMicros))
    #expect(!isValid(String(payload.dropLast()), timestamp, signature, at: nowMicros))
    #expect(!isValid(payload, "1600112503", signature, at: nowMicros))
    // Repeated for a day.
    #expect(isValid(payload, timestamp, signature, at: nowMicros + 24 * 3_600_000_000))
    #expect(!isValid(payload, timestamp, signature, at: nowMicros + 26 * 3_600_000_000))
    #expect(!isValid(payload, timestamp, signature, at: nowMicros - 26 * 3_600_000_000))
    #expect(!isValid(payload, timestamp, "MEQ", at: nowMicros))
    #expect(!isValid(payload, "-9223372036854775808", signature, at: nowMicros))
  }

  @Test(arguments: [
    (202, "x", SendOutcome.accepted(providerID: "x")),
    // As it comes back with every event.
    (202, "x.y.z", .accepted(providerID: "x")),
    (202, "", .inDoubt(reason: "HTTP 202 without a message id")),
    (400, "", .refused(code: "http_400")), (500, "", .inDoubt(reason: "http_500")),
    (429, "", .notTaken(code: "http_429", retryAfterMillis: 1_000)),
    (401, "", .notTaken(code: "http_401", retryAfterMillis: 60_000)),
  ])
  func `each answer has one meaning`(status: Int, id: String, outcome: SendOutcome) {
    let answer = ClientResponse(
      status: status, headers: id.isEmpty ? [:] : ["X-Message-Id": id], body: [])
    #expect(SendGridAnswer.outcome(of: answer) == outcome)
  }

  @Test func `what the feed does not show yet is not taken for lost`() {
    let provider = SendGridProvider(client: HTTPClient())
    func delayMillis(_ option: String?) -> Int64 {
      var email = email
      email.credentials.options["activity_delay_seconds"] = option
      return provider.listingDelayMillis(of: .email(email))
    }
    #expect(delayMillis(nil) == 900_000)
    #expect(delayMillis("soon") == 900_000)
    #expect(delayMillis("0") == 0)
    #expect(delayMillis("-5") == 0)
    #expect(delayMillis("9999999999") == 86_400_000)
  }

  private func parsed(_ fields: [String: String]) throws -> InboundEmail {
    try parsed(fields.mapValues { Array($0.utf8) })
  }

  private func parsed(_ fields: [String: [UInt8]]) throws -> InboundEmail {
    let parts = fields.map { MultipartPart(name: $0.key, body: $0.value) }
    return try SendGridInbound.email(
      HTTPRequest(
        method: "POST", target: "/",
        headers: ["Content-Type": "multipart/form-data; boundary=xx"],
        body: Multipart.encode(parts, boundary: "xx")))
  }

  @Test func `a mail is from whom its header names, whatever program handed it on`() throws {
    var fields = [
      "from": "Ann Lee <ann@a.example>", "to": "hi@b.example", "text": "Hello",
      "envelope": #"{"to":["hi@b.example"],"from":"SRS0=x=a.example=ann@relay.example"}"#,
      "headers": "Message-ID: <m1@a.example>\nIn-Reply-To: <msg_1@b.example>\n"
        + "References: <msg_0@b.example>\n\t<msg_1@b.example>\nSubject: Re: News\n",
    ]
    let email = try parsed(fields)
    #expect(email.from == "ann@a.example")
    #expect(email.providerID == "<m1@a.example>")
    #expect(email.references == ["msg_1@b.example", "msg_0@b.example", "msg_1@b.example"])
    // A notice of absence has no sender on its envelope.
    fields["envelope"] = #"{"to":["hi@b.example"],"from":""}"#
    #expect(try parsed(fields).from == "ann@a.example")
    fields["from"] = nil
    #expect(throws: SendGridFormatError.missing(field: "from")) { try parsed(fields) }
  }

  @Test(
    arguments: [
      ("windows-1252", [0x64, 0x6F, 0x6E, 0x92, 0x74], "don’t"),
      ("iso-8859-1", [0x4E, 0x6F, 0x20, 0x6D, 0xE1, 0x73], "No más"),
      ("ISO-8859-15", [0xA4], "€"), ("us-ascii", [0x61, 0x92], "a’"),
      ("windows-1251", [0xD1, 0xF2, 0xEE, 0xEF], "Стоп"),
      ("koi8-r", [0xF3, 0xD4, 0xCF, 0xD0], "Стоп"), ("windows-1250", [0xB9], "ą"),
      ("gb2312", [0xC4, 0xE3], "你"), ("big5", [0xA7, 0x41], "你"),
      ("euc-kr", [0xB0, 0xA1], "가"), ("shift_jis", [0x93, 0xFA], "日"),
      ("iso-2022-jp", [0x1B, 0x24, 0x42, 0x46, 0x7C, 0x1B, 0x28, 0x42], "日"),
      ("utf-16", [0xFE, 0xFF, 0x00, 0x48, 0x00, 0x69], "Hi"),
      ("UTF-8", [0xE2, 0x82, 0xAC], "€"), ("made-up", [0xE2, 0x82, 0xAC], "€"),
      // One byte that stands for nothing spoils no others.
      ("windows-1252", [0x81, 0x92], "\u{FFFD}’"),
    ] as [(String, [UInt8], String)])
  func `a mail is read in the charset that it names`(
    charset: String, bytes: [UInt8], text: String
  ) throws {
    let email = try parsed([
      "from": Array("ann@a.example".utf8), "to": Array("hi@b.example".utf8), "text": bytes,
      "subject": bytes,
      "charsets": Array(
        #"{"to":"UTF-8","from":"UTF-8","subject":"\#(charset)","text":"\#(charset)"}"#.utf8),
    ])
    #expect(email.text == text)
    #expect(email.subject == text)
  }

  /// As large as a mail may be.
  @Test func `one byte that stands for nothing spoils no large mail`() throws {
    let text = [UInt8](repeating: 0x61, count: 30 << 20) + [0x81]
    let read = MailCharset.text(text, in: "windows-1252")
    #expect(read.utf8.count == text.count + 2)
    #expect(read.hasSuffix("a\u{FFFD}"))
  }

  @Test func `a mail in HTML alone is read without its marks`() throws {
    let email = try parsed([
      "from": "ann@a.example", "to": "hi@b.example",
      "html": "<html><head><style>p {color: red}</style></head><body><p>Hi,</p>"
        + "<div>please&nbsp;remove me &amp; us<br>from your list</div></body></html>",
    ])
    #expect(
      email.text.split(whereSeparator: \.isNewline) == [
        "Hi,", "please remove me & us", "from your list",
      ])
    #expect(
      try parsed(["from": "a@b.c", "to": "d@e.f", "html": "<div>STOP</div>"]).text
        .split(whereSeparator: \.isNewline) == ["STOP"])
  }

  @Test func `credentials show no secret`() {
    #expect(!"\(email.credentials)".contains("SG.secret"))
  }
}
