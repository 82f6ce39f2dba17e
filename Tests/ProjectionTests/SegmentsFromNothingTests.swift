import Domain
import EventCodec
import EventLog
import Postgres
import ProjectionRuntime
import SegmentsProjection
import Testing

/// Goal: whatever happens to contacts and to definitions, at any later moment a segment holds exactly the contacts that
/// are found by folding the whole log from nothing: no event is forgotten among those that may move somebody. Method:
/// random commands of every kind that contacts and segments know, decided as the product decides them, over filters on
/// every field; projected in batches and sweeps of a few rows, so that sweeps are open while definitions come, go and
/// come back. A failure names its seed.
@Suite struct SegmentsFromNothingTests {
  private static let seeds: Range<UInt64> = 0..<10

  @Test(arguments: Self.seeds)
  func `segments hold whom a fold from nothing finds`(seed: UInt64) async throws {
    try await withDesk { desk in
      var desk = desk
      desk.projections = [SegmentsProjection.self]
      var life = Life(desk: desk, dice: Dice(seed: seed))
      for _ in 0..<150 {
        try await life.goOn()
        if life.dice.below(25) == 0 {
          try await desk.project(batchLimit: 1 + life.dice.below(4))
          try await life.expectTruth(seed: seed)
        }
      }
      try await desk.project(batchLimit: 1 + life.dice.below(4))
      try await life.expectTruth(seed: seed)
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  /// Else the test above would say nothing about some.
  @Test func `every kind of event of contacts and segments comes up in these histories`()
    async throws
  {
    var seen: Set<String> = []
    for seed in Self.seeds {
      let desk = Desk(connectionString: "")
      var life = Life(desk: desk, dice: Dice(seed: seed))
      for _ in 0..<150 { try await life.goOn() }
      let log = try Batch.read(desk.history.log, after: 0, limit: 10_000)
      seen.formUnion(log.events.map(\.type))
    }
    let types = EventCodec.types.filter { [.contact, .segment].contains($0.streamKind) }
    #expect(Set(types.map(\.name)).subtracting(seen) == [])
  }

  // MARK: What an event changes beside what it names

  @Test func `who changes the address leaves the segments of those who agreed there`()
    async throws
  {
    try await withAgreed { desk in
      try await desk.history.append(
        ann, [updated(FieldChange(field: "email", value: .text("new@example.com")))])
      #expect(try await desk.channelsOfAnn() == [.sms, .voice])
      try await desk.history.append(
        ann, [updated(FieldChange(field: "phone", value: .text("+12025550177")))])
      #expect(try await desk.channelsOfAnn() == [])
    }
  }

  @Test func `who wants no more advertising leaves the segments of all channels`() async throws {
    try await withAgreed { desk in
      try await desk.history.append(
        ann,
        [
          .contact(
            .optedOut(
              OptOut(
                channel: .sms, method: .keyword, address: .known("+12025550100"), scope: .seller)))
        ])
      #expect(try await desk.channelsOfAnn() == [])
    }
  }

  /// Ann said yes on every channel, and there is a segment of those who did for each.
  private func withAgreed(_ body: (Desk) async throws -> Void) async throws {
    try await withDesk { desk in
      var desk = desk
      desk.projections = [SegmentsProjection.self]
      try await desk.history.append(
        ann,
        [created("Ann", phone: "+12025550100", email: "ann@example.com")]
          + Channel.allCases.map { optedIn($0) })
      for (number, channel) in Channel.allCases.enumerated() {
        let filter = Filter.condition(
          .init(
            field: "consent.\(channel.rawValue)", comparison: .equals, value: .text("opted_in")))
        try await desk.history.append(
          Identifier(.segment, UInt128(number + 1)),
          [.segment(.created(name: "Agreed", filter: filter))])
      }
      #expect(try await desk.channelsOfAnn() == Channel.allCases)
      try await body(desk)
    }
  }
}

extension Desk {
  /// Those whose segment Ann is in.
  fileprivate func channelsOfAnn() async throws -> [Channel] {
    try await project()
    let pool = readers
    defer { pool.close() }
    var found: [Channel] = []
    for (number, channel) in Channel.allCases.enumerated() {
      let page = try await SegmentsQueries.members(
        pool, org: acme,
        SegmentsQueries.MembersRequest(
          segment: Identifier(.segment, UInt128(number + 1)), nowMicros: History.laterMicros))
      if !page.rows.isEmpty { found.append(channel) }
    }
    return found
  }
}

/// People and definitions whose states are known, because the next command is decided by them.
private struct Life {
  let desk: Desk
  var dice: Dice
  private var contacts: [Identifier: Contact.State] = [:]
  private var segments: [Identifier: Segment.State] = [:]
  private var messageCount: UInt128 = 0

  init(desk: Desk, dice: Dice) {
    self.desk = desk
    self.dice = dice
  }

  mutating func goOn() async throws {
    desk.history.pass(seconds: Int64(dice.one(of: [0, 60, 3_600, 40_000])))
    switch dice.below(8) {
    case 0: try await define()
    case 1 where contacts.count < 8: try await welcome()
    case 2: try await erase()
    default:
      guard let contact = contacts.keys.sorted().randomElement(using: &dice) else { return }
      if dice.below(8) == 0 { return try await hear(contact) }
      try await tell(contact, dice.command())
    }
  }

  /// What the rules refuse does not happen.
  private mutating func tell(_ contact: Identifier, _ command: Contact.Command) async throws {
    var state = contacts[contact] ?? Contact.initialState
    guard let events = try? Contact.decide(command, given: state), !events.isEmpty else { return }
    for event in events { state = Contact.evolve(state, with: event) }
    contacts[contact] = state
    try await desk.history.append(contact, events.map(DomainEvent.contact))
  }

  private mutating func welcome() async throws {
    let contact = Identifier(.contact, UInt128(contacts.count + 1))
    let details = ContactDetails(
      firstName: dice.word(), email: dice.one(of: [nil, "a@example.com"]),
      phone: dice.one(of: [nil, "+12025550100"]))
    try await tell(
      contact,
      .create(
        details, source: dice.one(of: ["api", "form"]), tags: [dice.tag()],
        consents: dice.below(2) == 0 ? [dice.consent()] : []))
  }

  private mutating func hear(_ contact: Identifier) async throws {
    guard contacts[contact]?.isErased == false else { return }
    messageCount += 1
    try await desk.history.append(
      message(messageCount), [received(from: contact, "Hi", providerID: "SM\(messageCount)")])
  }

  /// Asks for it, or takes the next step: the key may be destroyed before anybody has projected the request.
  private mutating func erase() async throws {
    guard dice.below(3) == 0, let contact = contacts.keys.sorted().randomElement(using: &dice)
    else { return }
    switch contacts[contact]?.erasure?.status {
    case nil:
      let request = ErasureRequest(
        reason: .personAsked, by: "user:usr_1", atMicros: desk.history.nowMicros,
        addresses: .known([]))
      try await tell(contact, .requestErasure(request))
    case .requested:
      try await desk.history.log.erase(
        [SubjectID(contact.value)], org: OrgID(acme.value))
      try await tell(contact, .recordDestruction(atMicros: desk.history.nowMicros))
    default:
      let now = desk.history.nowMicros
      try await tell(
        contact, .recordErasure(keyIDs: ["00"], purgedAtMicros: now, atMicros: now))
    }
  }

  private mutating func define() async throws {
    let segment = Identifier(.segment, UInt128(1 + dice.below(4)))
    let state = segments[segment] ?? Segment.initialState
    let command: Segment.Command =
      if !state.exists {
        .create(name: "S", filter: dice.wideFilter())
      } else if state.isDeleted {
        .restore(createdAtMicros: History.startMicros)
      } else {
        switch dice.below(4) {
        case 0: .update(name: "S\(dice.below(9))", filter: nil)
        case 1: .update(name: nil, filter: dice.wideFilter())
        default: .delete
        }
      }
    let events = try Segment.decide(command, given: state)
    segments[segment] = events.reduce(state, Segment.evolve)
    guard !events.isEmpty else { return }
    try await desk.history.append(segment, events.map(DomainEvent.segment))
  }
}

// MARK: - Comparing

extension Life {
  func expectTruth(seed: UInt64) async throws {
    try #require(
      try desk.table("SELECT state FROM daybook.projections WHERE name = 'segments'") == ["live"],
      "seed \(seed)")
    let facts = try foldedFromNothing()
    let now = desk.history.nowMicros
    let readers = desk.readers
    defer { readers.close() }
    for (segment, state) in segments {
      for hours in [0, 1, 30, 200] as [Int64] {
        let moment = now + hours * 3_600_000_000
        let expected =
          state.isDeleted
          ? [] : facts.filter { state.filter.matches($0.value, atMicros: moment) }.keys.sorted()
        try await expect(expected, in: segment, state, atMicros: moment, readers, seed: seed)
      }
    }
    // What is counted is what is there, of a deleted segment nobody.
    try #require(
      try desk.table(
        """
        SELECT z.segment, z.settled_count, count(m.contact) FROM \(SegmentsProjection.schema).sizes z
        LEFT JOIN \(SegmentsProjection.schema).members m
          ON m.org = z.org AND m.segment = z.segment AND m.noted AND m.leaves_at IS NULL
        GROUP BY z.segment, z.settled_count HAVING z.settled_count <> count(m.contact)
        """) == [], "seed \(seed)")
  }

