import Domain
import EventCodec
import EventLog
import Testing

@Suite struct EventCodecTests {
  static let org = Identifier(.org, 7)

  /// Goal: what goes in comes out, byte for byte when encoded again. Method: 200 seeds, every event
  /// type with random contents in each.
  @Test(arguments: 0..<200 as Range<UInt64>)
  func `every event survives the way into the log and back`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    for event in RandomEvents.every(using: &random) {
      let encoded = EventCodec.encode(event, stream: random.id(.contact), org: Self.org)
      let decoded = try EventCodec.decode(.storing(encoded))
      try #require(decoded.event == event, "seed \(seed)")
      let stream = Identifier(decoded.stream.kind, encoded.stream.value)
      try #require(
        EventCodec.encode(decoded.event, stream: stream, org: Self.org) == encoded, "seed \(seed)")
    }
  }

  @Test func `why it was done is stored with every event, and changes none`() throws {
    var random = SplitMix64(seed: 3)
    for event in RandomEvents.every(using: &random) {
      let encoded = EventCodec.encode(
        event, stream: random.id(.contact), org: Self.org, reason: "the \"auditor\" asked")
      let payload = String(decoding: encoded.parts[0].payload, as: UTF8.self)
      #expect(payload.hasSuffix(#""actor_reason":"the \"auditor\" asked"}"#), "\(encoded.type)")
      #expect(try EventCodec.decode(.storing(encoded)).event == event, "\(encoded.type)")
    }
  }

  @Test func `every type of the catalogue is written by an event, and none besides`() {
    var random = SplitMix64(seed: 1)
    let written = RandomEvents.every(using: &random).map {
      EventCodec.encode($0, stream: Self.org, org: Self.org).type
    }
    #expect(written == EventCodec.types.map(\.name))
  }

  @Test func `the parts of an event are JSON objects, personal values only behind the first`()
    throws
  {
    let contact = Identifier(.contact, 5)
    let encoded = EventCodec.encode(
      .contact(
        .created(
          details: .known(
            ContactDetails(
              firstName: "Ann", phone: "+12025550123", custom: ["b": .number(2), "a": .flag(true)])),
          source: "api")), stream: contact, org: Self.org)
    #expect(encoded.parts.map(\.subject) == [nil, SubjectID(5)])
    #expect(
      encoded.parts.map { String(decoding: $0.payload, as: UTF8.self) } == [
        #"{"source":"api"}"#,
        #"{"first_name":"Ann","phone":"+12025550123","custom":{"a":true,"b":2.0}}"#,
      ])
  }

  @Test func `a part belongs to the person or org that it is about`() {
    var random = SplitMix64(seed: 2)
    let stream = Identifier(.contact, 5)
    for event in RandomEvents.every(using: &random) {
      let encoded = EventCodec.encode(event, stream: stream, org: Self.org)
      let expected: SubjectID? =
        switch event {
        case .org(.smsConfigured), .org(.providerConfigured), .org(.suppressed),
          .org(.unsuppressed), .org(.addressKeyDrawn), .contact(.erasureRequested),
          .webhookEndpoint(.created), .webhookEndpoint(.secretRotated),
          .inboundHook(.created), .inboundHook(.secretRotated), .org(.accessRefused):
          SubjectID(Self.org.value)
        case .apiKey(.restricted(let restrictions)) where restrictions.signingSecret != nil:
          SubjectID(Self.org.value)
        case .contact(.tagged), .contact(.untagged), .contact(.optOutSuspected),
          .contact(.optOutDismissed), .contact(.dataDestroyed), .contact(.erased),
          .contact(.archived), .contact(.restored):
          nil
        case .contact, .user(.created), .user(.renamed), .user(.passwordChanged),
          .user(.signInFailed):
          SubjectID(stream.value)
        case .message(.planned(let plan)): SubjectID(plan.contact.value)
        case .message(.received(let message)): SubjectID(message.contact.value)
        default: nil
        }
      #expect(encoded.parts.first?.subject == nil)
      #expect(encoded.parts.dropFirst().map(\.subject) == (expected.map { [$0] } ?? []))
    }
  }

  @Test func `the address of a refused user is the user's`() {
    let user = Identifier(.user, 77)
    for actor in ["user:\(user)", "user:\(user) for:acc_1"] {
      let refusal = AccessRefusal(
        actor: actor, operation: "GET /api/users", reason: "missing_scope",
        address: .known("203.0.113.5"))
      let encoded = EventCodec.encode(
        .org(.accessRefused(refusal)), stream: Self.org, org: Self.org)
      #expect(encoded.parts.map(\.subject) == [nil, SubjectID(77)])
    }
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func `an erased part reads as erased and leaves the rest readable`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    for event in RandomEvents.every(using: &random) {
      let encoded = EventCodec.encode(event, stream: random.id(.contact), org: Self.org)
      guard encoded.parts.count > 1 else { continue }
      let erased = try EventCodec.decode(.storing(encoded, isErased: true)).event
      let again = EventCodec.encode(erased, stream: random.id(.contact), org: Self.org)
      try #require(erased != event)
      try #require(again.parts == [encoded.parts[0]], "only the personal part is gone")
    }
  }

  @Test func `an unknown type is an error that names it`() {
    #expect(throws: CodecError.unknownType("contact.exploded")) {
      try EventCodec.decode(.storing("contact.exploded", "{}"))
    }
  }

  @Test(arguments: [0, 2] as [UInt16])
  func `a version that nobody can read is an error`(version: UInt16) {
    #expect(throws: CodecError.unsupportedVersion(type: "user.signed_in", version: version)) {
      try EventCodec.decode(.storing("user.signed_in", "{}", version: version))
    }
  }

  @Test func `an event without a readable first part is an error`() {
    #expect(throws: CodecError.missingPart(type: "user.signed_in")) {
      try EventCodec.decode(.storing("user.signed_in"))
    }
  }

  @Test(arguments: [
    ("{}", "amount_micros"),
    (#"{"amount_micros":"5","payment_id":"p","method":"card"}"#, "amount_micros"),
    (#"{"amount_micros":9223372036854775808,"payment_id":"p","method":"card"}"#, "amount_micros"),
    (#"{"amount_micros":5,"method":"card"}"#, "payment_id"),
    (#"{"amount_micros":5,"payment_id":"p"}"#, "method"),
    (#"{"amount_micros":5,"payment_id":"p","method":"ca"#, "method"),
    (#"{"amount_micros":5,"payment_id":"p","method":"\q"}"#, "method"),
    (#"{"amount_micros":5,"payment_id":"p","method":"card","more":1}"#, "{}"),
    (#"{"amount_micros":5,"payment_id":"p","method":"card"} "#, "{}"),
    ("", "{}"), ("[]", "{}"),
  ])
  func `a payload that is not as it should be names the field`(payload: String, field: String) {
    #expect(throws: CodecError.invalidField(type: "wallet.funded", field: field)) {
      try EventCodec.decode(.storing("wallet.funded", payload))
    }
  }

  /// Goal: no bytes crash the reader. Method: cut every payload at every length and flip bytes; the
  /// answer is an event or a `CodecError`.
  @Test func `broken bytes are refused, never fatal`() throws {
    var random = SplitMix64(seed: 3)
    var refusedCount = 0
    for event in RandomEvents.every(using: &random) {
      let encoded = EventCodec.encode(event, stream: random.id(.contact), org: Self.org)
      for index in encoded.parts.indices {
        for length in 0..<encoded.parts[index].payload.count {
          let cut = encoded.replacing(index, Array(encoded.parts[index].payload[..<length]))
          #expect(throws: CodecError.self) { try EventCodec.decode(.storing(cut)) }
          var flipped = encoded.parts[index].payload
          flipped[length] ^= UInt8.random(in: 1...255, using: &random)
          do throws(CodecError) {
            _ = try EventCodec.decode(.storing(encoded.replacing(index, flipped)))
          } catch { refusedCount += 1 }
        }
      }
    }
    #expect(refusedCount > 1_000)
  }

  @Test func `an event's id sorts by time and leads back to the position`() throws {
    let event = try EventCodec.decode(.storing("user.signed_in", "{}", position: 77))
    #expect(event.eventID.kind == .event)
    #expect(RecordedDomainEvent.position(ofEventID: event.eventID) == 77)
    #expect(RecordedDomainEvent.position(ofEventID: Identifier(.contact, 77)) == nil)
    #expect(RecordedDomainEvent.position(ofEventID: Identifier(.event, .max)) == nil)
    let next = try EventCodec.decode(.storing("user.signed_in", "{}", position: 78))
    #expect(event.eventID < next.eventID)
  }
}

extension NewEvent {
  func replacing(_ index: Int, _ payload: [UInt8]) -> NewEvent {
    var parts = parts
    parts[index] = Part(subject: parts[index].subject, payload: payload)
    return NewEvent(stream: stream, type: type, schemaVersion: schemaVersion, parts: parts)
  }
}
