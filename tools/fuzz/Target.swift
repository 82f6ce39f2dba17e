// What libFuzzer calls, once for each input that it makes. Compiled together with the parsers by `run`:
// no target of the package.

#if FUZZ_JSON
  /// What is read is written as the same value.
  private func feed(_ bytes: [UInt8]) {
    guard let value = try? JSON(parsing: bytes) else { return }
    guard let again = try? JSON(parsing: value.bytes()) else {
      preconditionFailure("what was written cannot be read")
    }
    precondition(again == value, "what was written is another value")
  }
#elseif FUZZ_CSV
  private func feed(_ bytes: [UInt8]) {
    guard var reader = try? CSVReader(bytes: bytes) else { return }
    while (try? reader.next()) != nil {}
  }
#elseif FUZZ_HTTP
  /// The first byte says where the pieces of an event stream are cut.
  private func feed(_ bytes: [UInt8]) {
    _ = FormCoding.decode(bytes: bytes)
    _ = PercentCoding.decode(String(decoding: bytes, as: UTF8.self))
    var request = HTTPRequest(method: "POST", target: "/", body: bytes)
    request.headers.set("Content-Type", "multipart/form-data; boundary=b")
    _ = try? Multipart.parts(of: request)
    var parser = ServerSentEventParser()
    let step = max(1, Int(bytes.first ?? 1))
    for start in stride(from: 0, to: bytes.count, by: step) {
      _ = parser.append(Array(bytes[start..<min(bytes.count, start + step)]))
    }
  }
#elseif FUZZ_YAML
  private func feed(_ bytes: [UInt8]) {
    _ = try? YAMLNode(parsing: bytes)
  }
#elseif FUZZ_SIGNATURES
  private let secret = "whsec_" + String(repeating: "QUFB", count: 10) + "QUE="
  private let nowSeconds: Int64 = 1_700_000_000
  private let publicKey =
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyfHTZFpOMGHpaZDIQuDtyDOdGxlzk6qFpM2nYTRL3zCl90OdNrvi9zvH5AhE+"
    + "5zxbXBMtWcmcUrw9oZgaYH45Q=="

  /// Lines: the values of the headers that carry a signature, then the body. Nothing here was made with the
  /// secrets, so nothing may be taken for genuine.
  private func feed(_ bytes: [UInt8]) {
    let lines = bytes.split(separator: 10, maxSplits: 3, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    func line(_ index: Int) -> String { index < lines.count ? lines[index] : "" }
    var request = HTTPRequest(method: "POST", target: "/?" + line(2), body: Array(line(3).utf8))
    for name in [
      "webhook-signature", HookSignature.defaultHeader, TwilioSignature.header,
      SendGridSignature.header, "daybook-signature",
    ] { request.headers.set(name, line(0)) }
    for name in ["webhook-timestamp", SendGridSignature.timestampHeader, "daybook-timestamp"] {
      request.headers.set(name, line(1))
    }
    request.headers.set("webhook-id", line(2))
    request.headers.set("daybook-nonce", line(2))
    request.headers.set(TwilioSignature.settingsHeader, line(2))
    request.headers.set(
      "Content-Type", bytes.count.isMultiple(of: 2) ? FormCoding.contentType : "x/y")
    precondition(!isTaken(request), "taken without the secret")
  }

  private func isTaken(_ request: HTTPRequest) -> Bool {
    for authentication in HookSettings.Authentication.allCases {
      let settings = HookSettings(
        name: "x", authentication: authentication, action: .lead,
        mapping: [.init(field: "email", source: "email")])
      let genuine = HookSignature.check(
        request, settings, secret: secret,
        pathSecret: authentication == .secretInPath ? request.headers["webhook-id"] : nil,
        nowSeconds: nowSeconds)
      if genuine != nil { return true }
    }
    let signed = RequestSignature(now: nowSeconds)
      .refusal(of: request, key: Identifier(.apiKey, 1), secret: secret, now: nowSeconds)
    let keys = TwilioSignature.Keys(authTokens: [secret], sharedKeys: ["k": secret])
    let isStripe = StripeSignature.isValid(
      request.body, header: request.headers["webhook-signature"], secret: secret,
      nowMicros: nowSeconds * 1_000_000)
    return signed == nil || isStripe
      || TwilioSignature.isValid(request, url: "https://x.example/" + request.rawTarget, keys: keys)
      || SendGridSignature.isValid(
        request, publicKey: publicKey, nowMicros: nowSeconds * 1_000_000)
  }
#endif

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  unsafe feed(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}
