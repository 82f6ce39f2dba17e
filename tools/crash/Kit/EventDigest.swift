import Crypto
import EventLog

/// SHA-256 over everything that a reader is told about events, one after the other: two logs that serve
/// the same have the same digest, whatever their bytes are.
package struct EventDigest {
  private var hash = SHA256()
  /// Of whom only the name counts.
  private let isErasable: @Sendable (SubjectID) -> Bool
  package private(set) var eventCount: UInt64 = 0

  /// `isErasable`: who may be erased between two readings that are compared. Of their parts there is only whose they are in it.
  package init(isErasable: @escaping @Sendable (SubjectID) -> Bool = { _ in false }) {
    self.isErasable = isErasable
  }

  package mutating func add(_ event: RecordedEvent) {
    eventCount += 1
    var bytes: [UInt8] = []
    bytes.append(number: event.position)
    bytes.append(number: event.org.value)
    bytes.append(number: event.orgSequence)
    bytes.append(number: event.stream.value)
    bytes.append(number: event.streamVersion)
    bytes.append(text: event.type)
    bytes.append(number: UInt64(event.schemaVersion))
    bytes.append(number: UInt64(bitPattern: event.recordedAtMicros))
    bytes.append(context: event.context)
    bytes.append(number: event.commitPosition)
    bytes.append(number: UInt64(event.commitCount))
    for part in event.parts {
      if case .opened(let subject?, _) = part, isErasable(subject) {
        bytes.append(part: .erased(subject: subject))
      } else {
        bytes.append(part: part)
      }
    }
    hash.update(bytes)
  }

  package func finish() -> String { Hex.encode(hash.finalize()) }

  /// Of one event alone.
  package static func of(_ event: RecordedEvent) -> String {
    var digest = EventDigest()
    digest.add(event)
    return digest.finish()
  }

  /// Of the whole log, in pages.
  package static func of(_ log: any EventReader) throws -> EventDigest {
    var digest = EventDigest()
    var position: UInt64 = 0
    while true {
      let page = try log.read(after: position, limit: 500, filter: .all)
      for event in page.events { digest.add(event) }
      guard page.scannedTo > position else { return digest }
      position = page.scannedTo
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(number: UInt64) {
    for shift in stride(from: 56, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
    }
  }

  fileprivate mutating func append(number: UInt128) {
    append(number: UInt64(truncatingIfNeeded: number >> 64))
    append(number: UInt64(truncatingIfNeeded: number))
  }

  fileprivate mutating func append(text: String) {
    append(number: UInt64(text.utf8.count))
    append(contentsOf: text.utf8)
  }

  fileprivate mutating func append(context: CommitContext) {
    append(text: context.actor)
    append(text: context.origin)
    append(text: context.correlation)
    append(number: context.causation ?? 0)
    append(number: UInt64(context.depth))
    append(number: UInt64(bitPattern: context.occurredAtMicros))
  }

  fileprivate mutating func append(part: RecordedPart) {
    switch part {
    case .opened(let subject, let payload):
      append(UInt8(1))
      append(number: subject?.value ?? 0)
      append(number: UInt64(payload.count))
      append(contentsOf: payload)
    case .erased(let subject):
      append(UInt8(2))
      append(number: subject.value)
    }
  }
}
