import Application
import Crypto
import Domain
import EventCodec
import EventLog
import HTTP
import JSON

/// What inbound hooks are told. Nothing is read before it is known who calls, nothing is answered
/// before what follows is on disk.
enum HookReceiving {
  private static let bodyLimitBytes = 1 << 20
  private static let refusals = [
    400: [
      "invalid_json", "invalid_multipart", "required", "invalid_phone", "invalid_email",
      "invalid_type", "invalid_value",
      "too_long", "opt_in_by_person_only",
    ], 403: ["account_archived"], 404: ["not_found"],
    409: ["hook_disabled", "duplicate_contact", "idempotency_mismatch", "idempotency_in_progress"],
    413: ["too_large"], 415: ["unsupported_media_type"],
  ]

  static let all = [
    Operation(
      "POST", "/webhooks/in/{account}/{hook}", .signed, "Tell an inbound hook something, signed",
      body: content, answers: [.ok(HookSchemas.delivery)], refuses: refusals,
      idempotency: .ignored, handler: receive),
    Operation(
      "POST", "/webhooks/in/{account}/{hook}/{secret}", .signed,
      "Tell an inbound hook something, with its secret in the address", body: content,
      answers: [.ok(HookSchemas.delivery)], refuses: refusals, idempotency: .ignored,
      handler: receive),
  ]

  private static let content = RequestBody.of([
    ("application/json", .anything),
    ("application/x-www-form-urlencoded", .map(.string(0...Int.max))),
    ("multipart/form-data", .map(.string(0...Int.max))),
  ])

  private static func receive(_ exchange: Exchange) async throws(APIError) -> HTTPResponse {
    // Before anything is computed over it.
    guard exchange.request.body.count <= bodyLimitBytes else {
      throw APIError(413, "too_large", "too_large", "A hook takes at most 1 MiB.")
    }
    let (executor, id, settings, delivery) = try await genuine(exchange)
    let payload = try payload(exchange)
    let command: HookCommand
    do throws(HookRefusal) {
      command = try HookCommand(id, settings, payload)
    } catch {
      throw .invalid(error.problems.map(APIError.Detail.init))
    }
    let named = settings.deliveryID.flatMap { payload.value(at: $0) }.map {
      "named:" + ($0.string ?? $0.text)
    }
    let call = call(id, exchange, key: named ?? delivery.key(for: command))
    let done: Done<Identifier?>
    do {
      done = try await executor.perform(call) { workspace throws(CommandError) in
        let contact = try command.carryOut(in: &workspace)
        // Told again later, it must not do then what it did not do now.
        if call.idempotencyKey != nil, !workspace.hasChanges {
          try workspace.recordNoEffect(on: contact ?? executor.org)
        }
        return contact
      }
    } catch {
      throw APIError(error)
    }
    let first = try exchange.versions(after: done.receipt, of: executor.org).first?.stream
    let touched = first == executor.org.value ? nil : first.map { Identifier(.contact, $0) }
    let contact = (done.output ?? nil) ?? touched
    var response = exchange.respond(
      200,
      [
        "object": "inbound_delivery", "hook": .string(id.text),
        "status": done.isReplay ? "duplicate" : "accepted", "contact": JSON(contact?.text),
        "events": .array((done.receipt?.eventIDs ?? []).map { .string($0.text) }),
      ])
    let lastPosition = await executor.lastPosition
    response.headers.set("log-position", String(done.receipt?.lastPosition ?? lastPosition))
    return response
  }

  static func call(_ id: Identifier, _ exchange: Exchange, key: String?) -> Call {
    Call(
      actor: "hook:\(id)", origin: "webhook", correlation: exchange.requestID,
      idempotencyKey: key.map { key in
        // Whatever it is, it is short in the log.
        IdempotencyName("\(id)|" + Hex.encode(SHA256.hash(Array(key.utf8))))
      })
  }

  /// The hook, where the request comes from whoever knows its secret.
  private static func genuine(
    _ exchange: Exchange
  ) async throws(APIError) -> (OrgExecutor, Identifier, HookSettings, HookSignature.Genuine) {
    let refusal = APIError(
      403, "permission", "invalid_signature", "The signature does not fit this request.")
    guard let account = exchange.path["account"], let org = Identifier(account, kind: .org),
      let text = exchange.path["hook"], let id = Identifier(text, kind: .inboundHook),
      let executor = try? exchange.engine.executor(for: org)
    else { throw refusal }
    let hook: InboundHook.State
    do throws(CommandError) {
      hook = try await executor.read { workspace throws(CommandError) in
        try workspace.inboundHook(id)
      }
    } catch {
      // What cannot be told now is no refusal: senders take that as the last word, and a person's no is lost.
      throw APIError(error)
    }
    guard let settings = hook.settings, let secret = hook.secret, !hook.isDeleted else {
      throw refusal
    }
    let delivery = HookSignature.check(
      exchange.request, settings, secret: secret, pathSecret: exchange.path["secret"],
      nowSeconds: exchange.engine.tools.clock.nowMicros() / 1_000_000)
    guard let delivery else { throw refusal }
    // A no is taken whoever brings it.
    if settings.action != .optOut, exchange.engine.directory.status(of: org) == .archived {
      throw APIError(
        403, "permission", "account_archived", "This account is archived: it takes nothing in.")
    }
    guard hook.isEnabled else {
      throw APIError(409, "conflict", "hook_disabled", "This hook is disabled.")
    }
    return (executor, id, settings, delivery)
  }

  private static func payload(_ exchange: Exchange) throws(APIError) -> HookPayload {
    let request = exchange.request
    switch request.mediaType {
    case "application/x-www-form-urlencoded":
      return HookPayload(
        form: FormCoding.decode(bytes: request.body).map { ($0.name, $0.value) })
    case "multipart/form-data": return try multipart(request)
    case nil, "application/json", "text/json": return try json(request)
    case .some(let type) where type.hasSuffix("+json"): return try json(request)
    case .some:
      throw APIError(
        415, "invalid_request", "unsupported_media_type", "Send JSON or a form.")
    }
  }

  private static func json(_ request: HTTPRequest) throws(APIError) -> HookPayload {
    try request.requireUTF8()
    do {
      return HookPayload(try JSON(parsing: request.body))
    } catch {
      throw .invalid("body", "invalid_json", "The body is not valid JSON: \(error).")
    }
  }

  private static func multipart(_ request: HTTPRequest) throws(APIError) -> HookPayload {
    do {
      return HookPayload(
        form: try Multipart.parts(of: request).filter { $0.filename == nil }.map {
          ($0.name, String(decoding: $0.body, as: UTF8.self))
        })
    } catch {
      throw .invalid("body", "invalid_multipart", "The multipart body cannot be read: \(error).")
    }
  }
}
