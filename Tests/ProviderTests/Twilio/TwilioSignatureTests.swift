import Crypto
import HTTP
import JSON
import Testing

@testable import TwilioProvider

@Suite struct TwilioSignatureTests {
  let token = "12345"
  let url = "https://example.com/hooks/sms?org=1"

  private func sign(_ text: String, token: String = "12345") -> String {
    Base64.encode(HMACSHA1.authenticate(Array(text.utf8), key: Array(token.utf8)))
  }

  private func form(_ items: (String, String)...) -> [QueryItem] {
    items.map { QueryItem(name: $0.0, value: $0.1) }
  }

  private func isValid(
    _ signature: String?, url: String? = nil, _ form: [QueryItem] = [], body: [UInt8] = [],
    settings: String? = nil, keys: TwilioSignature.Keys? = nil
  ) -> Bool {
    TwilioSignature.isValid(
      url: url ?? self.url, parameters: form, body: body, signature: signature,
      settings: settings, keys: keys ?? TwilioSignature.Keys(authTokens: [token]))
  }

  @Test func `names and values are signed in byte order of the names`() {
    let signature = sign(url + "ABodyaToz")
    #expect(isValid(signature, form(("a", "Toz"), ("A", "Body"))))
    #expect(!isValid(signature, form(("A", "Body"), ("a", "Tox"))))
  }

  @Test func `an added, a missing and a renamed parameter are refused`() {
    let signature = sign(url + "BodyhiTo+1")
    #expect(isValid(signature, form(("To", "+1"), ("Body", "hi"))))
    #expect(!isValid(signature, form(("To", "+1"), ("Body", "hi"), ("X", ""))))
    #expect(!isValid(signature, form(("To", "+1"))))
    #expect(!isValid(signature, form(("To", "+1"), ("BODY", "hi"))))
  }

  @Test func `a repeated name counts with its distinct values, sorted`() {
    let signature = sign(url + "MediaaMediab")
    #expect(isValid(signature, form(("Media", "b"), ("Media", "a"), ("Media", "b"))))
  }

  @Test func `values that look alike but differ in bytes are distinct`() {
    let composed = "\u{E9}"
    let decomposed = "e\u{301}"
    let signature = sign(url + "A" + decomposed + "A" + composed)
    #expect(isValid(signature, form(("A", composed), ("A", decomposed))))
  }

  @Test(arguments: [
    ("https://a.example/x", "https://a.example:443/x"),
    ("https://a.example:443/x", "https://a.example/x"),
    ("https://a.example:8443/x", "https://a.example/x"),
    ("http://a.example/x", "http://a.example:80/x"),
    ("http://[::1]:8080/x", "http://[::1]/x"),
    ("http://[::1]/x", "http://[::1]:80/x"),
  ])
  func `the port may be there or not`(configured: String, signed: String) {
    #expect(isValid(sign(signed + "A1"), url: configured, form(("A", "1"))))
    #expect(isValid(sign(configured + "A1"), url: configured, form(("A", "1"))))
  }

  @Test func `another host, path, query or scheme is refused`() {
    for other in [
      "https://example.org/hooks/sms?org=1", "https://example.com/hooks/sm?org=1",
      "https://example.com/hooks/sms?org=2", "http://example.com/hooks/sms?org=1",
    ] {
      #expect(!isValid(sign(other + "A1"), form(("A", "1"))), "\(other)")
    }
  }

  @Test func `the fragment is not signed`() {
    #expect(isValid(sign(url), url: url + "#rc=3"))
  }

  @Test func `during a rotation either token is good, a third is not`() {
    let keys = TwilioSignature.Keys(authTokens: ["old", "new"])
    #expect(isValid(sign(url, token: "old"), keys: keys))
    #expect(isValid(sign(url, token: "new"), keys: keys))
    #expect(!isValid(sign(url, token: "other"), keys: keys))
  }

  @Test func `nothing is valid without a signature or without a key`() {
    #expect(!isValid(nil))
    #expect(!isValid(""))
    #expect(!isValid(sign(url), keys: TwilioSignature.Keys(authTokens: [])))
  }

