import Domain
import EventLog
import Postgres
import ProjectionRuntime
import ReadModels
import SegmentsProjection
import Testing

/// People who asked to be forgotten, in the read models.
@Suite struct ErasureTests {
  /// Goal: after an erasure the live rows, old versions included, are those of a rebuild from a log that
  /// cannot be read any more, and know nothing of the person. Method: random histories over five people and
  /// segments that look at names, places and tags; some people are erased at random moments, projected in
  /// batches of random size, before or after their keys are destroyed. A failure names its seed.
  @Test(arguments: 0..<6 as Range<UInt64>)
  func `live rows equal rebuilt rows, and know nothing of the erased`(seed: UInt64) async throws {
    try await withDesk { desk in
      var story = ErasureStory(desk: desk, random: SeededNumbers(state: seed))
      try await story.tell()
      try await desk.project(batchLimit: 1 + Int(seed) * 7)
      let live = try desk.digests()
      #expect(!live.isEmpty)
      for person in story.erased {
        #expect(try desk.tables(containing: "Secret\(person)") == [], "seed \(seed)")
      }
      let kept = story.kept
      #expect(try kept.isEmpty || desk.tables(containing: "Secret\(kept[0])") != [])
      try await desk.expectLiveEqualsRebuilt()
      try await desk.rebuilder.rebuild()
      for (table, digest) in try desk.digests() {
        #expect(live[table] == digest, "\(table), seed \(seed)")
      }
    }
  }

