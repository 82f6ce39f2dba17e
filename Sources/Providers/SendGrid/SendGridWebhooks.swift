import Application
import Crypto
import Domain
import HTTP
import JSON

/// What SendGrid posts: `events` (signed) and `inbound` (parsed mail; signed where the org has a key,
/// else with the token that its address carries).
package struct SendGridWebhooks: ProviderWebhooks {
  package init() {}

  package var name: String { SendGridProvider.name }

  package func take(_ call: WebhookCall) async throws(WebhookRefusal) -> HTTPResponse {
    let known = try await call.credentials(of: name, for: .email)
    switch call.hook {
    case "events":
      guard known.contains(where: { isSigned(call, $0) }) else { throw .unauthorized }
      return try await takeEvents(call)
    case "inbound":
      guard known.contains(where: { isAuthentic(call, $0) }) else { throw .unauthorized }
      return try await takeMail(call)
    default:
      throw .unauthorized
    }
  }

  private func isSigned(_ call: WebhookCall, _ credentials: ProviderCredentials) -> Bool {
    guard let key = credentials.options["webhook_public_key"] else { return false }
    return SendGridSignature.isValid(call.request, publicKey: key, nowMicros: call.nowMicros)
  }

  private func isAuthentic(_ call: WebhookCall, _ credentials: ProviderCredentials) -> Bool {
    if call.request.headers[SendGridSignature.header] != nil {
      return isSigned(call, credentials)
    }
    guard let expected = credentials.secrets["inbound_token"], !expected.isEmpty,
      let given = call.request.queryValue("token")
    else { return false }
    return constantTimeEqual(Array(given.utf8), Array(expected.utf8))
  }

  // MARK: Events

  private func takeEvents(_ call: WebhookCall) async throws(WebhookRefusal) -> HTTPResponse {
    let events: [SendGridEvent]
    do {
      events = try SendGridEvent.all(in: call.request.body)
    } catch {
      throw .malformed(code: error.code, detail: "\(error)")
    }
    // Those of one mail in their order, those of different ones at once: they share their flush.
    let mails = Dictionary(grouping: events, by: \.message).values
    let refusal = await withTaskGroup(of: WebhookRefusal?.self) { group in
      for events in mails { group.addTask { await take(events, call) } }
      return await group.reduce(nil) { $0 ?? $1 }
    }
    if let refusal { throw refusal }
    return HTTPResponse(status: 204)
  }

  private func take(_ events: [SendGridEvent], _ call: WebhookCall) async -> WebhookRefusal? {
    do throws(WebhookRefusal) {
      for event in events { try await take(event, call) }
      return nil
    } catch {
      return error
    }
  }

  private func take(_ event: SendGridEvent, _ call: WebhookCall) async throws(WebhookRefusal) {
    do {
      try await call.perform(by: name, key: "sendgrid:\(event.id)") {
        workspace throws(CommandError) in
        try workspace.apply(event)
      }
    } catch .refused(.notFound(_)) {
      // Of a message that is not ours, or of a test: the others of the batch count all the same.
      return
    }
  }

  // MARK: Mail

  private func takeMail(_ call: WebhookCall) async throws(WebhookRefusal) -> HTTPResponse {
    let email: InboundEmail
    do throws(SendGridFormatError) {
      email = try SendGridInbound.email(call.request)
    } catch {
      throw .malformed(code: error.code, detail: "\(error)")
    }
    try await call.perform(by: name, key: "sendgrid-inbound:\(email.providerID)") {
      workspace throws(CommandError) in
      try workspace.receive(email)
    }
    return HTTPResponse(status: 200)
  }
}

extension Workspace {
  fileprivate mutating func apply(_ event: SendGridEvent) throws(CommandError) {
    switch event.news {
    case .status(let kind, let errorCode):
      try record(
        ProviderStatus(
          kind: kind, providerID: event.providerID, errorCode: errorCode, atMicros: nowMicros),
        for: event.message)
    case .failed(let errorCode, let ending):
      try recordFailure(
        ProviderStatus(
          kind: .failed, providerID: event.providerID, errorCode: errorCode, atMicros: nowMicros),
        ending: ending, for: event.message)
    case .engagement(let engagement):
      try record(engagement, for: event.message)
    case .unsubscribed:
      try unsubscribe(by: event.message)
    }
  }
}

/// A mail as Inbound Parse posts it: `multipart/form-data`.
enum SendGridInbound {
  static func email(_ request: HTTPRequest) throws(SendGridFormatError) -> InboundEmail {
    var fields: [String: [UInt8]] = [:]
    do throws(Multipart.Failure) {
      for part in try Multipart.parts(of: request) where fields[part.name] == nil {
        fields[part.name] = part.body
      }
    } catch {
      throw .missing(field: "form")
    }
    let charsets = fields["charsets"].flatMap { try? JSON(parsing: $0) }
    func text(_ name: String) -> String? {
      fields[name].map { MailCharset.text($0, in: charsets?[name]?.string) }
    }
    let envelope = fields["envelope"].flatMap { try? JSON(parsing: $0) }
    // The header names the person; the envelope often a program that forwards for them, or nobody.
    guard
      let from = text("from").flatMap(address) ?? envelope?["from"]?.string.flatMap(address)
    else { throw .missing(field: "from") }
    guard let to = (envelope?["to"]?[0]?.string ?? text("to")).flatMap(address) else {
      throw .missing(field: "to")
    }
    let body = text("text") ?? text("html").map(HTMLText.plain) ?? ""
    let headers = unfolded(text("headers") ?? "")
    return InboundEmail(
      from: from, to: to, subject: text("subject") ?? "", text: body,
      providerID: values(of: "message-id", in: headers).first
        ?? Hex.encode(SHA256.hash(request.body)),
      references: (values(of: "in-reply-to", in: headers) + values(of: "references", in: headers))
        .flatMap(messageIDs))
  }

  /// The address in `Ann Lee <ann@example.com>`.
  private static func address(_ text: String) -> String? {
    var address = text[...]
    if let open = text.lastIndex(of: "<"), let close = text[open...].firstIndex(of: ">") {
      address = text[text.index(after: open)..<close]
    }
    let trimmed = String(address).trimmed
    return trimmed.contains("@") ? trimmed : nil
  }

  /// A line that begins with a blank goes on with the one before (RFC 5322, 2.2.3).
  private static func unfolded(_ headers: String) -> [String] {
    var lines: [String] = []
    for line in headers.split(whereSeparator: \.isNewline) {
      if line.first?.isWhitespace == true, !lines.isEmpty {
        lines[lines.count - 1] += " " + String(line).trimmed
      } else {
        lines.append(String(line))
      }
    }
    return lines
  }

  private static func values(of name: String, in headers: [String]) -> [String] {
    headers.filter { $0.lowercased().hasPrefix(name + ":") }
      .map { String($0.dropFirst(name.count + 1)).trimmed }
  }

  /// `<a@b> <c@d>` without brackets.
  private static func messageIDs(_ value: String) -> [String] {
    value.split { $0.isWhitespace || $0 == "<" || $0 == ">" || $0 == "," }.map(String.init)
  }
}
