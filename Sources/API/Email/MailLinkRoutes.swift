import Application
import Crypto
import Domain
import HTTP
import JSON

/// Where the links in emails lead. Their tokens are signatures: whoever has one got the mail, or a
/// machine that reads the person's mail did.
enum MailLinkRoutes {
  // `.signed`: mail programs add parameters of their own.
  static let all = [
    Operation(
      "GET", "/m/o/{token}", .signed, "The pixel in an email",
      answers: [.text("image/gif", "A transparent pixel.")], refuses: [404: ["not_found"]],
      handler: open),
    Operation(
      "GET", "/m/c/{token}", .signed, "Follow a link in an email",
      answers: [
        AnswerDefinition(302, "Where the link leads."),
        .text("text/html", "A page that leads there, where the address is too long for a header."),
      ], refuses: [404: ["not_found"]],
      handler: click),
    Operation(
      "GET", "/m/u/{token}", .signed, "Ask whether to unsubscribe",
      answers: [.text("text/html", "A page with a button; nothing has changed.")],
      refuses: [404: ["not_found"]], handler: ask),
    Operation(
      "POST", "/m/u/{token}", .signed, "Unsubscribe from email",
      body: .of([("application/x-www-form-urlencoded", .map(.string(0...1_000)))]),
      answers: [.text("text/html", "Done.")], refuses: [404: ["not_found"]],
      idempotency: .ignored, handler: unsubscribe),
  ]

  /// 43 bytes: a transparent GIF of one pixel.
  private static let pixel: [UInt8] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x21,
    0xF9, 4, 1, 0, 0, 0, 0, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3B,
  ]

  private static func open(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let link = try link(.open, exchange)
    try await record(link, exchange) { .opened(isMachine: $0) }
    return HTTPResponse(
      status: 200, headers: ["content-type": "image/gif", "cache-control": "no-store"],
      body: .bytes(pixel))
  }

  private static func click(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let link = try link(.click, exchange)
    let snapshot: Snapshot<Message.State>
    do {
      snapshot = try exchange.engine.message(link.message, of: link.org)
    } catch {
      throw APIError(error)
    }
    let addresses = HTMLLinks.addresses(in: snapshot.state.plan?.content.value?.html ?? "")
    guard addresses.indices.contains(link.index) else { throw .notFound("link") }
    try await record(link, exchange) { .clicked(link: link.index, isMachine: $0) }
    return lead(to: addresses[link.index])
  }

  /// To where a browser would go from the mail. A page does where the address is too long for the head of an answer.
  private static func lead(to href: String) -> HTTPResponse {
    let address = asciiAddress(href)
    guard address.utf8.count > longestLocation else {
      return HTTPResponse(
        status: 302, headers: ["location": address, "referrer-policy": "no-referrer"])
    }
    let escaped = address.replacing("&", with: "&amp;").replacing("\"", with: "&quot;")
    return page(
      "On the way", "<p><a href=\"\(escaped)\">Go on</a></p>",
      head: "<meta http-equiv=\"refresh\" content=\"0;url=\(escaped)\">")
  }

  /// Of some 1,800 bytes for all fields.
  private static let longestLocation = 1_000

  /// As a field of HTTP can hold it, and a browser reads it. Source: WHATWG URL, "basic URL parser": tabs and line ends
  /// are nothing, and what is no ASCII, in a host too, may be escaped.
  private static func asciiAddress(_ href: String) -> String {
    var text = ""
    for byte in href.utf8 {
      switch byte {
      case 0x09, 0x0a, 0x0d: break
      case 0x21...0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
      default: text += "%" + Hex.encode([byte]).uppercased()
      }
    }
    return text
  }

  private static func link(
    _ kind: LinkTokens.Kind, _ exchange: Exchange
  ) throws(APIError) -> LinkTokens.Link {
    guard let link = exchange.services.links.tokens.link(kind, in: exchange.path["token"] ?? "")
    else { throw .notFound("link") }
    return link
  }

  private static func record(
    _ link: LinkTokens.Link, _ exchange: Exchange,
    _ engagement: @escaping @Sendable (Bool) -> Engagement
  ) async throws(APIError) {
    // Looked at, not fetched.
    guard exchange.request.method == "GET" else { return }
    let agent = exchange.request.headers["user-agent"]
    try await perform(link, exchange) { workspace throws(CommandError) in
      let sentAtMicros = try workspace.sentAt(link.message)
      let isMachine = MailVisitor.isMachine(
        userAgent: agent, sinceSentMicros: sentAtMicros.map { workspace.nowMicros - $0 })
      try workspace.record(engagement(isMachine), for: link.message)
    }
  }

  private static func perform(
    _ link: LinkTokens.Link, _ exchange: Exchange,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Void
  ) async throws(APIError) {
    let call = Call(actor: "link", origin: "email", correlation: exchange.requestID)
    do {
      _ = try await exchange.engine.executor(for: link.org).perform(call, body)
    } catch {
      throw APIError(error)
    }
  }

  // MARK: Unsubscribing

  /// A page with a button: a GET changes nothing, as programs follow links too.
  private static func ask(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    _ = try link(.unsubscribe, exchange)
    return page(
      "Unsubscribe",
      """
      <p>You will get no more emails at this address from the sender of that message.</p>
      <form method="post"><button type="submit">Unsubscribe</button></form>
      """)
  }

  /// The button, or the mailbox's own one-click request (RFC 8058).
  private static func unsubscribe(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let link = try link(.unsubscribe, exchange)
    try await perform(link, exchange) { workspace throws(CommandError) in
      try workspace.unsubscribe(by: link.message)
    }
    return page("Unsubscribed", "<p>You will get no more emails at this address.</p>")
  }

  private static func page(_ title: String, _ body: String, head: String = "") -> HTTPResponse {
    let html = """
      <!doctype html><html lang="en"><meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="robots" content="noindex"><title>\(title)</title>\(head)
      <style>body{font:17px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}
      button{font:inherit;padding:.5rem 1.2rem}</style>
      <h1>\(title)</h1>\(body)</html>
      """
    return HTTPResponse(
      status: 200,
      headers: [
        "content-type": "text/html; charset=utf-8",
        "content-security-policy":
          "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
      ], body: .bytes(Array(html.utf8)))
  }
}