  @Test func `what was replaced is dropped when somebody is erased`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann", phone: "+12025550100")])
      try await desk.project()
      try await desk.rebuilder.rebuild()
      #expect(try desk.tables(containing: "Ann").contains("contacts_v3_old.contacts"))
      let asked = try await desk.history.append(ann, [.contact(.erasureRequested(request))])
      let readers = desk.readers
      #expect(
        try await ReadModels.remaining(of: [ann], org: acme, through: asked, readers) == [ann])
      try await desk.project()
      #expect(try desk.tables(containing: "Ann") == [])
      #expect(try await ReadModels.remaining(of: [ann], org: acme, through: asked, readers) == [])
      readers.close()
    }
  }

  @Test func `somebody whose events are parked is not forgotten yet`() async throws {
    try await withDesk { desk in
      // A version without a beginning fits nothing.
      try await desk.history.append(bob, [tagged("vip")])
      let asked = try await desk.history.append(bob, [.contact(.erasureRequested(request))])
      try await desk.project()
      let readers = desk.readers
      #expect(
        try await ReadModels.remaining(of: [ann, bob], org: acme, through: asked, readers)
          == [bob])
      readers.close()
    }
  }

  /// Its checkpoint is beyond the request, and it still has the person.
  @Test func `rows that held a request back are not kept for a way back`() async throws {
    try await withTallies { desk in
      let sick = Identifier(.contact, 0x51CB)
      try await desk.history.append(sick, [tagged("a"), tagged("poison")])
      try await desk.history.append(sick, [.contact(.erasureRequested(request))])
      try await desk.history.append(ann, [tagged("a")])
      try await desk.project()
      let others = "SELECT version FROM daybook.projections WHERE version <> 1"
      // As long as the request is parked there is nothing better than what was replaced.
      try await desk.rebuilder.rebuild()
      #expect(try desk.table(others) == ["-1"])
      TalliesFold.mend(sick)
      try await desk.rebuilder.rebuild()
      #expect(try desk.table(others) == [])
      #expect(try desk.table("SELECT 1 FROM pg_namespace WHERE nspname = 'tallies_v1_old'") == [])
    }
  }

  @Test func `somebody is not forgotten while rows of before hold their events back`()
    async throws
  {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      let asked = try await desk.history.append(ann, [.contact(.erasureRequested(request))])
      try await desk.project()
      try desk.execute(
        """
        INSERT INTO daybook.parked (name, version, org, key, position, type, is_counted)
        VALUES ('contacts', -3, '\(UUIDText.encode(acme.value))', '\(UUIDText.encode(ann.value))', \(asked),
          'subject.erasure_requested', true)
        """)
      let readers = desk.readers
      #expect(
        try await ReadModels.remaining(of: [ann, bob], org: acme, through: asked, readers)
          == [ann])
      readers.close()
    }
  }

  /// What an erasure costs may not grow with the account: it would hold up everybody's memberships. A look at one
  /// segment's rows of one person, for each segment that there ever was, does not.
  @Test func `an erasure walks nobody else's memberships`() async throws {
    try await withDesk { desk in
      var desk = desk
      desk.projections = [SegmentsProjection.self]
      for number in 1...4 {
        try await desk.history.append(
          Identifier(.segment, UInt128(number)),
          [.segment(.created(name: "S", filter: .all([])))])
      }
      for number in 1...200 {
        try await desk.history.append(
          Identifier(.contact, UInt128(number)), [created("N\(number)")])
      }
      // Somebody's traces in a segment that is no more go like the others.
      try await desk.history.append(Identifier(.segment, 4), [.segment(.deleted)])
      try await desk.project()
      #expect(try desk.purgePlans().count == 2)
      for plan in try desk.purgePlans() { #expect(isLookUp(plan), "\(plan)") }
      try desk.execute("VACUUM ANALYZE")
      for plan in try desk.purgePlans() { #expect(isLookUp(plan), "\(plan)") }
      try await desk.history.append(
        Identifier(.contact, 7), [.contact(.erasureRequested(request))])
      try await desk.project()
      for table in ["members_history", "changes"] {
        let contacts = try desk.table(
          "SELECT DISTINCT contact FROM \(SegmentsProjection.schema).\(table)")
        #expect(contacts.count == 199, "\(table)")
        #expect(!contacts.contains(UUIDText.encode(7)), "\(table)")
      }
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  private func isLookUp(_ plan: [String]) -> Bool {
    plan.contains { line in
      line.contains("Index Cond") && line.contains("segment =") && line.contains("contact =")
    }
  }

  @Test func `traces are counted before anything goes`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann"), tagged("vip")])
      try await desk.history.append(message(1), [planned(to: ann, "Hi"), queued])
      try await desk.project()
      let readers = desk.readers
      let traces = try await ReadModels.traces(of: ann, org: acme, readers)
      #expect(
        traces.map { "\($0.name) \($0.count)" } == [
          "events 4", "contacts 1", "contact_versions 2", "messages 1",
          "segment_memberships 0", "segment_changes 0",
        ])
      readers.close()
    }
  }
}

private let request = ErasureRequest(
  reason: .personAsked, by: "user:usr_1", atMicros: History.startMicros, addresses: .known([]))

private struct ErasureStory {
  let desk: Desk
  var random: SeededNumbers
  private(set) var erased: [Int] = []
  private var left = Array(0..<5)
  private var tags: [Int: Set<String>] = [:]
  private var messageCount: UInt128 = 0

  var kept: [Int] { left }

  init(desk: Desk, random: SeededNumbers) {
    self.desk = desk
    self.random = random
  }

  private func contact(_ person: Int) -> Identifier {
    Identifier(.contact, 0xE0 + UInt128(person))
  }

  mutating func tell() async throws {
    try await define()
    for person in left {
      try await desk.history.append(
        contact(person),
        [
          created(
            "Secret\(person)", phone: "+1202555010\(person)",
            custom: ["city": .text(person % 2 == 0 ? "Lima" : "Reno")])
        ])
    }
    for _ in 0..<60 {
      try await happen()
      if random.below(9) == 0 { try await desk.project(batchLimit: 1 + random.below(20)) }
      if random.below(14) == 0, left.count > 1 { try await eraseOne() }
    }
  }