  private func expect(
    _ expected: [Identifier], in segment: Identifier, _ state: Segment.State,
    atMicros moment: Micros, _ readers: PostgresPool, seed: UInt64
  ) async throws {
    let page = try await SegmentsQueries.members(
      readers, org: acme,
      SegmentsQueries.MembersRequest(segment: segment, nowMicros: moment))
    let found = page.rows.map { Identifier(.contact, $0.key.contact) }
    try #require(
      found == expected, "seed \(seed), \(segment.text) at \(moment): \(state.filter)")
    let item = try await SegmentsQueries.item(
      readers, org: acme, atMicros: moment, segment: segment)
    try #require((item == nil) == state.isDeleted, "seed \(seed), \(segment.text)")
    try #require(Int(item?.memberCount ?? 0) == expected.count, "seed \(seed), \(segment.text)")
  }

  /// Every contact's facts, by all that the log says.
  private func foldedFromNothing() throws -> [Identifier: ContactFacts] {
    let log = try Batch.read(desk.history.log, after: 0, limit: 10_000)
    try #require(log.undecodable.isEmpty)
    var facts: [Identifier: ContactFacts] = [:]
    for event in log.events {
      switch event.event {
      case .contact(let change):
        var known =
          facts[event.stream]
          ?? ContactFacts(Contact.initialState, createdAtMicros: event.occurredAtMicros)
        known.state = Contact.evolve(known.state, with: change)
        if let kind = change.activity {
          known.activity.record(kind, atMicros: event.occurredAtMicros)
        }
        facts[event.stream] = known
      case .message(.received(let inbound)):
        facts[inbound.contact]?.activity.record(
          .messageReceived, atMicros: event.occurredAtMicros)
      default: continue
      }
    }
    return facts
  }
}

