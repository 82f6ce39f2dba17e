import Application
import Domain
import HTTP
import TwilioProvider

/// What Twilio tells us. Nothing is read before the signature is found good, nothing is answered
/// before what follows is on disk.
enum TwilioRoutes {
  static let all = [
    Operation(
      "POST", "/webhooks/twilio/{account}/messages", .signed, "Take in a text from Twilio",
      body: .of([("application/x-www-form-urlencoded", .map(.string(0...Int.max)))]),
      answers: [.text("text/xml", "Taken in.")], refuses: [400: ["invalid_value"]],
      idempotency: .ignored, handler: inbound),
    Operation(
      "POST", "/webhooks/twilio/{account}/status", .signed, "Take in a delivery report of Twilio",
      body: .of([("application/x-www-form-urlencoded", .map(.string(0...Int.max)))]),
      answers: [.nothing], refuses: [400: ["invalid_value"], 404: ["not_found"]],
      idempotency: .ignored, handler: status),
  ]

  private static func inbound(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let executor = try await verified(exchange)
    let message: TwilioInboundMessage
    do {
      message = try TwilioInboundMessage(form: FormCoding.decode(bytes: exchange.request.body))
    } catch {
      throw .invalid("body", error.code, "\(error)")
    }
    let text = InboundText(
      from: message.from, to: message.to, body: message.body, providerID: message.messageSID,
      segmentCount: message.segmentCount, media: message.media.map(\.url),
      declared: message.optOutType?.keyword)
    try await perform(
      executor, exchange, key: text.idempotencyKey
    ) { workspace throws(CommandError) in
      try workspace.receive(text)
    }
    return reply()
  }

  private static func status(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    let executor = try await verified(exchange)
    guard let text = exchange.query("message"), let id = Identifier(text, kind: .message) else {
      throw .invalid("message", "invalid_id", "The callback names no message.")
    }
    let callback: TwilioStatusCallback
    do {
      callback = try TwilioStatusCallback(form: FormCoding.decode(bytes: exchange.request.body))
    } catch {
      throw .invalid("body", error.code, "\(error)")
    }
    // Every other one only says that the message is on its way: nobody is kept busy with that.
    if callback.status.kind != nil {
      try await perform(executor, exchange, key: nil) { workspace throws(CommandError) in
        guard let news = callback.providerStatus(atMicros: workspace.nowMicros) else { return }
        try workspace.record(news, for: id)
      }
    }
    return HTTPResponse(status: 204)
  }

  private static func perform<Output: Sendable>(
    _ executor: OrgExecutor, _ exchange: Exchange, key: IdempotencyName?,
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws(APIError) {
    let call = Call(
      actor: "provider:twilio", origin: "webhook", correlation: exchange.requestID,
      idempotencyKey: key)
    do {
      _ = try await executor.perform(call, body)
    } catch {
      throw APIError(error)
    }
  }

  /// The org's executor, where the request is signed with the org's own token.
  private static func verified(_ exchange: Exchange) async throws(APIError) -> OrgExecutor {
    let refusal = APIError(
      403, "permission", "invalid_signature", "The signature does not fit this request.")
    guard let text = exchange.path["account"], let org = Identifier(text, kind: .org),
      let executor = try? exchange.engine.executor(for: org)
    else { throw refusal }
    let tokens: [String]
    do {
      tokens = try await executor.providerTokens()
    } catch {
      throw APIError(error)
    }
    let url = exchange.services.settings.publicURL + exchange.request.rawTarget
    guard !tokens.isEmpty,
      TwilioSignature.isValid(
        exchange.request, url: url, keys: TwilioSignature.Keys(authTokens: tokens))
    else { throw refusal }
    return executor
  }

  private static func reply() -> HTTPResponse {
    HTTPResponse(
      status: 200, headers: ["content-type": TwilioInboundMessage.replyContentType],
      body: .bytes(Array(TwilioInboundMessage.emptyReply.utf8)))
  }
}