  private mutating func define() async throws {
    let filters: [Filter] = [
      .condition(.init(field: "custom.city", comparison: .equals, value: .text("Lima"))),
      .condition(.init(field: "first_name", comparison: .startsWith, value: .text("secret"))),
      .condition(.init(field: "tags", comparison: .contains, value: .text("t0"))),
    ]
    for (index, filter) in filters.enumerated() {
      try await desk.history.append(
        Identifier(.segment, UInt128(index + 1)), [.segment(.created(name: "S", filter: filter))])
    }
  }

  private mutating func happen() async throws {
    let person = left[random.below(left.count)]
    switch random.below(6) {
    case 0:
      let city = random.below(2) == 0 ? "Lima" : "Reno"
      try await desk.history.append(
        contact(person), [updated(FieldChange(field: "custom.city", value: .text(city)))])
    case 1:
      messageCount += 1
      try await desk.history.append(
        message(messageCount), [planned(to: contact(person), "Hi Secret\(person)"), queued])
    case 2:
      messageCount += 1
      try await desk.history.append(
        message(messageCount),
        [received(from: contact(person), "Secret\(person) here", providerID: "SM\(messageCount)")])
    case 3:
      let segment = Identifier(.segment, UInt128(1 + random.below(2)))
      let place = random.below(2) == 0 ? "Lima" : "Reno"
      try await desk.history.append(
        segment,
        [
          .segment(
            .updated(
              name: "S",
              filter: .condition(
                .init(field: "custom.city", comparison: .equals, value: .text(place)))))
        ])
    default:
      let tag = "t\(random.below(2))"
      let isCarried = tags[person]?.contains(tag) == true
      if isCarried { tags[person]?.remove(tag) } else { tags[person, default: []].insert(tag) }
      try await desk.history.append(contact(person), [isCarried ? untagged(tag) : tagged(tag)])
    }
  }

  private mutating func eraseOne() async throws {
    let person = left.remove(at: random.below(left.count))
    erased.append(person)
    let contact = contact(person)
    try await desk.history.append(contact, [.contact(.erasureRequested(request))])
    if random.below(2) == 0 { try await desk.project(batchLimit: 1 + random.below(5)) }
    try await desk.history.log.erase([SubjectID(contact.value)], org: OrgID(acme.value))
    try await desk.history.append(
      contact,
      [
        .contact(.dataDestroyed(atMicros: 1)),
        .contact(
          .erased(
            ErasureRecord(
              keyIDs: ["00"], reason: .personAsked, requestedAtMicros: 0, rewrittenAtMicros: 1,
              purgedAtMicros: 2, erasedAtMicros: 3))),
      ])
  }
}

extension Desk {
  /// How Postgres would run what takes erased people out of the books of segments, asked as the projector asks it.
  fileprivate func purgePlans() throws -> [[String]] {
    let connection = try PostgresConnection(connectionString)
    try connection.execute(
      """
      SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
      SET plan_cache_mode = force_generic_plan
      """)
    return try SegmentsProjection.purges.enumerated().map { number, purge in
      let statement = purge.replacing("{schema}", with: SegmentsProjection.schema)
        .replacing(
          "{erased}",
          with: "unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS e(org, contact, position)")
      try connection.execute("PREPARE purge\(number)(text, text, text) AS \(statement)")
      return try connection.query("EXPLAIN EXECUTE purge\(number)('{}', '{}', '{}')")
        .map { try $0.text(0) }
    }
  }

  /// Every table of every read model that readers see, old versions of rows included.
  private func relations(_ pattern: String) throws -> [String] {
    try table(
      """
      SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname ~ '\(pattern)' ORDER BY 1
      """)
  }

  fileprivate func digests() throws -> [String: String] {
    var digests: [String: String] = [:]
    for relation in try relations("_v[0-9]+$") {
      digests[relation] = try table(
        "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM \(relation) t"
      ).first
    }
    return digests
  }

  fileprivate func tables(containing text: String) throws -> [String] {
    try relations("_v[0-9]+(_old)?$|^daybook$").filter { relation in
      try table("SELECT 1 FROM \(relation) t WHERE t::text ILIKE '%\(text)%' LIMIT 1") != []
    }
  }
}
