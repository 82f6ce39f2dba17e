import Crypto
import HTTP
import JSON

/// Twilio's Calls API, and the people who answer. Source: Twilio's OpenAPI description of the 2010 API.
///
/// Numbers with a fixed fate: `+1500555` and 0031 (a machine answers), 0032 (busy), 0033 (no answer), 0034
/// (failed), 0035 (a person who presses 9), 0036 (a person who listens for 61 s). Everybody else answers
/// and listens for 20 s.
struct CallAPI: Sendable {
  let store: Store
  let outbox: Outbox

  private struct Fate {
    var status = "completed"
    var answeredBy = "human"
    var seconds = 20
    var key: String?

    init(_ number: String) {
      guard number.hasPrefix(FaultNumber.prefix) else { return }
      switch number.dropFirst(FaultNumber.prefix.count) {
      case "0031": answeredBy = "machine_end_beep"
      case "0032": status = "busy"
      case "0033": status = "no-answer"
      case "0034": status = "failed"
      case "0035": key = "9"
      case "0036": seconds = 61
      default: break
      }
    }
  }

  func create(_ request: HTTPRequest, account: String) async -> HTTPResponse {
    let form = FormCoding.decode(bytes: request.body)
    func value(_ name: String) -> String { form.first { $0.name == name }?.value ?? "" }
    guard Creation.isE164(value("To")) else { return TwilioError.invalidTo(value("To")).response }
    guard Creation.isWebURL(value("Url")) else {
      return TwilioError(status: 400, code: 21205, message: "Url parameter is required").response
    }
    let made: (status: Int, body: JSON, isLost: Bool)
    do throws(SandboxError) {
      made = try store.record { world in
        guard world.numbers[value("From")]?.account == account else {
          return (
            [], (400, TwilioError.notYours(value("From")).body, false)
          )
        }
        let fails = world.chance(world.dial.errorRate)
        let isLost = world.chance(world.dial.lostAnswerRate)
        let isDuplicated = world.chance(world.dial.duplicateRate)
        let isReordered = world.chance(world.dial.reorderRate)
        if fails {
          return (
            [],
            (
              world.dial.errorStatus, TwilioError.dialled(status: world.dial.errorStatus).body,
              false
            )
          )
        }
        let call = Self.call(
          account, from: value("From"), to: value("To"), url: value("Url"),
          callback: value("StatusCallback"), atMillis: world.nowMillis)
        let id = call["sid"]?.string ?? ""
        let callbacks = Self.callbacks(
          call, token: world.accounts[account]?.authToken ?? "",
          delayMillis: world.dial.callbackDelayMillis, isDuplicated: isDuplicated,
          isReordered: isReordered)
        return (
          [.documentSet(.call, id: id, call)] + callbacks.map { .callbackPlanned($0) },
          (201, call, isLost)
        )
      }
    } catch {
      return TwilioError.unavailable.response
    }
    await outbox.wake()
    var response = HTTPResponse.json(made.status, made.body.bytes())
    response.dropsConnection = made.isLost
    return response
  }

  func list(_ request: HTTPRequest, account: String) -> HTTPResponse {
    let to = request.queryValue("To")
    let from = request.queryValue("From")
    let calls = store.read { world in
      world.all(.call).filter {
        $0["account_sid"]?.string == account && (to == nil || $0["to"]?.string == to)
          && (from == nil || $0["from"]?.string == from)
      }.map { Self.listed($0, world.dial.callbackDelayMillis, nowMillis: world.nowMillis) }
    }
    return .json(200, JSON.object(JSONObject([("calls", .array(calls))])).bytes())
  }

  /// As the list shows it: a call is over when its last callback is due, whether that arrives or not.
  private static func listed(_ call: JSON, _ delayMillis: Int64, nowMillis: Int64) -> JSON {
    let fate = Fate(call["to"]?.string ?? "")
    guard var object = call.object,
      nowMillis > (call["created"]?.int ?? 0) + delayMillis * 4
    else { return call }
    object["status"] = .string(fate.status)
    let isAnswered = fate.status == "completed"
    object["duration"] = .string(isAnswered ? String(fate.seconds) : "0")
    if isAnswered { object["answered_by"] = .string(fate.answeredBy) }
    return .object(object)
  }

