import Crypto
import HTTP
import JSON

/// A provider's webhook request, written here by Twilio's rules and not by the product's code.
/// Source: https://www.twilio.com/docs/usage/security.
struct ProviderWebhook {
  var url: String
  var fields: [(name: String, value: String)]

  /// A person's text to the account.
  init(text body: String, from person: Account.Person, to account: Account) {
    url = "\(account.api.baseURL)/webhooks/twilio/\(account.id)/messages"
    fields = [
      ("MessageSid", "SM" + padded(Int.random(in: 1...Int(Int32.max)), to: 32)),
      ("AccountSid", account.providerAccount), ("From", person.phone), ("To", account.number),
      ("Body", body), ("NumSegments", "1"),
    ]
  }

  func signature(token: String) -> String {
    let sorted = fields.sorted { $0.name < $1.name }
    let text = url + sorted.map { $0.name + $0.value }.joined()
    return Base64.encode(HMACSHA1.authenticate(Array(text.utf8), key: Array(token.utf8)))
  }

  /// Sends it as anybody on the Internet may: without a key.
  func send(signature: String?) async throws -> Answer {
    let body = fields.map { "\($0.name)=\(percentEncoded($0.value))" }.joined(separator: "&")
    var headers: HTTPHeaders = ["content-type": "application/x-www-form-urlencoded"]
    if let signature { headers.set("x-twilio-signature", signature) }
    return try await API(baseURL: "", token: nil)
      .send("POST", url, bytes: Array(body.utf8), headers: headers)
  }
}
