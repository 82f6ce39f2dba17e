/// One event of a `text/event-stream`. Source: WHATWG HTML, section 9.2.
package struct ServerSentEvent: Sendable, Equatable {
  /// Comes back as `Last-Event-ID` when the client reconnects.
  package var id: String?
  /// Nil is `message`.
  package var name: String?
  package var data: String

  package init(id: String? = nil, name: String? = nil, data: String) {
    self.id = id
    self.name = name
    self.data = data
  }

  /// The event as it is sent. Line breaks in `data` become several data lines; in `id` and `name`
  /// there must be none.
  package var bytes: [UInt8] {
    var text = ""
    if let id { text += "id: \(id)\n" }
    if let name { text += "event: \(name)\n" }
    let isBreak = { (character: Character) in ["\r", "\n", "\r\n"].contains(character) }
    for line in data.split(omittingEmptySubsequences: false, whereSeparator: isBreak) {
      text += "data: \(line)\n"
    }
    return Array((text + "\n").utf8)
  }

  /// A line that clients ignore: keeps proxies from closing a quiet stream.
  package static let heartbeat = Array(": \n\n".utf8)
}

/// Cuts the bytes of a stream into events, wherever they were cut on the way.
package struct ServerSentEventParser: Sendable {
  private var line: [UInt8] = []
  private var id: String?
  private var name: String?
  private var data: [String] = []
  private var followsCarriageReturn = false

  package init() {}

  /// The events that are complete with `bytes`.
  package mutating func append(_ bytes: [UInt8]) -> [ServerSentEvent] {
    var events: [ServerSentEvent] = []
    for byte in bytes {
      // CR, LF and CRLF all end a line.
      if byte == 0x0a, followsCarriageReturn {
        followsCarriageReturn = false
        continue
      }
      followsCarriageReturn = byte == 0x0d
      if byte == 0x0a || byte == 0x0d {
        if let event = endLine() { events.append(event) }
      } else {
        line.append(byte)
      }
    }
    return events
  }

  private mutating func endLine() -> ServerSentEvent? {
    let text = String(decoding: line, as: UTF8.self)
    line = []
    guard !text.isEmpty else { return dispatch() }
    let field = text.prefix { $0 != ":" }
    var value = text.dropFirst(field.count + 1)
    if value.first == " " { value.removeFirst() }
    switch field {
    case "data": data.append(String(value))
    case "event": name = String(value)
    case "id": id = String(value)
    default: break  // Comments (an empty field name) and what we do not know.
    }
    return nil
  }

  private mutating func dispatch() -> ServerSentEvent? {
    defer {
      name = nil
      data = []
    }
    guard !data.isEmpty else { return nil }
    return ServerSentEvent(id: id, name: name, data: data.joined(separator: "\n"))
  }
}
