import Crypto
import Foundation
import Testing

/// The shared webhook signature vectors, beside the package root where this checkout has them.
private let vectorsPath = URL(filePath: #filePath).deletingLastPathComponent()
  .appending(path: "../../../shared/specs/signature-vectors/vectors.json").standardizedFileURL.path

private let haveVectors = FileManager.default.fileExists(atPath: vectorsPath)

private func vectors(_ name: String) throws -> [String: Any] {
  let data = try Data(contentsOf: URL(filePath: vectorsPath))
  let all = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  return try #require(all[name] as? [String: Any])
}

extension [String: Any] {
  fileprivate func text(_ key: String) throws -> String {
    try #require(self[key] as? String, "no \(key)")
  }

  fileprivate func bytes(_ key: String) throws -> [UInt8] { Array(try text(key).utf8) }
}

@Suite(.enabled(if: haveVectors, "the shared signature vectors are not beside this checkout"))
struct CryptoVectorTests {
  @Test(arguments: ["twilio_form", "twilio_json", "twilio_form_utf8"])
  func `Twilio's signatures are HMAC-SHA1 in base64`(name: String) throws {
    let vector = try vectors(name)
    let code = HMACSHA1.authenticate(
      try vector.bytes("signed_string"), key: try vector.bytes("auth_token"))
    #expect(Base64.encode(code) == (try vector.text("X-Twilio-Signature")))
  }

  @Test func `Stripe's, Mailgun's and HubSpot's signatures are HMAC-SHA-256`() throws {
    let stripe = try vectors("stripe")
    let stripeCode = HMACSHA256.authenticate(
      try stripe.bytes("signed_string"), key: try stripe.bytes("secret"))
    #expect(try stripe.text("Stripe-Signature").hasSuffix("v1=\(Hex.encode(stripeCode))"))

    let mailgun = try vectors("mailgun")
    let mailgunCode = HMACSHA256.authenticate(
      try mailgun.bytes("timestamp") + mailgun.bytes("token"),
      key: try mailgun.bytes("signing_key"))
    #expect(Hex.encode(mailgunCode) == (try mailgun.text("signature")))

    let hubspot = try vectors("hubspot_v3")
    let hubspotCode = HMACSHA256.authenticate(
      try hubspot.bytes("signed_string"), key: try hubspot.bytes("client_secret"))
    #expect(Base64.encode(hubspotCode) == (try hubspot.text("X-HubSpot-Signature-v3")))
  }

  @Test func `a Standard Webhooks signature is HMAC-SHA-256 under the decoded secret`() throws {
    let vector = try vectors("standard_webhooks")
    let key = try Base64.decode(try vector.text("secret").dropFirst("whsec_".count))
    let code = HMACSHA256.authenticate(try vector.bytes("signed_string"), key: key)
    #expect("v1,\(Base64.encode(code))" == (try vector.text("webhook-signature")))
  }

  @Test func `SendGrid's ECDSA signature verifies, and not over another payload`() throws {
    let vector = try vectors("sendgrid")
    let key = try P256.PublicKey(
      spki: try Base64.decode(try vector.text("public_key_base64_spki_der")))
    let signed =
      try vector.bytes("X-Twilio-Email-Event-Webhook-Timestamp") + vector.bytes("payload")
    let signature = try Base64.decode(
      try vector.text("X-Twilio-Email-Event-Webhook-Signature"))
    #expect(try key.isValid(signature, for: signed))
    #expect(try !key.isValid(signature, for: signed + [10]))
    #expect(try !key.isValid(Array(signature.dropLast()), for: signed))
    #expect(try !key.isValid([], for: signed))
  }

  @Test func `an Ed25519 webhook signature is made and verified`() throws {
    let vector = try vectors("ghl_ed25519")
    let key = try Ed25519.PrivateKey(seed: try Hex.decode(try vector.text("private_seed_hex")))
    let signature = try Base64.decode(try vector.text("X-GHL-Signature"))
    // An Ed25519 SubjectPublicKeyInfo is 12 fixed bytes and the key (RFC 8410 section 4).
    let spki = try Base64.decode(try vector.text("public_key_spki_base64"))
    #expect(Array(spki.dropFirst(12)) == key.publicKey)
    #expect(try key.sign(try vector.bytes("body")) == signature)
    #expect(
      try Ed25519.isValid(signature, for: try vector.bytes("body"), publicKey: key.publicKey))
  }
}
