import HTTP
import JSON

/// A message as the API shows it.
struct MessageResource {
  private let message: Message
  private let atMillis: Int64

  init(_ message: Message, atMillis: Int64) {
    self.message = message
    self.atMillis = atMillis
  }

  /// As the answer to its creation shows it: before anything has happened to it.
  init(created message: Message) { self.init(message, atMillis: message.createdAtMillis - 1) }

  var json: JSON {
    let reached = message.reached(atMillis: atMillis)
    let sentAtMillis = message.sentAtMillis(atMillis: atMillis)
    let created = UTCDate(millis: message.createdAtMillis).rfc2822
    let uri = "/2010-04-01/Accounts/\(message.account)/Messages/\(message.sid)"
    return [
      "account_sid": .string(message.account), "api_version": "2010-04-01",
      "body": .string(message.body), "date_created": .string(created),
      "date_sent": JSON(sentAtMillis.map { UTCDate(millis: $0).rfc2822 }),
      "date_updated": .string(sentAtMillis.map { UTCDate(millis: $0).rfc2822 } ?? created),
      "direction": .string(message.direction.rawValue),
      "error_code": reached.errorCode.map { .int(Int64($0)) } ?? .null, "error_message": .null,
      "from": .string(message.from), "messaging_service_sid": .null, "num_media": "0",
      "num_segments": .string(String(SegmentCount.of(message.body))), "price": .null,
      "price_unit": "USD", "sid": .string(message.sid), "status": .string(reached.status.rawValue),
      "subresource_uris": ["media": .string(uri + "/Media.json")], "to": .string(message.to),
      "uri": .string(uri + ".json"),
    ]
  }
}

/// One page of the list of messages: newest first, filtered by number and date.
struct MessagePage {
  static let defaultSize = 50
  static let maxSize = 1000

  private let filters: [QueryItem]
  private let size: Int
  private let number: Int
  private let to: String?
  private let from: String?
  private let dates: [DateFilter]

  /// A number that is none, or out of range, counts as absent, as with Twilio.
  init(_ request: HTTPRequest) {
    let asked = request.queryValue("PageSize").flatMap { Int($0) } ?? Self.defaultSize
    size = max(1, min(asked, Self.maxSize))
    number = max(0, request.queryValue("Page").flatMap { Int($0) } ?? 0)
    to = request.queryValue("To")
    from = request.queryValue("From")
    filters = request.query.filter { $0.name != "Page" && $0.name != "PageSize" }
    dates = request.query.compactMap { DateFilter($0) }
  }

  func matching(_ world: borrowing World, account: String, atMillis: Int64) -> [Message] {
    candidates(world).filter { message in
      message.account == account && (to.map { $0 == message.to } ?? true)
        && (from.map { $0 == message.from } ?? true)
        && dates.allSatisfy { $0.allows(message.sentAtMillis(atMillis: atMillis)) }
    }
  }

  /// Newest first. Reconciling asks for one person's messages, so those are not searched for.
  private func candidates(_ world: borrowing World) -> [Message] {
    guard let to, world.numbers[to] == nil else { return world.messages.reversed() }
    return world.indexes(ofPerson: to).reversed().map { world.messages[$0] }
  }

  func json(_ matching: [Message], path: String, atMillis: Int64) -> JSON {
    let start = min(number * size, matching.count)
    let messages = matching[start..<min(start + size, matching.count)]
    let hasNext = start + size < matching.count
    return [
      "end": JSON(start + max(messages.count - 1, 0)),
      "first_page_uri": .string(uri(path, page: 0)),
      "messages": .array(messages.map { MessageResource($0, atMillis: atMillis).json }),
      "next_page_uri": JSON(hasNext ? uri(path, page: number + 1) : nil), "page": JSON(number),
      "page_size": JSON(size),
      "previous_page_uri": JSON(number > 0 ? uri(path, page: number - 1) : nil),
      "start": JSON(start), "uri": .string(uri(path, page: number)),
    ]
  }

  private func uri(_ path: String, page: Int) -> String {
    let items =
      filters + [
        QueryItem(name: "PageSize", value: String(size)),
        QueryItem(name: "Page", value: String(page)),
      ]
    return "\(path)?\(FormCoding.encode(items))"
  }
}

/// `DateSent=`, `DateSent<=` or `DateSent>=` a day (`2023-08-24`) or a second
/// (`2023-08-24T05:01:45Z`), in UTC. A message that was not sent yet fits none.
private struct DateFilter {
  private enum Comparison {
    case on, before, after
  }

  private let comparison: Comparison
  private let date: String

  init?(_ item: QueryItem) {
    switch item.name {
    case "DateSent": comparison = .on
    case "DateSent<": comparison = .before
    case "DateSent>": comparison = .after
    default: return nil
    }
    date = item.value.hasSuffix("Z") ? String(item.value.dropLast()) : item.value
  }

  func allows(_ sentAtMillis: Int64?) -> Bool {
    guard let sentAtMillis else { return false }
    let sent = UTCDate(millis: sentAtMillis)
    // As text, both to the precision that was asked for: the order of such texts is that of time.
    let text = String("\(sent.isoDay)T\(sent.time)".prefix(date.count))
    switch comparison {
    case .on: return text == date
    case .before: return text <= date
    case .after: return text >= date
    }
  }
}
