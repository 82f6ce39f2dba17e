internal import Domain
internal import EventCodec
package import ProjectionRuntime

// Which message an answer is credited to: the last one of the channel that went out to the contact,
// where it is not too long ago.

/// The last message of a channel that went out to a contact.
package struct LastMessageRow: KeyedRow {
  package static let table = "last_messages"
  package static let columns = [
    Column("org", .uuid), Column("contact", .uuid), Column("channel", .text),
    Column("message", .uuid), Column("sent_at", .timestamp),
  ]

  package struct Key: RowKey {
    package static let columnCount = 3

    package let org: UInt128
    let contact: UInt128
    let channel: String

    package func write(to writer: inout RowWriter) {
      writer.uuid(org)
      writer.uuid(contact)
      writer.text(channel)
    }
  }

  package let key: Key
  let message: UInt128
  let sentAtMicros: Micros

  init(key: Key, message: UInt128, sentAtMicros: Micros) {
    self.key = key
    self.message = message
    self.sentAtMicros = sentAtMicros
  }

  package func write(to writer: inout RowWriter) {
    key.write(to: &writer)
    writer.uuid(message)
    writer.timestamp(sentAtMicros)
  }

  package init(from reader: inout RowReader) throws(RowError) {
    key = Key(
      org: try reader.uuid(), contact: try reader.uuid(), channel: try reader.text())
    message = try reader.uuid()
    sentAtMicros = try reader.timestamp()
  }
}

/// An answer to a message that went out: by whom, on which channels it may have gone out, and how long
/// ago at most.
struct Answer {
  let keys: [LastMessageRow.Key]
  let withinMicros: Int64
  let mark: WritableKeyPath<MessageFact, Bool>

  private static let dayMicros: Int64 = 86_400_000_000

  /// nil where the event answers nothing.
  init?(_ event: RecordedDomainEvent) {
    switch event.event {
    case .message(.received(let inbound)):
      self.init(
        event, inbound.contact.value, [inbound.channel], withinDays: 7, \.isReplied)
    case .contact(.optedOut(let optOut)):
      self.init(event, event.stream.value, [optOut.channel], withinDays: 7, \.isOptedOut)
    case .contact(.tagged(let tag)):
      guard tag == "converted" || tag.hasPrefix("converted:") else { return nil }
      self.init(event, event.stream.value, Channel.allCases, withinDays: 30, \.isConverted)
    case .contact, .message, .run, .org, .user, .apiKey, .role, .wallet, .segment, .campaign,
      .workflow,
      .timer, .webhookEndpoint, .importJob, .template, .payment, .inboundHook:
      return nil
    }
  }

  private init(
    _ event: RecordedDomainEvent, _ contact: UInt128, _ channels: [Channel], withinDays days: Int64,
    _ mark: WritableKeyPath<MessageFact, Bool>
  ) {
    keys = channels.map {
      LastMessageRow.Key(org: event.org.value, contact: contact, channel: $0.rawValue)
    }
    withinMicros = days * Self.dayMicros
    self.mark = mark
  }
}

extension AnalyticsProjection {
  static func declareCredit(of event: RecordedDomainEvent, in tables: Tables) {
    for key in Answer(event)?.keys ?? [] {
      tables.lastMessages.want(key)
      if let message = tables.lastMessages.loaded(key)?.message {
        tables.messages.want(ItemKey(org: key.org, id: message))
      }
    }
  }

  static func declareSending(_ fact: MessageFact?, in tables: Tables) {
    guard let fact else { return }
    tables.lastMessages.want(fact.lastKey)
  }

  /// The message goes out now: what the person does next answers it.
  static func noteSending(_ key: ItemKey, atMicros: Micros, in tables: Tables) {
    guard let fact = tables.messages[key] else { return }
    tables.lastMessages[fact.lastKey] = LastMessageRow(
      key: fact.lastKey, message: key.id, sentAtMicros: atMicros)
  }

  static func credit(
    _ event: RecordedDomainEvent, in tables: Tables
  ) throws(FoldError) {
    guard let answer = Answer(event) else { return }
    let sent = answer.keys.compactMap { tables.lastMessages[$0] }
    guard let last = sent.max(by: { $0.sentAtMicros < $1.sentAtMicros }),
      event.occurredAtMicros - last.sentAtMicros < answer.withinMicros
    else { return }
    try tables.messages.update(ItemKey(org: last.key.org, id: last.message)) {
      $0[keyPath: answer.mark] = true
    }
  }
}

extension MessageFact {
  fileprivate var lastKey: LastMessageRow.Key {
    LastMessageRow.Key(org: key.org, contact: contact, channel: channel)
  }
}
