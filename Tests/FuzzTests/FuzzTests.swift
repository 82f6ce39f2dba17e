import CSV
import Domain
import Foundation
import HTTP
import JSON
import TestSupport
import Testing
import YAML

@testable import Application

/// Parsers of what strangers send: whatever the bytes, they answer or refuse, and never trap. A fault
/// is a crash, or a property that does not hold; the seed names the bytes. More runs, by hand:
/// `DAYBOOK_FUZZ_RUNS=1000000 swift test --filter FuzzTests`.
@Suite struct FuzzTests {
  private static let runs =
    ProcessInfo.processInfo.environment["DAYBOOK_FUZZ_RUNS"].flatMap { Int($0) } ?? 3_000

  private static func forEach(
    _ corpus: [String], seed: UInt64, _ body: ([UInt8]) throws -> Void
  ) rethrows {
    var mutator = Mutator(seed: seed, corpus: corpus)
    for _ in 0..<runs { try body(mutator.next()) }
  }

  private static let documents = [
    #"{"a": [1, -2.5e3, true, null, "x\u00e9\n"], "b": {"c": {}}}"#, #"[[[[[]]]]]"#,
    #""\ud83d\ude00""#,
    #"{"error": {"type": "invalid_request", "details": []}}"#, "-0", "1e308", #"{"a":1,"a":2}"#,
  ]

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `JSON that is read is written as the same JSON`(seed: UInt64) throws {
    try Self.forEach(Self.documents, seed: seed) { bytes in
      guard let value = try? JSON(parsing: bytes) else { return }
      let again = try JSON(parsing: value.bytes(.stored))
      try #require(again == value, "seed \(seed): \(bytes)")
      // What is shown has 12 for 12.0: the same number, and the same text from then on.
      let shown = try JSON(parsing: value.bytes())
      try #require(shown.bytes() == value.bytes(), "seed \(seed): \(bytes)")
    }
  }

  @Test(arguments: 1...2 as ClosedRange<UInt64>)
  func `YAML is read or refused`(seed: UInt64) {
    let corpus = [
      "name: Follow-up\ntrigger:\n  tag_added: webinar\nsteps:\n  - send_sms: \"Hi\"\n  - wait: 1 day\n",
      "a: &x [1, 2]\nb: *x\n", "? key\n: value\n", "text: |\n  one\n  two\n", "{a: [b, {c: d}]}",
    ]
    Self.forEach(corpus, seed: seed) { bytes in _ = try? YAMLNode(parsing: bytes) }
  }

  @Test(arguments: 1...2 as ClosedRange<UInt64>)
  func `CSV is read or refused`(seed: UInt64) {
    let corpus = [
      "name,phone\nAnn,4155552671\n\"Bell, Ben\",\"a\"\"b\"\n", "a;b;c\r\n1;2;3\r\n",
      "x\ty\n1\t2\n",
      "\u{FEFF}email\nann@example.com\n",
    ]
    Self.forEach(corpus, seed: seed) { bytes in
      guard var reader = try? CSVReader(bytes: bytes) else { return }
      while let record = try? reader.next() { _ = record }
    }
  }

  @Test(arguments: 1...2 as ClosedRange<UInt64>)
  func `forms, multipart bodies and event streams are read or refused`(seed: UInt64) {
    let multipart =
      "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"x\"\r\n\r\n1\r\n--b--\r\n"
    Self.forEach(["a=1&b=%20c&d=%zz", "a%5B%5D=1&&=", multipart], seed: seed) { bytes in
      let form = FormCoding.decode(bytes: bytes)
      _ = HookPayload(form: form.map { ($0.name, $0.value) }).value(at: "a.0.b")
      var request = HTTPRequest(method: "POST", target: "/", body: bytes)
      request.headers.set("Content-Type", "multipart/form-data; boundary=b")
      _ = try? Multipart.parts(of: request)
    }
    Self.forEach(
      ["id: 1\nevent: a\ndata: {}\n\n", ": c\n\ndata: x\r\ndata: y\r\n\r\n"], seed: seed
    ) { bytes in
      var parser = ServerSentEventParser()
      for piece in stride(from: 0, to: bytes.count, by: 7) {
        _ = parser.append(Array(bytes[piece..<min(bytes.count, piece + 7)]))
      }
    }
  }

  @Test(arguments: 1...2 as ClosedRange<UInt64>)
  func `no signature header is taken that was not made with the secret`(seed: UInt64) throws {
    let secret = "whsec_" + String(repeating: "QUFB", count: 10) + "QUE="
    let corpus = [
      "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=", "v1a,x v1,y", "sha256=00",
      String(repeating: "ab", count: 32), "1700000000", "msg_1",
    ]
    for authentication in HookSettings.Authentication.allCases {
      let settings = HookSettings(
        name: "x", authentication: authentication, action: .lead,
        mapping: [.init(field: "email", source: "email")])
      try Self.forEach(corpus, seed: seed) { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        var request = HTTPRequest(method: "POST", target: "/", body: bytes)
        request.headers.set("webhook-id", seed == 1 ? "m1" : text)
        request.headers.set("webhook-timestamp", "1700000000")
        request.headers.set("webhook-signature", text)
        request.headers.set(HookSignature.defaultHeader, text)
        let genuine = HookSignature.check(
          request, settings, secret: secret,
          pathSecret: authentication == .secretInPath ? text : nil,
          nowSeconds: 1_700_000_000)
        try #require(genuine == nil, "seed \(seed): \(bytes)")
      }
    }
  }

  @Test(arguments: 1...2 as ClosedRange<UInt64>)
  func `what a hook is told becomes a command or a refusal`(seed: UInt64) {
    let corpus = [
      #"{"email": "a@b.co", "data": {"tags": ["x"], "n": 1.5, "ok": true}}"#,
      #"{"data": {"name": "Ann Bell", "tel": "415"}}"#,
    ]
    let mapping = ["email", "name", "tags", "consent.sms", "custom.n", "phone"].map {
      HookSettings.Mapping(
        field: $0, source: ["email", "data.tags", "data.n", "data.ok.0"][$0.count % 4])
    }
    Self.forEach(corpus, seed: seed) { bytes in
      guard let json = try? JSON(parsing: bytes) else { return }
      for action in HookSettings.Action.allCases {
        let settings = HookSettings(
          name: "x", authentication: .hmac, action: action, mapping: mapping)
        _ = try? HookCommand(Identifier(.inboundHook, 1), settings, HookPayload(json))
      }
    }
  }
}
