import Domain
import EventLog

/// Between the domain's events and the log's bytes.
///
/// A payload is compact JSON with the fields in the order that the writers below give them; a field
/// without a value is left out. Part 0 holds everything that is not personal and is always there (`{}`
/// where there is nothing). What is personal lies in one further part, under its subject: the contact
/// for contact events and messages, the user for user details, the org for its own secrets.
package enum EventCodec {
  /// The catalogue: every type of the product, in the order of the aggregates.
  package static let types: [EventType] = schemas.map(\.type)

  /// Whether this program has a type of that name.
  package static func knows(_ type: String) -> Bool { schemasByName[type] != nil }

  /// The bytes to store for `event`. A personal value that is `.erased` has no part. `reason` is why
  /// somebody says that they did it, under the org's key: no place for a person's data.
  package static func encode(
    _ event: DomainEvent, stream: Identifier, org: Identifier, reason: String? = nil
  ) -> NewEvent {
    switch event {
    case .org(let event): encode(event, stream, org, reason)
    case .user(let event): encode(event, stream, org, reason)
    case .apiKey(let event): encode(event, stream, org, reason)
    case .role(let event): encode(event, stream, org, reason)
    case .contact(let event): encode(event, stream, org, reason)
    case .message(let event): encode(event, stream, org, reason)
    case .wallet(let event): encode(event, stream, org, reason)
    case .segment(let event): encode(event, stream, org, reason)
    case .campaign(let event): encode(event, stream, org, reason)
    case .workflow(let event): encode(event, stream, org, reason)
    case .run(let event): encode(event, stream, org, reason)
    case .timer(let event): encode(event, stream, org, reason)
    case .webhookEndpoint(let event): encode(event, stream, org, reason)
    case .importJob(let event): encode(event, stream, org, reason)
    case .template(let event): encode(event, stream, org, reason)
    case .payment(let event): encode(event, stream, org, reason)
    case .inboundHook(let event): encode(event, stream, org, reason)
    }
  }

  /// The event that `recorded` holds. A personal part that is erased or was never written gives
  /// `Personal.erased`.
  ///
  /// - Throws: `CodecError` where the type or version is unknown or the payload is not as it should be.
  package static func decode(
    _ recorded: RecordedEvent
  ) throws(CodecError) -> RecordedDomainEvent {
    guard let schema = schemasByName[recorded.type] else {
      throw .unknownType(recorded.type)
    }
    var payload = try PayloadReader(recorded, upcasters: upcasters)
    let event = try schema.read(&payload)
    try payload.finish()
    return RecordedDomainEvent(
      position: recorded.position, org: Identifier(.org, recorded.org.value),
      orgSequence: recorded.orgSequence,
      stream: Identifier(schema.type.streamKind, recorded.stream.value),
      version: recorded.streamVersion, recordedAtMicros: recorded.recordedAtMicros,
      context: recorded.context, commitPosition: recorded.commitPosition, type: recorded.type,
      event: event)
  }

  private static func encode<Event: PayloadCoding>(
    _ event: Event, _ stream: Identifier, _ org: Identifier, _ reason: String?
  ) -> NewEvent {
    var payload = PayloadWriter(stream: stream, org: org)
    let name = event.write(to: &payload)
    return NewEvent(
      stream: StreamID(stream.value), type: name.rawValue, schemaVersion: Event.schemaVersion(name),
      parts: payload.finish(reason: reason))
  }
}

/// What the log stores under one type name.
package struct EventType: Sendable, Equatable {
  /// Such as `contact.created`.
  package let name: String
  package let schemaVersion: UInt16
  /// What kind of stream holds it.
  package let streamKind: Identifier.Kind
}

// MARK: - Catalogue

extension EventCodec {
  /// A type and how its payload is read.
  struct Schema: Sendable {
    let type: EventType
    let read: @Sendable (inout PayloadReader) throws(CodecError) -> DomainEvent
  }

  static let schemas: [Schema] = [
    schemas(of: Org.Event.self, DomainEvent.org),
    schemas(of: User.Event.self, DomainEvent.user),
    schemas(of: APIKey.Event.self, DomainEvent.apiKey),
    schemas(of: Role.Event.self, DomainEvent.role),
    schemas(of: Contact.Event.self, DomainEvent.contact),
    schemas(of: Message.Event.self, DomainEvent.message),
    schemas(of: Wallet.Event.self, DomainEvent.wallet),
    schemas(of: Segment.Event.self, DomainEvent.segment),
    schemas(of: Campaign.Event.self, DomainEvent.campaign),
    schemas(of: Workflow.Event.self, DomainEvent.workflow),
    schemas(of: WorkflowRun.Event.self, DomainEvent.run),
    schemas(of: Timer.Event.self, DomainEvent.timer),
    schemas(of: WebhookEndpoint.Event.self, DomainEvent.webhookEndpoint),
    schemas(of: ImportJob.Event.self, DomainEvent.importJob),
    schemas(of: Template.Event.self, DomainEvent.template),
    schemas(of: Payment.Event.self, DomainEvent.payment),
    schemas(of: InboundHook.Event.self, DomainEvent.inboundHook),
  ].flatMap(\.self)

  private static let schemasByName = Dictionary(
    uniqueKeysWithValues: schemas.map { ($0.type.name, $0) })

  private static let upcasters: UpcasterChain = {
    do {
      return try UpcasterChain(Upcaster.all, types: types)
    } catch {
      preconditionFailure("\(error)")
    }
  }()

  /// Why this program cannot read what it should: a schema version from which no chain of upcasters leads to the
  /// newest one. Asked at every start, before an event is read; nil where there is no gap.
  package static var gap: String? {
    do {
      _ = try UpcasterChain(Upcaster.all, types: types)
      return nil
    } catch {
      return "\(error)"
    }
  }

  private static func schemas<Event: PayloadCoding>(
    of _: Event.Type, _ wrap: @escaping @Sendable (Event) -> DomainEvent
  ) -> [Schema] {
    Event.Name.allCases.map { name in
      Schema(
        type: EventType(
          name: name.rawValue, schemaVersion: Event.schemaVersion(name),
          streamKind: Event.streamKind),
        read: { payload throws(CodecError) in wrap(try Event.read(name, from: &payload)) })
    }
  }
}