  @Test func `a body must have the digest that the URL names`() {
    let body = Array(#"{"a":1}"#.utf8)
    let signed = "https://a.example/x?bodySHA256=" + Hex.encode(SHA256.hash(body))
    #expect(isValid(sign(signed), url: signed, body: body))
    #expect(!isValid(sign(signed), url: signed, body: body + [0x20]))
    #expect(!isValid(sign(signed), url: signed))
  }

  @Test func `a body that no digest vouches for is refused, however good the signature`() {
    #expect(isValid(sign(url)))
    #expect(!isValid(sign(url), body: Array("{}".utf8)))
  }

  @Test func `a shared key signs with the algorithm that the header names`() {
    let keys = TwilioSignature.Keys(authTokens: [token], sharedKeys: ["k1": "secret"])
    let code = HMACSHA256.authenticate(Array(url.utf8), key: Array("secret".utf8))
    let signature = Base64.encode(code)
    #expect(isValid(signature, settings: "key=k1,algorithm=HMAC_SHA256", keys: keys))
    #expect(!isValid(signature, settings: "key=k2,algorithm=HMAC_SHA256", keys: keys))
    #expect(!isValid(signature, settings: "key=k1,algorithm=HMAC_SHA1", keys: keys))
    #expect(!isValid(signature, settings: "key=k1,algorithm=NONE", keys: keys))
    #expect(!isValid(signature, keys: keys))
    #expect(
      isValid(
        sign(url, token: "secret"), settings: "key=k1, algorithm=HMAC_SHA1", keys: keys))
  }

  @Test func `a request is read by its content type`() {
    let body = Array("To=%2B1&Body=h%C3%A9+you".utf8)
    var request = HTTPRequest(
      method: "POST", target: "/hooks/sms?org=1",
      headers: ["Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"], body: body)
    request.headers["X-Twilio-Signature"] = sign(url + "Bodyh\u{E9} youTo+1")
    let keys = TwilioSignature.Keys(authTokens: [token])
    #expect(TwilioSignature.isValid(request, url: url, keys: keys))
    request.headers["Content-Type"] = "application/json"
    #expect(!TwilioSignature.isValid(request, url: url, keys: keys))
  }
}

// MARK: - Vectors

private let vectorsPath = "specs/signature-vectors/vectors.json"

@Suite(.enabled(if: SharedFile.exists(vectorsPath), "no signature vectors beside the repository"))
struct TwilioSignatureVectorTests {
  private func parameters(_ vector: JSON) -> [QueryItem] {
    (vector["params"]?.object?.fields ?? []).map {
      QueryItem(name: $0.key, value: $0.value.string ?? "")
    }
  }

  @Test(arguments: ["twilio_form", "twilio_form_utf8", "twilio_json"])
  func `the published vector is accepted, and refused with another token`(name: String) throws {
    let vector = try #require(try SharedFile.json(vectorsPath)[name])
    let url = try #require(vector["url"]?.string)
    let signature = try #require(vector["X-Twilio-Signature"]?.string)
    let token = vector["auth_token"]?.string ?? "12345"
    func isValid(_ token: String) -> Bool {
      TwilioSignature.isValid(
        url: url, parameters: parameters(vector), body: Array((vector["body"]?.string ?? "").utf8),
        signature: signature, keys: TwilioSignature.Keys(authTokens: [token]))
    }
    #expect(isValid(token))
    #expect(!isValid(token + "6"))
  }

  @Test func `the published vector of a shared key is accepted`() throws {
    let vector = try #require(try SharedFile.json(vectorsPath)["twilio_form"])
    let variant = try #require(vector["sha256_variant_with_shared_key"])
    let header = try #require(variant["header"]?.string)
    let settings = try #require(header.split(separator: ": ").last.map(String.init))
    let secret = try #require(variant["secret"]?.string)
    #expect(
      TwilioSignature.isValid(
        url: try #require(vector["url"]?.string), parameters: parameters(vector), body: [],
        signature: variant["X-Twilio-Signature"]?.string, settings: settings,
        keys: TwilioSignature.Keys(
          authTokens: [], sharedKeys: ["webhooks_sharedkey_x": secret])))
  }
}
