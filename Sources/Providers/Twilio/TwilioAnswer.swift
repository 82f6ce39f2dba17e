import Application
import Domain
import HTTP
import JSON

/// What Twilio's HTTP answers mean.
///
/// | answer to a create | meaning |
/// | --- | --- |
/// | 2xx with a sid | taken |
/// | 2xx without one | in doubt |
/// | 429 (20429), 21611 | not taken: too fast. Twilio documents both as not processed |
/// | 401, 403, 404, 407, 3xx | not taken: settings or account are wrong; people mend that, so it waits |
/// | 408, 425 | not taken: the request did not arrive whole, or too early |
/// | other 4xx | refused |
/// | 5xx, anything else | in doubt: it may have been taken before the failure |
enum TwilioAnswer {
  /// People have to mend the settings first: no use in asking again at once.
  static let misconfiguredRetryMillis: Int64 = 60_000
  /// Twilio's queue of one number holds up to ten hours; it drains by a message a second.
  static let queueFullRetryMillis: Int64 = 60_000
  /// A longer `Retry-After` is cut to an hour: we would rather ask once too often.
  static let maxRetryAfterMillis: Int64 = 3_600_000

  /// What became of a message by the answer to its creation.
  static func outcome(status: Int, headers: HTTPHeaders, body: [UInt8]) -> SendOutcome {
    let answer = try? JSON(parsing: body)
    let code = errorCode(answer, status: status)
    switch status {
    case 200..<300:
      guard let sid = answer?["sid"]?.string, !sid.isEmpty else {
        return .inDoubt(reason: "HTTP \(status) without a sid")
      }
      return .accepted(providerID: sid)
    case 408, 425, 429:
      return .notTaken(code: code, retryAfterMillis: retryAfterMillis(headers))
    case 300..<400, 401, 403, 404, 407:
      return .notTaken(code: code, retryAfterMillis: misconfiguredRetryMillis)
    case 400..<500 where code == "21611":
      return .notTaken(code: code, retryAfterMillis: queueFullRetryMillis)
    case 400..<500:
      return .refused(code: code)
    default:
      return .inDoubt(reason: "HTTP \(status), code \(code)")
    }
  }

  /// Why a list or a look-up with this answer failed.
  static func error(status: Int, headers: HTTPHeaders, body: [UInt8]) -> ProviderError {
    switch status {
    case 429: .throttled(retryAfterMillis: retryAfterMillis(headers))
    case 401: .unauthorized
    default: .failed(status: status, code: errorCode(try? JSON(parsing: body), status: status))
    }
  }

  /// The code in Twilio's error object, or `http_<status>` where the answer has none.
  private static func errorCode(_ answer: JSON?, status: Int) -> String {
    answer?["code"]?.int.map { String($0) } ?? "http_\(status)"
  }

  private static func retryAfterMillis(_ headers: HTTPHeaders) -> Int64? {
    guard let seconds = headers["Retry-After"].flatMap({ Int64($0) }), seconds >= 0 else {
      return nil
    }
    return seconds > maxRetryAfterMillis / 1000 ? maxRetryAfterMillis : seconds * 1000
  }
}

/// One page of the list of messages.
struct TwilioMessagePage {
  let messages: [ProviderMessage]
  /// Path and query of the next page.
  let nextPageURI: String?

  /// - Throws: `.malformed` with the name of the field that is missing.
  init(parsing body: [UInt8]) throws(ProviderError) {
    let (items, nextPageURI) = try Self.items(of: body)
    var messages: [ProviderMessage] = []
    for item in items { messages.append(try Self.message(item)) }
    self.messages = messages
    self.nextPageURI = nextPageURI
  }

  fileprivate static func items(
    of body: [UInt8]
  ) throws(ProviderError) -> (items: [JSON], nextPageURI: String?) {
    guard let page = try? JSON(parsing: body) else { throw .malformed(detail: "no JSON") }
    guard let items = page["messages"]?.array else { throw .malformed(detail: "no messages") }
    return (items, page["next_page_uri"]?.string)
  }

  fileprivate static func createdAtMicros(_ item: JSON) -> Micros? {
    item["date_created"]?.string.flatMap(RFC2822Date.micros(parsing:))
  }

  private static func message(_ item: JSON) throws(ProviderError) -> ProviderMessage {
    guard let sid = item["sid"]?.string else { throw .malformed(detail: "a message without sid") }
    guard let created = createdAtMicros(item) else {
      throw .malformed(detail: "a message without date_created")
    }
    return ProviderMessage(
      providerID: sid, from: item["from"]?.string ?? "", to: item["to"]?.string ?? "",
      body: item["body"]?.string ?? "",
      status: item["status"]?.string.flatMap { TwilioMessageStatus($0).kind },
      errorCode: item["error_code"]?.int.map { String($0) }, createdAtMicros: created)
  }
}

/// One page of what people sent to a number. What is missing in one of them keeps none of the others back: each may be a
/// STOP.
struct TwilioInboxPage {
  private(set) var texts: ListedTexts

  /// - Throws: `.malformed` where there is no list.
  init(parsing body: [UInt8]) throws(ProviderError) {
    let (items, nextPageURI) = try TwilioMessagePage.items(of: body)
    texts = ListedTexts(texts: [], nextPage: nextPageURI)
    // The list is in order: who has no date came when its neighbour did.
    var atMicros = items.lazy.compactMap(TwilioMessagePage.createdAtMicros).first
    for item in items where item["direction"]?.string == "inbound" {
      atMicros = TwilioMessagePage.createdAtMicros(item) ?? atMicros
      if let atMicros, let text = Self.text(item, atMicros) {
        texts.texts.append(text)
      } else {
        texts.unreadableCount += 1
      }
    }
  }

  /// nil where nobody could tell it from another, or answer it. Twilio writes its counts as texts.
  private static func text(_ item: JSON, _ atMicros: Micros) -> ListedText? {
    func count(_ name: String) -> Int? { item[name]?.string.flatMap { Int($0) } }
    guard let sid = item["sid"]?.string, let from = item["from"]?.string,
      let to = item["to"]?.string
    else { return nil }
    return ListedText(
      text: InboundText(
        from: TwilioInboundMessage.number(from), to: TwilioInboundMessage.number(to),
        body: item["body"]?.string ?? "", providerID: sid,
        segmentCount: count("num_segments") ?? 1),
      hasMedia: count("num_media") ?? 0 > 0, atMicros: atMicros)
  }
}
