import Crypto
import HTTP
import JSON

/// What tests and people do with mailboxes: `/sandbox/mail…`.
struct MailControl: Sendable {
  let store: Store
  let outbox: Outbox
  let client: HTTPClient

  /// How a person's browser calls itself.
  private static let browser =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"

  func answer(_ request: HTTPRequest, _ body: JSON) async throws -> HTTPResponse? {
    let path = request.pathSegments
    switch (request.method, path.count) {
    case ("POST", 2) where path[1] == "mail-accounts": return try register(body)
    case ("GET", 2) where path[1] == "mail": return list(request)
    case ("POST", 4) where path[1] == "mail":
      return try await act(path[3], on: try mail(path[2]), body)
    default: return nil
    }
  }

  private func register(_ body: JSON) throws -> HTTPResponse {
    guard let apiKey = body["api_key"]?.string, !apiKey.isEmpty else {
      throw ControlError("An account is {api_key, event_url, inbound_url}.")
    }
    let known = store.read { $0.document(.mailAccount, apiKey) }
    let key =
      try known?["private_key"]?.string.map { try P256.PrivateKey(der: Base64.decode($0)) }
      ?? P256.PrivateKey()
    let account: JSON = [
      "api_key": .string(apiKey), "event_url": body["event_url"] ?? .null,
      "inbound_url": body["inbound_url"] ?? .null,
      "private_key": .string(Base64.encode(try key.der)),
    ]
    try store.record { _ in ([.documentSet(.mailAccount, id: apiKey, account)], ()) }
    return ControlAPI.ok(["public_key": .string(Base64.encode(try key.publicKeySPKI))])
  }

  private func mail(_ id: String) throws(ControlError) -> Mail {
    let found = store.read { world -> Mail? in
      guard let document = world.document(.mail, id), let key = document["api_key"]?.string,
        let account = world.document(.mailAccount, key)
      else { return nil }
      return Mail(document, account: account)
    }
    guard let found else { throw ControlError("There is no such mail.") }
    return found
  }

  /// Newest first; `to` narrows.
  private func list(_ request: HTTPRequest) -> HTTPResponse {
    let to = request.queryValue("to")
    let found = store.read { world in
      world.all(.mail).filter { to == nil || $0["to"]?.string == to }.prefix(500).compactMap {
        mail -> JSON? in
        guard let account = mail["api_key"]?.string.flatMap({ world.document(.mailAccount, $0) })
        else { return nil }
        return Mail(mail, account: account)?.control
      }
    }
    return ControlAPI.ok(["data": .array(found)])
  }

  private func act(_ act: String, on mail: Mail, _ body: JSON) async throws -> HTTPResponse {
    let nowMillis = store.nowMillis()
    let id = Hex.encode(Random.bytes(8))
    switch act {
    case "open":
      guard let pixel = mail.pixel else { throw ControlError("This mail has no pixel.") }
      return try await visit("GET", pixel)
    case "click":
      let index = Int(body["link"]?.int ?? 0)
      guard mail.links.indices.contains(index) else { throw ControlError("There is no such link.") }
      return try await visit("GET", mail.links[index])
    case "unsubscribe":
      guard let url = mail.unsubscribeURL else {
        throw ControlError("This mail has no List-Unsubscribe.")
      }
      return try await visit("POST", url, "List-Unsubscribe=One-Click")
    case "bounce":
      try plan(
        mail.callback("bounce", id: id, extra: [("type", "bounce")], atMillis: nowMillis))
    case "complain": try plan(mail.callback("spamreport", id: id, atMillis: nowMillis))
    case "reply":
      guard let text = body["text"]?.string else { throw ControlError("A reply is {text}.") }
      try plan(
        mail.reply(text, from: body["from"]?.string, id: id, atMillis: nowMillis))
    default: throw ControlError("Nobody can \(act) a mail.")
    }
    await outbox.wake()
    return ControlAPI.ok(["done": .string(act)])
  }

  private func plan(_ callback: Callback?) throws {
    guard let callback else { throw ControlError("The account has no address for that.") }
    try store.record { _ in ([.callbackPlanned(callback)], ()) }
  }

  private func visit(
    _ method: String, _ url: String, _ body: String = ""
  ) async throws -> HTTPResponse {
    var headers: HTTPHeaders = ["User-Agent": Self.browser]
    if !body.isEmpty { headers["Content-Type"] = FormCoding.contentType }
    let answer = try await client.send(
      ClientRequest(
        method: method, url: url, headers: headers, body: Array(body.utf8), timeoutMillis: 15_000))
    return ControlAPI.ok([
      "status": JSON(answer.status), "location": JSON(answer.headers["Location"]),
    ])
  }
}

extension Mail {
  var control: JSON {
    [
      "id": .string(id), "to": .string(to), "from": .string(from),
      "subject": content["subject"] ?? .null, "text": .string(plain), "html": JSON(html),
      "headers": content["headers"] ?? [:], "links": .array(links.map(JSON.string)),
      "has_pixel": .bool(pixel != nil), "unsubscribe_url": JSON(unsubscribeURL),
      "custom_args": customArguments,
      "created_at": .string(UTCDate(millis: createdAtMillis).iso8601),
    ]
  }

  /// The web addresses that its HTML text links to.
  var links: [String] {
    (html ?? "").matches(of: /href="(https?:[^"]+)"/).map { String($0.1) }
  }

  var pixel: String? {
    (html ?? "").matches(of: /<img src="(https?:[^"]+)" width="1" height="1"/).last
      .map { String($0.1) }
  }

  var unsubscribeURL: String? {
    content["headers"]?["List-Unsubscribe"]?.string.map {
      String($0.drop { $0 == "<" }.prefix { $0 != ">" })
    }
  }
}
