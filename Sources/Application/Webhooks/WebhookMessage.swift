import Crypto
import Domain
import HTTP
import JSON

/// A Standard Webhooks message. Source: standardwebhooks.com, specification 1.0.
package enum WebhookMessage {
  /// A full body above this is sent thin: subscribers refuse large ones.
  static let bodyLimitBytes = 20_000

  /// How long a subscriber may take.
  private static let timeoutMillis = 20_000

  package static func newSecret() -> String { "whsec_" + Base64.encode(Random.bytes(32)) }

  /// The request that delivers `event` (as `EventJSON.object` gives it).
  package static func request(
    for event: JSON, _ style: WebhookEndpoint.Style, url: String, timestampSeconds: Int64,
    secrets: [String]
  ) throws(CryptoError) -> ClientRequest {
    let body = body(of: event, style)
    let id = event["id"]?.string ?? ""
    var headers: HTTPHeaders = ["content-type": contentType(style)]
    headers.set("webhook-id", id)
    headers.set("webhook-timestamp", String(timestampSeconds))
    headers.set(
      "webhook-signature",
      try signature(id: id, timestampSeconds: timestampSeconds, body: body, secrets: secrets))
    return ClientRequest(
      method: "POST", url: url, headers: headers, body: body, timeoutMillis: timeoutMillis)
  }

  package static func contentType(_ style: WebhookEndpoint.Style) -> String {
    style.format == .standard ? "application/json" : "application/cloudevents+json"
  }

  /// The body that delivers `event` (as `EventJSON.object` gives it).
  package static func body(of event: JSON, _ style: WebhookEndpoint.Style) -> [UInt8] {
    guard style.payload == .full else { return frame(thin(event), of: event, style) }
    let full = frame(event, of: event, style)
    return full.count <= bodyLimitBytes ? full : frame(thin(event), of: event, style)
  }

  /// What is enough to read the rest.
  private static func thin(_ event: JSON) -> JSON {
    let kept = ["id", "object", "type", "position", "sequence", "account", "subject"]
    return .object(JSONObject((event.object?.fields ?? []).filter { kept.contains($0.key) }))
  }

  private static func frame(
    _ data: JSON, of event: JSON, _ style: WebhookEndpoint.Style
  ) -> [UInt8] {
    switch style.format {
    case .standard:
      JSON.object(
        JSONObject([
          ("type", event["type"] ?? .null), ("timestamp", event["occurred_at"] ?? .null),
          ("data", data),
        ])
      ).bytes()
    case .cloudEvents:
      JSON.object(
        JSONObject([
          ("specversion", "1.0"), ("id", event["id"] ?? .null),
          ("source", .string("/api/accounts/\(event["account"]?.string ?? "")")),
          ("type", event["type"] ?? .null), ("time", event["occurred_at"] ?? .null),
          ("subject", event["subject"]?["id"] ?? .null),
          ("datacontenttype", "application/json"), ("data", data),
        ])
      ).bytes()
    }
  }

  /// One signature a secret, with spaces between them: subscribers take any that they know.
  package static func signature(
    id: String, timestampSeconds: Int64, body: [UInt8], secrets: [String]
  ) throws(CryptoError) -> String {
    let signed = Array("\(id).\(timestampSeconds).".utf8) + body
    var signatures: [String] = []
    for secret in secrets {
      let key = try Base64.decode(secret.dropFirst("whsec_".count))
      signatures.append("v1," + Base64.encode(HMACSHA256.authenticate(signed, key: key)))
    }
    return signatures.joined(separator: " ")
  }
}
