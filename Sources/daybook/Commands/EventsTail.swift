import CLI
import Domain
import EventCodec
import EventLog
import Foundation
import JSON
import Spelling

private let name = "events tail"
private let after = Option("--after", value: "POSITION", "begin after this position")
private let last = Option(
  "--last", value: "N", "begin with the last N events of those asked for; 20")
private let orgOption = Option("--org", value: "ORG", "of one org alone")
private let types = Option(
  "--types", value: "TYPE,…", "of these types alone; message.* means all of a kind")
private let follow = Option("--follow", "go on with what comes, until Ctrl-C")

let eventsTailCommand = Command(
  name, "print the newest events of the log, one a line",
  details: """
    Reads the log itself, so that it works without the API. Lines hold no personal data;
    with --json they hold the whole event.
    """,
  options: [after, last, orgOption, types, follow, .json]
) { invocation in
  let filter = EventFilter(
    org: try invocation.value(orgOption.flag).map { try org($0, in: name) },
    types: try invocation.value(types.flag).map(typeNames))
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  var position = try start(invocation, reader, filter)
  let asJSON = invocation.has(Option.json.flag)
  while true {
    let page = try reader.read(after: position, limit: 1000, filter: filter)
    for event in page.events { Output.line(asJSON ? json(event).text : line(event)) }
    if page.scannedTo > position {
      position = page.scannedTo
    } else if invocation.has(follow.flag) {
      _ = try await reader.waitForHead(beyond: position, timeoutMillis: 60_000)
    } else {
      return .success
    }
  }
}

/// The position after which to begin.
private func start(
  _ invocation: Invocation, _ reader: LMDBLogReader, _ filter: EventFilter
) throws -> UInt64 {
  if let text = invocation.value(after.flag) {
    return try wholeNumber(text, after.flag, in: name)
  }
  let count = try wholeNumber(invocation.value(last.flag) ?? "20", last.flag, in: name)
  let head = try reader.head()
  guard filter != .all, count > 0 else { return head > count ? head - count : 0 }
  // What matches may be far apart: the whole log is passed once, most of it undecompressed.
  var position: UInt64 = 0
  var newest: [UInt64] = []
  while position < head {
    let page = try reader.read(after: position, limit: 1000, filter: filter)
    newest = (newest + page.events.map(\.position)).suffix(Int(clamping: count))
    position = page.scannedTo
  }
  return newest.first.map { $0 - 1 } ?? head
}

/// The names that a list with wildcards stands for.
private func typeNames(_ list: String) throws(UsageError) -> Set<String> {
  var names: Set<String> = []
  for word in list.split(separator: ",").map(String.init) {
    let matches = EventCodec.types.map(\.name).filter { type in
      word.hasSuffix(".*") ? type.hasPrefix(word.dropLast()) : type == word
    }
    guard !matches.isEmpty else {
      throw UsageError(
        "There is no event type '\(word)'.",
        suggestion: nearest(to: word, among: EventCodec.types.map(\.name)), command: name)
    }
    names.formUnion(matches)
  }
  return names
}

private func line(_ event: RecordedEvent) -> String {
  let position = String(event.position).leftPadded(to: 8)
  let type = event.type.padding(toLength: 28, withPad: " ", startingAt: 0)
  return "\(position)  \(time(event.recordedAtMicros))  \(type)  \(orgText(event))"
    + "  \(streamText(event)) v\(event.streamVersion)  \(event.context.origin)"
}

private func json(_ event: RecordedEvent) -> JSON {
  let data = event.parts.map { part -> JSON in
    switch part {
    case .opened(_, let payload): (try? JSON(parsing: payload)) ?? .null
    case .erased: "erased"
    }
  }
  return [
    "position": JSON(Int64(event.position)), "org": .string(orgText(event)),
    "org_sequence": JSON(Int64(event.orgSequence)), "stream": .string(streamText(event)),
    "version": JSON(Int64(event.streamVersion)), "type": .string(event.type),
    "schema_version": JSON(Int(event.schemaVersion)),
    "recorded_at": .string(time(event.recordedAtMicros)),
    "occurred_at": .string(time(event.context.occurredAtMicros)),
    "actor": .string(event.context.actor), "origin": .string(event.context.origin),
    "correlation": .string(event.context.correlation),
    "causation": JSON(event.context.causation.map(Int64.init)), "parts": .array(data),
  ]
}

private func orgText(_ event: RecordedEvent) -> String {
  Identifier(.org, event.org.value).text
}

/// With the prefix of its kind, where the type is known.
private func streamText(_ event: RecordedEvent) -> String {
  let kind = EventCodec.types.first { $0.name == event.type }?.streamKind
  return kind.map { Identifier($0, event.stream.value).text } ?? Base32.encode(event.stream.value)
}

private func time(_ micros: Int64) -> String {
  Date(timeIntervalSince1970: Double(micros) / 1_000_000)
    .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
}

extension String {
  func leftPadded(to width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}
