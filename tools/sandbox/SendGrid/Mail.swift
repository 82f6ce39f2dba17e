import Crypto
import HTTP
import JSON

/// A mail that the sandbox took, and what SendGrid tells about it.
struct Mail: Sendable {
  let id: String
  let to: String
  /// The body of the request that sent it.
  let content: JSON
  let apiKey: String
  let eventURL: String?
  let inboundURL: String?
  let privateKey: String
  let createdAtMillis: Int64

  init(id: String, to: String, content: JSON, account: JSON, atMillis: Int64) {
    self.id = id
    self.to = to
    self.content = content
    apiKey = account["api_key"]?.string ?? ""
    eventURL = account["event_url"]?.string
    inboundURL = account["inbound_url"]?.string
    privateKey = account["private_key"]?.string ?? ""
    createdAtMillis = atMillis
  }

  /// From the document and its account.
  init?(_ document: JSON, account: JSON) {
    guard let id = document["id"]?.string, let to = document["to"]?.string,
      let content = document["content"], let created = document["created"]?.int
    else { return nil }
    self.init(id: id, to: to, content: content, account: account, atMillis: created)
  }

  var json: JSON {
    [
      "id": .string(id), "to": .string(to), "api_key": .string(apiKey), "content": content,
      "created": .int(createdAtMillis),
      "created_at": .string(UTCDate(millis: createdAtMillis).iso8601),
    ]
  }

  /// What comes with the mail and all that is told about it: of the person, else of the whole send.
  var customArguments: JSON { Self.customArguments(of: content) }

  static func customArguments(of content: JSON) -> JSON {
    content["personalizations"]?[0]?["custom_args"] ?? content["custom_args"] ?? [:]
  }

  var from: String { content["from"]?["email"]?.string ?? "" }
  var html: String? { text(of: "text/html") }
  var plain: String { text(of: "text/plain") ?? "" }

  private func text(of type: String) -> String? {
    content["content"]?.array?.first { $0["type"]?.string == type }?["value"]?.string
  }

  /// The events of its fate, each a request of its own.
  func callbacks(isDuplicated: Bool, isReordered: Bool, delayMillis: Int64) -> [Callback] {
    guard eventURL != nil else { return [] }
    var events = MailFate(address: to).events.enumerated().map { index, event in
      (id: "\(id)-\(index)", name: event.name, extra: event.extra)
    }
    if isReordered { events.reverse() }
    return events.enumerated().flatMap { place, event in
      (0..<(isDuplicated ? 2 : 1)).compactMap { copy in
        callback(
          event.name, id: event.id, copy: copy, extra: event.extra,
          atMillis: createdAtMillis + delayMillis * Int64(place + 1))
      }
    }
  }

  /// One event on its way to the application; a copy has the same `sg_event_id`.
  func callback(
    _ event: String, id: String, copy: Int = 0, extra: [(String, String)] = [], atMillis: Int64
  ) -> Callback? {
    guard let eventURL else { return nil }
    var fields: [(String, JSON)] = [
      ("email", .string(to)), ("timestamp", .int(atMillis / 1000)), ("event", .string(event)),
      ("sg_event_id", .string(id)), ("sg_message_id", .string(self.id + ".filter0001.1.1-0")),
      ("smtp-id", content["headers"]?["Message-ID"] ?? .string("<\(self.id)@ismtpd>")),
    ]
    fields += customArguments.object?.fields.map { ($0.key, $0.value) } ?? []
    fields += extra.map { name, value in (name, value == "true" ? .bool(true) : .string(value)) }
    let body = JSON.array([.object(JSONObject(fields))])
    return Callback(
      id: "\(id)#\(copy)", dueMillis: atMillis, url: eventURL, contentType: "application/json",
      // SendGrid ends the body with a line break, and signs that too.
      body: body.text + "\r\n", signer: .sendGrid(privateKey: privateKey))
  }

  /// The person answers: Inbound Parse posts the answer as a form.
  ///
  /// `address`: where from, if not from the one that got the mail.
  func reply(_ text: String, from address: String?, id: String, atMillis: Int64) -> Callback? {
    guard let inboundURL else { return nil }
    let boundary = "sandbox\(id)"
    let person = address ?? to
    let envelope: JSON = ["to": [.string(from)], "from": .string(person)]
    let answered = content["headers"]?["Message-ID"]?.string ?? "<\(self.id)@ismtpd>"
    let headers = "Message-ID: <\(id)@sandbox.test>\nIn-Reply-To: \(answered)\n"
    let parts = [
      ("headers", headers), ("from", person), ("to", from),
      ("envelope", envelope.text), ("subject", "Re: " + (content["subject"]?.string ?? "")),
      ("text", text), ("charsets", #"{"text":"UTF-8"}"#), ("attachments", "0"),
    ].map { MultipartPart(name: $0.0, body: Array($0.1.utf8)) }
    return Callback(
      id: id, dueMillis: atMillis, url: inboundURL,
      contentType: "multipart/form-data; boundary=\(boundary)",
      body: String(decoding: Multipart.encode(parts, boundary: boundary), as: UTF8.self),
      signer: .none)
  }
}
