import Application
import Domain
import HTTP

/// What Twilio asks and tells about calls: `voice` (what to do, now that somebody answered), `keys` (the
/// person pressed one), `calls` (how a call goes) and `incoming-calls` (somebody calls us).
package struct TwilioWebhooks: ProviderWebhooks {
  package init() {}

  package var name: String { SMSCredentials.provider }

  package func take(_ call: WebhookCall) async throws(WebhookRefusal) -> HTTPResponse {
    let tokens = try await call.providerTokens()
    guard !tokens.isEmpty,
      TwilioSignature.isValid(
        call.request, url: call.url, keys: TwilioSignature.Keys(authTokens: tokens))
    else { throw .unauthorized }
    let form = Dictionary(
      FormCoding.decode(bytes: call.request.body).map { ($0.name, $0.value) }
    ) { first, _ in first }
    switch call.hook {
    case "voice": return try await instruct(call, form)
    case "keys": return try await takeKey(call, form)
    case "calls": return try await takeStatus(call, form)
    case "incoming-calls": return try await takeCall(call, form)
    default: throw .unauthorized
    }
  }

  private func message(of call: WebhookCall) throws(WebhookRefusal) -> Identifier {
    guard let id = call.request.queryValue("message").flatMap({ Identifier($0, kind: .message) })
    else { throw .malformed(code: "invalid_id", detail: "The callback names no message.") }
    return id
  }

  private func answer(_ document: String) -> HTTPResponse {
    HTTPResponse(
      status: 200, headers: ["content-type": TwiML.contentType],
      body: .bytes(Array(document.utf8)))
  }

  // MARK: Our calls

  private func instruct(
    _ call: WebhookCall, _ form: [String: String]
  ) async throws(WebhookRefusal) -> HTTPResponse {
    let id = try message(of: call)
    let keysURL = call.url.replacing("/voice?", with: "/keys?")
    let script: CallScript?
    do {
      script = try await call.executor.read { workspace throws(CommandError) -> CallScript? in
        guard let plan = try workspace.plan(of: id), let content = plan.content.value,
          let voice = plan.voice
        else { return nil }
        return CallScript(
          orgName: workspace.settings.name, number: plan.from,
          isMarketing: plan.purpose == .marketing, content: content, voice: voice,
          keysURL: keysURL)
      }
    } catch {
      throw .refused(error)
    }
    // The person was erased meanwhile: there is nothing left to say.
    guard let script else { return answer(TwiML.document(TwiML.hangUp)) }
    return answer(script.document(answeredBy: form["AnsweredBy"]))
  }

  private func takeKey(
    _ call: WebhookCall, _ form: [String: String]
  ) async throws(WebhookRefusal) -> HTTPResponse {
    guard form["Digits"] == "9" else { return answer(TwiML.document(TwiML.hangUp)) }
    if call.request.queryValue("message") == nil {
      let from = form["From"] ?? ""
      try await call.perform(by: name, key: nil) { workspace throws(CommandError) in
        try workspace.endCalls(to: from)
      }
    } else {
      let id = try message(of: call)
      try await call.perform(by: name, key: nil) { workspace throws(CommandError) in
        try workspace.endCalls(after: id)
      }
    }
    return answer(TwiML.document(TwiML.say("You will get no more calls from us."), TwiML.hangUp))
  }

  private func takeStatus(
    _ call: WebhookCall, _ form: [String: String]
  ) async throws(WebhookRefusal) -> HTTPResponse {
    let id = try message(of: call)
    guard let sid = form["CallSid"], !sid.isEmpty else {
      throw .malformed(code: "twilio_form_incomplete", detail: "CallSid is missing")
    }
    let result = Self.result(form)
    try await call.perform(by: name, key: nil) { workspace throws(CommandError) in
      if let result {
        try workspace.record(result, providerID: sid, for: id)
      } else {
        try workspace.record(
          ProviderStatus(kind: .accepted, providerID: sid, atMicros: workspace.nowMicros), for: id)
      }
    }
    return HTTPResponse(status: 204)
  }

  /// nil while the call goes on.
  static func result(_ form: [String: String]) -> CallResult? {
    // No call of Twilio's is longer than a day; a form may say anything.
    let seconds = min(max(0, form["CallDuration"].flatMap { Int($0) } ?? 0), 86_400)
    let outcome: CallResult.Outcome? =
      switch form["CallStatus"] {
      case "completed":
        form["AnsweredBy"]?.hasPrefix("machine") == true ? .voicemail : .answered
      case "busy": .busy
      case "no-answer": .noAnswer
      case "failed": .failed
      case "canceled": .cancelled
      default: nil
      }
    return outcome.map { CallResult(outcome: $0, durationSeconds: seconds) }
  }

  // MARK: Their calls

  private func takeCall(
    _ call: WebhookCall, _ form: [String: String]
  ) async throws(WebhookRefusal) -> HTTPResponse {
    guard let sid = form["CallSid"], let from = form["From"], let to = form["To"] else {
      throw .malformed(code: "twilio_form_incomplete", detail: "CallSid, From or To is missing")
    }
    try await call.perform(by: name, key: "twilio-call:\(sid)") { workspace throws(CommandError) in
      try workspace.receiveCall(from: from, to: to, providerID: sid)
    }
    let orgName: String
    do {
      orgName = try await call.executor.read { workspace throws(CommandError) in
        workspace.settings.name
      }
    } catch {
      throw .refused(error)
    }
    let keysURL = call.url.replacing("/incoming-calls", with: "/keys")
    return answer(
      TwiML.document(
        TwiML.gather(
          action: keysURL, TwiML.say("This is \(orgName). Nobody can take your call right now."),
          TwiML.say("To get no more calls from us, press 9.")),
        TwiML.hangUp))
  }
}