  private static func call(
    _ account: String, from: String, to: String, url: String, callback: String, atMillis: Int64
  ) -> JSON {
    [
      "sid": .string(makeSID("CA")), "account_sid": .string(account), "from": .string(from),
      "to": .string(to), "status": "queued", "direction": "outbound-api",
      "date_created": .string(UTCDate(millis: atMillis).rfc2822), "url": .string(url),
      "status_callback": .string(callback), "created": .int(atMillis), "twiml": .null,
    ]
  }

  private static func callbacks(
    _ call: JSON, token: String, delayMillis: Int64, isDuplicated: Bool, isReordered: Bool
  ) -> [Callback] {
    let fate = Fate(call["to"]?.string ?? "")
    let created = call["created"]?.int ?? 0
    let url = call["status_callback"]?.string ?? ""
    var news: [(name: String, fields: [(String, String)])] = [
      ("initiated", [("CallStatus", "initiated")])
    ]
    let isAnswered = fate.status == "completed"
    news.append(
      (
        fate.status,
        [("CallStatus", fate.status)]
          + (isAnswered
            ? [("CallDuration", String(fate.seconds)), ("AnsweredBy", fate.answeredBy)] : [])
      ))
    if isReordered { news.reverse() }
    var callbacks = news.enumerated().flatMap { index, entry in
      (0..<(isDuplicated ? 2 : 1)).map { copy in
        callback(
          call, "\(entry.name)#\(copy)", url, entry.fields, token,
          created + delayMillis * Int64(index * 3 + 1))
      }
    }
    if isAnswered {
      callbacks.append(
        callback(
          call, "voice", call["url"]?.string ?? "",
          [("CallStatus", "in-progress"), ("AnsweredBy", fate.answeredBy)], token,
          created + delayMillis * 2))
    }
    return callbacks.filter { !$0.url.isEmpty }
  }

  private static func callback(
    _ call: JSON, _ name: String, _ url: String, _ fields: [(String, String)], _ token: String,
    _ dueMillis: Int64
  ) -> Callback {
    let sid = call["sid"]?.string ?? ""
    let form =
      [
        ("AccountSid", call["account_sid"]?.string ?? ""), ("ApiVersion", "2010-04-01"),
        ("CallSid", sid), ("Direction", "outbound-api"), ("From", call["from"]?.string ?? ""),
        ("To", call["to"]?.string ?? ""),
      ] + fields
    return Callback(
      id: "\(sid)/\(name)", dueMillis: dueMillis, url: url, contentType: FormCoding.contentType,
      body: FormCoding.encode(form.map { QueryItem(name: $0.0, value: $0.1) }),
      signer: .twilio(authToken: token))
  }

  /// What follows from the instructions that the application gave: they are kept, and a person who
  /// presses keys does.
  static func records(
    answered callback: Callback, with body: String, _ world: borrowing World
  ) -> [Record] {
    let parts = callback.id.split(separator: "/")
    guard parts.count == 2, parts[1] == "voice",
      let call = world.document(.call, String(parts[0])), var object = call.object
    else { return [] }
    object["twiml"] = .string(body)
    var records: [Record] = [.documentSet(.call, id: String(parts[0]), .object(object))]
    guard let key = Fate(call["to"]?.string ?? "").key,
      let action = body.firstMatch(of: /action="([^"]+)"/)?.1,
      let token = world.accounts[call["account_sid"]?.string ?? ""]?.authToken
    else { return records }
    records.append(
      .callbackPlanned(
        Self.callback(
          call, "keys", String(action).replacing("&amp;", with: "&"), [("Digits", key)], token,
          world.nowMillis)))
    return records
  }
}
