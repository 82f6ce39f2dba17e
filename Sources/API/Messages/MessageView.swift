import Application
import Domain
import EventCodec
import JSON
import ProjectionRuntime

/// A message as the API shows it, from the log or from the read model alike.
struct MessageView {
  var id: Identifier
  var org: Identifier
  var direction: String
  var contact: Identifier
  var channel: String
  var purpose: String?
  var from: String?
  var to: String?
  var body: String?
  var segmentCount: Int64
  var encoding: String?
  var status: String
  var reason: String?
  var verdict: JSON?
  var priceMicros: Int64
  var providerID: String?
  var errorCode: String?
  var keyword: String?
  var campaign: Identifier?
  var run: Identifier?
  var heldUntilMicros: Micros?
  var sentAtMicros: Micros?
  var deliveredAtMicros: Micros?
  var subject: String?
  var html: String?
  var media: JSON?
  var callOutcome: String?
  var callSeconds: Int64?
  var openedAtMicros: Micros?
  var machineOpenedAtMicros: Micros?
  var clickedAtMicros: Micros?
  var complainedAtMicros: Micros?
  var version: UInt64
  var createdAtMicros: Micros
  var updatedAtMicros: Micros

  var json: JSON {
    .object(
      JSONObject([
        ("id", .string(id.text)), ("object", "message"), ("direction", .string(direction)),
        ("contact", .string(contact.text)), ("channel", .string(channel)),
        ("purpose", JSON(purpose)), ("from", JSON(from)), ("to", JSON(to)), ("body", JSON(body)),
        ("segments", .int(segmentCount)), ("encoding", JSON(encoding)),
        ("status", .string(status)), ("reason", JSON(reason)), ("verdict", verdict ?? .null),
        ("price", Money.json(priceMicros)), ("provider_id", JSON(providerID)),
        ("error_code", JSON(errorCode)), ("keyword", JSON(keyword)),
        ("campaign", JSON(campaign?.text)), ("run", JSON(run?.text)),
        ("held_until", JSON(heldUntilMicros.map(Timestamp.text))),
        ("sent_at", JSON(sentAtMicros.map(Timestamp.text))),
        ("delivered_at", JSON(deliveredAtMicros.map(Timestamp.text))),
        ("subject", JSON(subject)), ("html", JSON(html)), ("media", media ?? []),
        ("call_outcome", JSON(callOutcome)), ("call_seconds", JSON(callSeconds)),
        ("opened_at", JSON(openedAtMicros.map(Timestamp.text))),
        ("machine_opened_at", JSON(machineOpenedAtMicros.map(Timestamp.text))),
        ("clicked_at", JSON(clickedAtMicros.map(Timestamp.text))),
        ("complained_at", JSON(complainedAtMicros.map(Timestamp.text))),
        ("version", .int(Int64(version))), ("account", .string(org.text)),
        ("created_at", .string(Timestamp.text(createdAtMicros))),
        ("updated_at", .string(Timestamp.text(updatedAtMicros))),
      ]))
  }
}

/// Money in answers: whole millionths of a US dollar.
enum Money {
  static func json(_ micros: Int64) -> JSON { ["amount": .int(micros), "unit": "usd_micro"] }
}

extension MessageView {
  /// From the message's own stream; nil where it has none.
  init?(_ id: Identifier, _ org: Identifier, _ snapshot: Snapshot<Message.State>) {
    let state = snapshot.state
    guard let status = state.status, let contact = state.plan?.contact ?? state.inbound?.contact
    else { return nil }
    let plan = state.plan
    let content = (plan?.content ?? state.inbound?.content)?.value
    self.init(
      id: id, org: org, direction: plan == nil ? "inbound" : "outbound", contact: contact,
      channel: (plan?.channel ?? state.inbound?.channel ?? .sms).rawValue,
      purpose: plan?.purpose.rawValue, from: plan?.from ?? content?.address,
      to: plan == nil ? state.inbound?.to : content?.address, body: content?.body,
      segmentCount: Int64(plan?.segmentCount ?? 1), encoding: plan?.encoding,
      status: status.rawValue, reason: state.reason?.rawValue, verdict: state.verdict?.json,
      priceMicros: state.priceMicros, providerID: state.providerID, errorCode: state.errorCode,
      keyword: state.inbound?.keyword?.rawValue, campaign: plan?.campaign, run: plan?.run,
      heldUntilMicros: status == .held || status == .planned ? state.notBeforeMicros : nil,
      sentAtMicros: state.sentAtMicros, deliveredAtMicros: state.deliveredAtMicros,
      subject: content?.subject, html: content?.html,
      media: content.map { .array($0.media.map(JSON.string)) },
      callOutcome: state.call?.outcome.rawValue,
      callSeconds: state.call.map { Int64($0.durationSeconds) },
      openedAtMicros: state.openedAtMicros, machineOpenedAtMicros: state.machineOpenedAtMicros,
      clickedAtMicros: state.clickedAtMicros, complainedAtMicros: state.complainedAtMicros,
      version: snapshot.version, createdAtMicros: snapshot.createdAtMicros,
      updatedAtMicros: snapshot.updatedAtMicros)
  }
}

extension Exchange {
  func messageView(_ id: Identifier, version: UInt64 = .max) throws(APIError) -> MessageView {
    let snapshot: Snapshot<Message.State>
    do {
      snapshot = try engine.message(id, of: org, version: version)
    } catch {
      throw APIError(error)
    }
    guard let view = MessageView(id, org, snapshot) else { throw .notFound("message") }
    return view
  }
}
