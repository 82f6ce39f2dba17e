import Domain
import EventCodec
import EventLog
import JSON

/// The names by which events can be asked for: those of the log, and those of the catalogue that integrations of this
/// field are written against. What is delivered always has the log's name.
package enum EventNames {
  /// What a name of the catalogue is here.
  struct Meaning: Sendable {
    let types: [String]
    /// Only those of messages on this channel; nil: all of them.
    let channel: Channel?

    init(_ types: String..., on channel: Channel? = nil) {
      self.types = types
      self.channel = channel
    }
  }

  /// Source: requirements, Appendix C.1. Names that the log has too (`org.created`, `lead.created`) are missing.
  static let catalogue: [String: Meaning] = [
    "person.created": Meaning("contact.created"),
    "person.updated": Meaning("contact.updated"),
    "person.deleted": Meaning("contact.archived", "subject.erased"),
    "lead.replied": Meaning("message.received"),
    "sms.sent": Meaning("message.sent", on: .sms),
    "sms.received": Meaning("message.received", on: .sms),
    "email.sent": Meaning("message.sent", on: .email),
    "email.received": Meaning("message.received", on: .email),
    "call.started": Meaning("message.dispatched", on: .voice),
    "call.ended": Meaning("message.call_ended", on: .voice),
    "integration.connected": Meaning("org.provider_configured", "org.sms_configured"),
    "integration.disconnected": Meaning("org.provider_removed"),
  ]

  /// Families of the catalogue whose objects there are not yet: nothing could ever come.
  package static let future: Set<String> = ["company", "deal", "task"]

  /// Every name, of both kinds, and the families.
  package static let all: [String] = {
    let names = EventCodec.types.map(\.name) + catalogue.keys
    let families = Set(names.map { $0.prefix { $0 != "." } + ".*" }).map { String($0) }
    return names.sorted() + families.sorted() + ["*"]
  }()

  package static func isKnown(_ pattern: String) -> Bool { EventSelection([pattern]) != nil }
}

/// Some of an account's events, by their names: `message.sent`, `sms.received`, `message.*`, `*`.
package struct EventSelection: Sendable, Equatable {
  /// By the log's name: the channels that are wanted; nil for all of them, and for what has none.
  private let channels: [String: Set<Channel>?]

  /// nil where one of the names is none.
  package init?(_ patterns: [String]) {
    var channels: [String: Set<Channel>?] = [:]
    for pattern in patterns {
      let meanings = Self.meanings(of: pattern)
      guard !meanings.isEmpty else { return nil }
      for meaning in meanings {
        for type in meaning.types {
          guard let known = channels[type] else {
            channels[type] = .some(meaning.channel.map { [$0] })
            continue
          }
          channels[type] = .some(
            known.flatMap { known in meaning.channel.map { known.union([$0]) } })
        }
      }
    }
    self.channels = channels
  }

  /// Those of `types` that the catalogue names, alone; nil where it names none of them.
  init?(catalogued types: [String]) {
    let known = types.filter { pattern in
      pattern != "*"
        && EventNames.catalogue.keys.contains { WebhookEndpoint.covers([pattern], type: $0) }
    }
    guard !known.isEmpty else { return nil }
    self.init(known)
  }

  private static func meanings(of pattern: String) -> [EventNames.Meaning] {
    let own = EventCodec.types.map(\.name).filter {
      WebhookEndpoint.covers([pattern], type: $0)
    }
    // Everything is everything already.
    let others =
      pattern == "*"
      ? [] : EventNames.catalogue.filter { WebhookEndpoint.covers([pattern], type: $0.key) }
    return own.map { EventNames.Meaning($0) } + others.map(\.value)
  }

  /// Whether a name is one of the log's own, or a family of those.
  package static func isOwn(_ pattern: String) -> Bool {
    EventCodec.types.contains { WebhookEndpoint.covers([pattern], type: $0.name) }
  }

  /// The log's names among which all of it is.
  package var types: Set<String> { Set(channels.keys) }

  /// Whether the channel decides over some of it.
  package var asksForChannel: Bool { channels.values.contains { $0 != nil } }

  /// `channel`: that of the message, asked for where it decides.
  package func includes(
    _ type: String, channel: () throws -> Channel?
  ) rethrows -> Bool {
    guard let wanted = channels[type] else { return false }
    guard let wanted else { return true }
    return try channel().map(wanted.contains) ?? false
  }
}

extension EventNames {
  /// The types whose events the catalogue names by the channel of their message.
  private static let ofMessages = Set(
    catalogue.values.filter { $0.channel != nil }.flatMap(\.types))

  /// The channel of the message that an event is about; nil for events that the catalogue does not tell apart by it.
  /// Its first event names it.
  package static func channel(
    of event: RecordedEvent, _ log: any EventReader
  ) throws -> Channel? {
    guard ofMessages.contains(event.type) else { return nil }
    let first = try log.readStream(
      org: event.org, stream: event.stream, from: 1, limit: 1, direction: .forwards
    ).first
    return try first.flatMap { try EventJSON.data(of: $0)["channel"]?.string }.flatMap {
      Channel(rawValue: $0)
    }
  }
}
