import Crypto
import Foundation
import HTTP
import JSON

/// Twilio's Messages API, as far as an application that sends and reconciles text messages uses it.
/// Source: Twilio's OpenAPI description of the 2010 API. Parameters that it does not know are ignored,
/// as Twilio ignores them.
struct TwilioAPI: Sendable {
  let store: Store
  let delivery: Delivery
  let calls: CallAPI

  /// Answers `/2010-04-01/Accounts/{sid}/Messages.json` and `…/Messages/{Sid}.json`.
  func answer(_ request: HTTPRequest) async -> HTTPResponse {
    let path = request.pathSegments
    if path.count == 4, path[1] == "Accounts", path[3] == "Calls.json" {
      guard isAuthorized(request, account: path[2]) else { return unauthorized }
      switch request.method {
      case "POST": return await calls.create(request, account: path[2])
      case "GET": return calls.list(request, account: path[2])
      default: return TwilioError.notAllowed(request.path).response
      }
    }
    let isKnown = path.count >= 4 && path[1] == "Accounts" && path[3].hasPrefix("Messages")
    guard isKnown, path.last?.hasSuffix(".json") == true, path.count <= 5 else {
      return TwilioError.notFound(request.path).response
    }
    guard isAuthorized(request, account: path[2]) else { return unauthorized }
    switch (request.method, path.count) {
    case ("POST", 4): return await create(request, account: path[2])
    case ("GET", 4): return list(request, account: path[2])
    case ("GET", 5): return fetch(sid: String(path[4].dropLast(5)), request, account: path[2])
    default: return TwilioError.notAllowed(request.path).response
    }
  }

  private var unauthorized: HTTPResponse {
    var response = TwilioError.unauthorized.response
    response.headers["WWW-Authenticate"] = #"Basic realm="Twilio API""#
    return response
  }

  private func isAuthorized(_ request: HTTPRequest, account sid: String) -> Bool {
    guard let given = request.headers["Authorization"],
      let token = store.read({ $0.accounts[sid]?.authToken })
    else { return false }
    let expected = "Basic " + Base64.encode(Array("\(sid):\(token)".utf8))
    return constantTimeEqual(Array(given.utf8), Array(expected.utf8))
  }
}

// MARK: - Create

extension TwilioAPI {
  /// What to answer a creation with, and how.
  private enum Verdict: Sendable {
    case refused(TwilioError)
    case taken(Message, FaultNumber.Answer)
  }

  private func create(_ request: HTTPRequest, account: String) async -> HTTPResponse {
    let isForm = request.mediaType == FormCoding.contentType
    let form = isForm ? FormCoding.decode(bytes: request.body) : []
    let creation = Creation(form, account: account, nowMillis: store.nowMillis())
    let dial = store.read { $0.dial }
    let response: HTTPResponse
    do throws(SandboxError) {
      response = await answer(try store.record { decide(creation, &$0) })
    } catch {
      // Not recorded, so not taken: the sandbox's own disk is full or broken.
      response = TwilioError.unavailable.response
    }
    if dial.latencyMillis > 0 { await pause(dial.latencyMillis) }
    return response
  }

  private func decide(
    _ creation: Creation, _ world: inout World
  ) -> (records: [Record], value: Verdict) {
    // All chances are drawn for every creation, whatever comes of it: one outcome does not shift
    // the next.
    let fails = world.chance(world.dial.errorRate)
    let losesAnswer = world.chance(world.dial.lostAnswerRate)
    let isDuplicated = world.chance(world.dial.duplicateRate)
    let isReordered = world.chance(world.dial.reorderRate)
    if fails { return ([], .refused(.dialled(status: world.dial.errorStatus))) }
    do throws(TwilioError) {
      var fate = try creation.check(world)
      let key = MessageKey(from: creation.from, to: creation.to, body: creation.body)
      switch fate.answer {
      case .refused(let error): return ([], .refused(error))
      case .turnedAwayOnce(let error) where !world.wasTurnedAway(key):
        return ([.turnedAway(key)], .refused(error))
      case .taken, .turnedAwayOnce, .takenButAnswered, .takenButCut, .takenSlowly: break
      }
      fate.isDuplicated = fate.isDuplicated || isDuplicated
      fate.isReordered = fate.isReordered || isReordered
      let message = creation.message(fate, delayMillis: world.dial.callbackDelayMillis)
      let answer = losesAnswer ? .takenButCut : fate.answer
      return ([.messageTaken(message, answers: nil)], .taken(message, answer))
    } catch {
      return ([], .refused(error))
    }
  }

