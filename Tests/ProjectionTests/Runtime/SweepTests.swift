import ContactsProjection
import Domain
import EventLog
import Postgres
import ProjectionRuntime
import SegmentsProjection
import Synchronization
import Testing

/// A changed definition looks at all contacts of its account, some at a time. That what comes out is right,
/// whatever comes meanwhile, is the business of the random histories (`RebuildTests`, `SegmentsPropertyTests`,
/// `CrashTests`), which are projected with steps of a few contacts.
@Suite struct SweepTests {
  private static let segment = Identifier(.segment, 5)
  private static let vips = Filter.condition(
    .init(field: "tags", comparison: .contains, value: .text("vip")))

  @Test func `events go on while a definition looks at all contacts`() async throws {
    try await withDesk { desk in
      for number in 1...40 {
        try await desk.history.append(
          Identifier(.contact, UInt128(number)), [created("N\(number)"), tagged("vip")])
      }
      try await desk.project()
      try await desk.history.append(
        Self.segment, [.segment(.created(name: "VIPs", filter: Self.vips))])
      // One that is looked at late, and before that by his own event; one who comes after the definition.
      try await desk.history.append(Identifier(.contact, 39), [untagged("vip")])
      try await desk.history.append(Identifier(.contact, 41), [created("New"), tagged("vip")])
      let head = try desk.history.log.head()
      let seen = Mutex<[String]>([])
      var options = LiveProjector.Options()
      options.batchLimit = 4
      options.faults = FaultPoints { point in
        guard point == .sweepStepped else { return }
        let line = try? desk.table(
          """
          SELECT p.position, (SELECT count(*) FROM daybook.sweeps) FROM daybook.projections p
          WHERE p.name = 'segments'
          """
        ).first
        seen.withLock { $0.append(line ?? "") }
      }
      try await desk.projector(options).runToHead()
      // The events behind the definition were applied, and it was at work.
      #expect(seen.withLock { $0 }.contains("\(head) | 1"))
      let found = try await SegmentsQueries.members(
        desk.readers, org: acme, Self.members(limit: 200))
      #expect(
        found.rows.map(\.key.contact) == (1...41).filter { $0 != 39 }.map { UInt128($0) })
      #expect(try desk.table("SELECT * FROM daybook.sweeps") == [])
      #expect(try desk.table("SELECT * FROM daybook.swept") == [])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `meanwhile a segment says that nobody can say who is in, but for the past`()
    async throws
  {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann"), tagged("vip")])
      let before = try await desk.history.append(
        Self.segment, [.segment(.created(name: "VIPs", filter: Self.vips))])
      let position = try await desk.history.append(
        Self.segment, [.segment(.updated(name: "Others", filter: .not(Self.vips)))])
      try await desk.project()
      try desk.execute(
        """
        INSERT INTO daybook.sweeps (name, version, org, position, subject)
        VALUES ('segments', \(SegmentsProjection.version), '\(UUIDText.encode(acme.value))', \(position),
          '\(UUIDText.encode(Self.segment.value))')
        """)
      try await expectNobodyKnows(desk)
      var past = Self.members(limit: 10)
      past.asOf = before
      #expect(try await SegmentsQueries.members(desk.readers, org: acme, past).rows.count == 1)
      await #expect(throws: ProjectionError.sweeping(projection: "segments")) {
        try await desk.rebuilder.check()
      }
      // What was looked at twice is as it was, and then it is known.
      try await desk.project()
      #expect(
        try await SegmentsQueries.members(desk.readers, org: acme, Self.members(limit: 10)).rows
          .isEmpty)
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  private func expectNobodyKnows(_ desk: Desk) async throws {
    let item = try await SegmentsQueries.item(
      desk.readers, org: acme, atMicros: Self.later, segment: Self.segment)
    #expect(item?.isRecomputing == true)
    #expect(item?.memberCount == nil)
    await #expect(throws: SegmentRecomputing()) {
      try await SegmentsQueries.members(desk.readers, org: acme, Self.members(limit: 10))
    }
    await #expect(throws: SegmentRecomputing()) {
      try await SegmentChangeQueries.list(
        desk.readers, org: acme,
        SegmentChangeQueries.Request(segment: Self.segment, nowMicros: Self.later))
    }
    await #expect(throws: SegmentRecomputing()) {
      var request = ContactsQueries.Request(nowMicros: Self.later)
      request.segment = Self.segment
      _ = try await ContactsQueries.list(desk.readers, org: acme, request)
    }
    // Another account's segment is none of its business.
    let stranger = try await SegmentsQueries.item(
      desk.readers, org: other, atMicros: Self.later, segment: Self.segment)
    #expect(stranger == nil)
  }

  @Test func `a small account does not wait for a large one`() async throws {
    try await withDesk { desk in
      for number in 1...60 {
        try await desk.history.append(Identifier(.contact, UInt128(number)), [created("N")])
      }
      try await desk.history.append(bob, [created("Bob")], by: Who(org: other))
      try await desk.history.append(cid, [created("Cal")], by: Who(org: other))
      try await desk.history.append(
        Self.segment, [.segment(.created(name: "VIPs", filter: .not(Self.vips)))])
      try await desk.history.append(
        Identifier(.segment, 6), [.segment(.created(name: "VIPs", filter: .not(Self.vips)))],
        by: Who(org: other))
      let order = Mutex<[String]>([])
      var options = LiveProjector.Options()
      options.batchLimit = 1
      options.faults = FaultPoints { point in
        guard point == .sweepStepped else { return }
        let open = try? desk.table("SELECT subject FROM daybook.sweeps ORDER BY position")
        order.withLock { $0.append(open?.joined() ?? "") }
      }
      try await desk.projector(options).runToHead()
      let large = UUIDText.encode(Self.segment.value)
      let states = order.withLock { $0 }
      let both = states.lastIndex { $0 != large } ?? 0
      #expect(both < 12)
      #expect(states.count > 50)
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a deletion may be undone while its members leave`() async throws {
    try await withDesk { desk in
      for number in 1...30 {
        try await desk.history.append(
          Identifier(.contact, UInt128(number)), [created("N\(number)"), tagged("vip")])
      }
      try await desk.history.append(
        Self.segment, [.segment(.created(name: "VIPs", filter: Self.vips))])
      try await desk.project()
      let again = Segment.Event.restored(
        name: "VIPs", filter: Self.vips, createdAtMicros: History.startMicros)
      try await desk.history.append(Self.segment, [.segment(.deleted)])
      try await desk.history.append(Self.segment, [.segment(again)])
      try await desk.history.append(
        Self.segment, [.segment(.updated(name: "Others", filter: .not(Self.vips)))])
      try await desk.history.append(Self.segment, [.segment(.deleted)])
      try await desk.history.append(Self.segment, [.segment(again)])
      // Steps of one contact: each definition comes while those before it are at work.
      try await desk.project(batchLimit: 1)
      #expect(
        try desk.table("SELECT state FROM daybook.projections WHERE name = 'segments'") == ["live"])
      let item = try await SegmentsQueries.item(
        desk.readers, org: acme, atMicros: Self.later, segment: Self.segment)
      #expect(item?.memberCount == 30)
      #expect(
        try desk.table("SELECT settled_count FROM \(SegmentsProjection.schema).sizes") == ["30"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a rebuild looks at those, too, whom the live rows have looked at before their turn`()
    async throws
  {
    try await withDesk { desk in
      var desk = desk
      desk.projections = [SegmentsProjection.self]
      try await desk.history.append(ann, [created("Ann"), tagged("vip")])
      try await desk.project()
      try await Rebuilder(
        reader: desk.history.log, connectionString: desk.connectionString,
        projections: desk.projections,
        faults: FaultPoints { [desk] point in
          guard point == .rebuildIndexed else { return }
          // The live projection applies a definition while the rebuild is about to, and Ann's event with it.
          desk.history.put(
            Self.segment, [.segment(.created(name: "VIPs", filter: Self.vips))])
          do {
            try desk.execute(
              """
              INSERT INTO daybook.swept (name, version, org, position, id)
              SELECT 'segments', \(SegmentsProjection.version), '\(UUIDText.encode(acme.value))',
                \(desk.history.log.head()), '\(UUIDText.encode(ann.value))'
              """)
          } catch {
            Issue.record(error)
          }
        }
      ).rebuild()
      #expect(
        try desk.table("SELECT count(*) FROM \(SegmentsProjection.schema).members") == ["1"])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  private static let later = History.startMicros + 3_600_000_000

  private static func members(limit: Int) -> SegmentsQueries.MembersRequest {
    SegmentsQueries.MembersRequest(
      segment: segment, nowMicros: later, page: PageRequest(limit: limit))
  }
}