// MARK: - Choices

extension Dice {
  fileprivate mutating func word() -> String { one(of: ["Kim", "Lou", "Pat"]) }
  fileprivate mutating func tag() -> String { one(of: ["red", "blue", "Red"]) }
  fileprivate mutating func channel() -> Channel { one(of: Channel.allCases) }

  fileprivate mutating func consent() -> Consent {
    Consent(
      channel: channel(), purpose: one(of: Purpose.allCases),
      method: one(of: Consent.Method.allCases), source: "form",
      grantedAtMicros: History.startMicros,
      evidence: .known(ConsentEvidence(address: "+12025550100", wording: "Yes")),
      sender: one(of: [nil, "+12025550199"]))
  }

  fileprivate mutating func command() -> Contact.Command {
    switch below(13) {
    case 0, 1, 2: .update((0...below(2)).map { _ in change() })
    case 3: .addTags([tag(), tag()])
    case 4: .removeTags([tag()])
    case 5: .setTags([tag()])
    case 6:
      .optOut(
        OptOut(
          channel: channel(), method: .keyword, address: .known("+12025550100"),
          scope: one(of: OptOut.Scope.allCases)))
    case 7, 8: .optIn(consent())
    case 9: .suspectOptOut(channel(), message: message(1))
    case 10: .dismissOptOut(channel())
    case 11:
      .captureLead(
        Lead(
          source: "form", isNewContact: false,
          origin: .known(LeadOrigin(page: nil, referrer: nil, ip: nil))))
    default: below(2) == 0 ? .archive : .restore
    }
  }

  private mutating func change() -> FieldChange {
    let field = one(of: [
      "first_name", "last_name", "company", "email", "phone", "raw_phone", "custom.age",
      "custom.due",
    ])
    let value: FieldValue? =
      switch field {
      case "email": one(of: [nil, .text("a@example.com"), .text("b@example.com")])
      case "phone", "raw_phone": one(of: [nil, .text("+12025550100"), .text("+12025550111")])
      case "custom.age": one(of: [nil, .number(1), .number(3)])
      case "custom.due":
        .text(Timestamp.text(History.startMicros + Int64(below(40)) * 86_400_000_000))
      default: one(of: [nil, .text(word())])
      }
    return FieldChange(field: field, value: value)
  }

  /// On every field that there is.
  fileprivate mutating func wideFilter(depth: Int = 2) -> Filter {
    switch below(depth > 0 ? 9 : 6) {
    case 6: return .all((0..<2).map { _ in wideFilter(depth: depth - 1) })
    case 7: return .any((0..<2).map { _ in wideFilter(depth: depth - 1) })
    case 8: return .not(wideFilter(depth: depth - 1))
    case 0:
      return .condition(
        .init(field: "tags", comparison: .contains, value: .text(tag())))
    case 1, 2:
      return .condition(
        .init(
          field: one(of: Filter.consentFields), comparison: one(of: [.equals, .notEquals]),
          value: .text(one(of: ["opted_in", "opted_out", "none"]))))
    case 3:
      return .condition(
        .init(
          field: one(of: Filter.standardFields + ["custom.age"]), comparison: .exists,
          value: .flag(true)))
    case 4:
      return .condition(
        one(of: [
          .init(field: "first_name", comparison: .equals, value: .text(word())),
          .init(field: "email", comparison: .startsWith, value: .text("a")),
          .init(field: "phone", comparison: .equals, value: .text("+12025550111")),
          .init(field: "source", comparison: .equals, value: .text("form")),
          .init(field: "custom.age", comparison: .greater, value: .number(2)),
          .init(field: "custom.due", comparison: .inNext, value: .text("7d")),
          .init(field: Filter.createdAtField, comparison: .olderThan, value: .text("2d")),
        ]))
    default:
      return .happened(
        Filter.Happened(
          kind: one(of: [
            .contactUpdated, .contactTagged, .contactOptedIn, .contactOptedOut, .messageReceived,
          ]), comparison: one(of: [.equals, .greaterOrEqual, .less]), count: below(3),
          window: one(of: [nil, Filter.Duration("2d")])))
    }
  }
}
