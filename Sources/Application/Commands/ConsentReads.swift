import Domain
import EventCodec
import EventLog

/// A text that may be a no, with what it says.
package struct OpenSuspicion: Sendable, Equatable {
  package let contact: Identifier
  package let channel: Channel
  package let message: Identifier
  package let atMicros: Micros
  /// nil where the person was erased.
  package var content: MessageContent?
}

extension Workspace {
  /// What waits for a human, oldest first.
  package func suspectedOptOuts() -> [OpenSuspicion] {
    state.suspectedOptOuts.flatMap { contact, channels in
      channels.map { channel, suspicion in
        OpenSuspicion(
          contact: contact, channel: channel, message: suspicion.message,
          atMicros: suspicion.atMicros)
      }
    }
    .sorted { ($0.atMicros, $0.contact) < ($1.atMicros, $1.contact) }
  }

  /// ... with their words, which are read from the log.
  package func describedOptOuts() throws(CommandError) -> [OpenSuspicion] {
    var described: [OpenSuspicion] = []
    for var suspicion in suspectedOptOuts() {
      suspicion.content = try current(Message.self, suspicion.message).inbound?.content.value
      described.append(suspicion)
    }
    return described
  }
}

/// One step of what a contact agreed to and refused.
package struct ConsentEntry: Sendable {
  package let event: Identifier
  /// `opted_in`, `opted_out`, `suspected`, `dismissed`.
  package let type: String
  package let channel: Channel
  package var consent: Consent?
  package var optOut: OptOut?
  package var message: Identifier?
  package let actor: String
  package let atMicros: Micros
  package let position: UInt64
}

extension Engine {
  /// The evidence about a contact's consent, oldest first.
  package func consents(
    of contact: Identifier, in org: Identifier
  ) throws(CommandError) -> [ConsentEntry] {
    var entries: [ConsentEntry] = []
    var exists = false
    try StreamFold.forEach(Contact.self, contact, org: org, log: log) { event, recorded in
      exists = true
      guard let entry = ConsentEntry(event, recorded) else { return }
      entries.append(entry)
    }
    guard exists else { throw .notFound(contact) }
    return entries
  }
}

extension ConsentEntry {
  /// nil for what is not about consent.
  fileprivate init?(_ event: Contact.Event, _ recorded: RecordedEvent) {
    self.event = Identifier(
      .event, millis: recorded.recordedAtMicros / 1_000, random: UInt128(recorded.position))
    actor = recorded.context.actor
    atMicros = recorded.context.occurredAtMicros
    position = recorded.position
    switch event {
    case .optedIn(let consent):
      (type, channel) = ("opted_in", consent.channel)
      self.consent = consent
    case .optedOut(let optOut):
      (type, channel) = ("opted_out", optOut.channel)
      self.optOut = optOut
      message = optOut.message
    case .optOutSuspected(let channel, let message):
      (type, self.channel) = ("suspected", channel)
      self.message = message
    case .optOutDismissed(let channel):
      (type, self.channel) = ("dismissed", channel)
    case .created, .updated, .tagged, .untagged, .erasureRequested, .dataDestroyed, .erased,
      .leadCaptured, .archived, .restored:
      return nil
    }
  }
}