  private func answer(_ verdict: Verdict) async -> HTTPResponse {
    switch verdict {
    case .refused(let error): return error.response
    case .taken(let message, let answer):
      await delivery.add(message)
      switch answer {
      case .takenButAnswered(let error): return error.response
      case .takenButCut: return Self.cutConnection
      case .takenSlowly(let millis): await pause(millis)
      case .taken, .turnedAwayOnce, .refused: break
      }
      return .json(201, MessageResource(created: message).json.bytes())
    }
  }

  private static var cutConnection: HTTPResponse {
    var response = HTTPResponse(status: 500)
    response.dropsConnection = true
    return response
  }

  /// Cut short when the client goes away: then nobody waits for the answer.
  private func pause(_ millis: Int64) async {
    do {
      try await Task.sleep(for: .milliseconds(millis))
    } catch {
      return
    }
  }
}

extension TwilioError {
  /// What the fault dial answers instead of taking a message.
  static func dialled(status: Int) -> TwilioError {
    switch status {
    case 429: .tooManyRequests
    case 500: .internalError
    case 503: .unavailable
    default: TwilioError(status: status, code: 20000 + status, message: "Dialled fault")
    }
  }
}

/// The parameters of a message to be sent.
struct Creation: Sendable {
  static let maxBodyCharacters = 1600

  let account: String
  let to: String
  let from: String
  let body: String
  let statusCallback: String?
  let hasContent: Bool
  let nowMillis: Int64

  init(_ form: [QueryItem], account: String, nowMillis: Int64) {
    func value(_ name: String) -> String { form.first { $0.name == name }?.value ?? "" }
    self.account = account
    self.nowMillis = nowMillis
    to = value("To")
    from = value("From")
    body = value("Body")
    let callback = value("StatusCallback")
    statusCallback = callback.isEmpty ? nil : callback
    hasContent = !body.isEmpty || !value("MediaUrl").isEmpty
  }

  /// What will happen to it, or why it is refused: the first of Twilio's checks that fails.
  func check(_ world: borrowing World) throws(TwilioError) -> FaultNumber.Fate {
    if to.isEmpty { throw .toMissing }
    if from.isEmpty { throw .fromMissing }
    if !hasContent { throw .bodyMissing }
    if body.count > Self.maxBodyCharacters { throw .bodyTooLong }
    if !Self.isE164(to) { throw .invalidTo(to) }
    let isOurs = world.numbers[from]?.account == account || from == FaultNumber.validSender
    if !isOurs { throw .notYours(from) }
    if let statusCallback, !Self.isWebURL(statusCallback) {
      throw .invalidStatusCallback(statusCallback)
    }
    if world.hasOptedOut(to, of: from) { throw .unsubscribed }
    return FaultNumber.fate(of: to, from: from)
  }

  func message(_ fate: FaultNumber.Fate, delayMillis: Int64) -> Message {
    Message(
      sid: makeSID("SM"), account: account, direction: .outbound, from: from, to: to, body: body,
      createdAtMillis: nowMillis, url: statusCallback,
      plan: CallbackPlan(
        behaviour: fate.behaviour, delayMillis: delayMillis, isDuplicated: fate.isDuplicated,
        isReordered: fate.isReordered))
  }

  /// A plus and 7 to 15 digits, the first of them not 0. Source: ITU-T E.164.
  static func isE164(_ number: String) -> Bool {
    let digits = number.utf8.dropFirst()
    return number.utf8.first == UInt8(ascii: "+") && (7...15).contains(digits.count)
      && digits.first != UInt8(ascii: "0") && digits.allSatisfy { (0x30...0x39).contains($0) }
  }

  static func isWebURL(_ text: String) -> Bool {
    guard let url = URL(string: text), let scheme = url.scheme, url.host() != nil else {
      return false
    }
    return scheme == "http" || scheme == "https"
  }
}

// MARK: - Fetch and list

extension TwilioAPI {
  private func fetch(sid: String, _ request: HTTPRequest, account: String) -> HTTPResponse {
    let message = store.read { world -> Message? in
      guard let index = world.index(of: sid), world.messages[index].account == account else {
        return nil
      }
      return world.messages[index]
    }
    guard let message else { return TwilioError.notFound(request.path).response }
    return .json(200, MessageResource(message, atMillis: store.nowMillis()).json.bytes())
  }

  private func list(_ request: HTTPRequest, account: String) -> HTTPResponse {
    let now = store.nowMillis()
    let page = MessagePage(request)
    let matching = store.read { page.matching($0, account: account, atMillis: now) }
    return .json(200, page.json(matching, path: request.rawPath, atMillis: now).bytes())
  }
}
