import AnalyticsProjection
import AuditProjection
import ContactsProjection
import Domain
import EventLog
import Postgres
import ProjectionRuntime
import SeedData
import SegmentsProjection
import Testing
import TimelineProjection
import WalletProjection

/// Goal: the documented reads find their rows by the index that `schema.sql` has for them, and walk no
/// large table. Method: a seeded org; each read is asked as the API asks it, and Postgres's own counters
/// tell which indexes and tables were scanned.
@Suite struct PlansTests {
  @Test func `documented reads use their indexes and walk no large table`() async throws {
    try await withDesk { desk in
      let options = SeedData.Options(
        contactCount: 3_000, eventCount: 30_000, seed: 5, untilMicros: 1_795_132_800_000_000,
        keyHash: String(repeating: "0", count: 64))
      let written = try await SeedData.write(options, to: desk.history.log)
      #expect((29_000...31_000).contains(written.eventCount))
      #expect(written.contactCount == 3_000)
      try await desk.rebuilder.rebuild()
      try desk.execute("VACUUM ANALYZE")
      let reads = try await DocumentedReads(desk, options.org, nowMicros: options.untilMicros)
      for read in reads.all { try await expectPlan(read, desk) }
    }
  }

  /// What a page costs does not depend on how many share a name.
  @Test func `contacts of one name are walked, not sorted, in any order of the further keys`()
    async throws
  {
    try await withDesk { desk in
      for number in 1...3_000 {
        try await desk.history.append(
          Identifier(.contact, UInt128(number)), [created("Same")])
      }
      try await desk.rebuilder.rebuild()
      try desk.execute("VACUUM ANALYZE")
      let orders: [[ContactsQueries.Tiebreak]] = [
        [], [.init(.id, isTurned: false)], [.init(.id, isTurned: true)],
        [.init(.createdAt, isTurned: false)], [.init(.createdAt, isTurned: true)],
        [.init(.createdAt, isTurned: false), .init(.id, isTurned: true)],
        [.init(.createdAt, isTurned: true), .init(.id, isTurned: false)],
        [.init(.createdAt, isTurned: true), .init(.id, isTurned: true)],
      ]
      for tiebreaks in orders {
        try desk.execute("SELECT pg_stat_reset()")
        let pool = desk.readers
        var request = ContactsQueries.Request(
          nowMicros: History.laterMicros, page: PageRequest(limit: 20))
        request.sort = .name
        request.tiebreaks = tiebreaks
        for _ in 1...3 {
          let page = try await ContactsQueries.list(pool, org: acme, request)
          #expect(page.rows.count == 20)
          request.page.after = page.next
        }
        pool.close()
        _ = try await indexes(desk, including: "contacts_by_name")
        let read = try desk.table(
          """
          SELECT (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes)
            + (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables
               WHERE schemaname <> 'daybook')
          """)
        let count = try #require(read.first.flatMap { Int($0) })
        #expect((60...600).contains(count), "\(tiebreaks) read \(count) rows")
      }
    }
  }

  private func expectPlan(_ read: DocumentedReads.Read, _ desk: Desk) async throws {
    try desk.execute("SELECT pg_stat_reset()")
    let pool = desk.readers
    try await read.ask(pool)
    pool.close()
    let used = try await indexes(desk, including: read.index)
    #expect(used.contains(read.index), "\(read.name) used \(used)")
    let walked = try desk.table(
      """
      SELECT s.relname FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
      WHERE s.seq_scan > 0 AND c.reltuples > 1000 AND s.schemaname <> 'daybook'
      """)
    #expect(walked.isEmpty, "\(read.name) walked \(walked)")
  }

  /// A connection that ends hands its counters over within a moment.
  private func indexes(_ desk: Desk, including wanted: String) async throws -> [String] {
    var used: [String] = []
    for _ in 0..<200 {
      used = try desk.table(
        "SELECT indexrelname FROM pg_stat_user_indexes WHERE idx_scan > 0 ORDER BY 1")
      if used.contains(wanted) { return used }
      try await Task.sleep(for: .milliseconds(20))
    }
    return used
  }
}

/// What the API asks of the read models.
private struct DocumentedReads {
  struct Read {
    let name: String
    let index: String
    let ask: (PostgresPool) async throws -> Void
  }

  private(set) var all: [Read] = []
  private let org: Identifier
  private let nowMicros: Micros

  init(_ desk: Desk, _ org: Identifier, nowMicros: Micros) async throws {
    self.org = org
    self.nowMicros = nowMicros
    let contacts = try await ContactsQueries.list(
      desk.readers, org: org, ContactsQueries.Request(nowMicros: nowMicros))
    let segments = try await SegmentsQueries.list(
      desk.readers, org: org, atMicros: nowMicros, PageRequest())
    let campaigns = try await CampaignQueries.list(desk.readers, org: org, PageRequest())
    let contact = try #require(contacts.rows.first)
    let segment = Identifier(.segment, try #require(segments.rows.first).segment.key.id)
    let newcomers = try #require(segments.rows.first { $0.segment.name == "New this week" })
    let campaign = Identifier(.campaign, try #require(campaigns.rows.first).campaign.key.id)
    addContacts(contact)
    addSegments(segment, Identifier(.segment, newcomers.segment.key.id))
    addTimeline(Identifier(.contact, contact.contact), campaign)
    addAnalytics(campaign)
    addAudit(Identifier(.contact, contact.contact), campaign)
  }

  private mutating func add(
    _ name: String, _ index: String, _ ask: @escaping (PostgresPool) async throws -> Void
  ) {
    all.append(Read(name: name, index: index, ask: ask))
  }

  private mutating func addContacts(_ contact: ContactRow) {
    let org = org
    let now = nowMicros
    let cases: [(String, String, (inout ContactsQueries.Request) -> Void)] = [
      ("contacts, newest first", "contacts_by_creation", { _ in }),
      ("contacts by name", "contacts_by_name", { $0.sort = .name }),
      ("contacts by phone", "contacts_by_phone", { $0.phone = contact.state.details.phone }),
      ("contacts by email", "contacts_by_email", { $0.email = contact.state.details.email }),
      ("contacts with a tag", "contact_tags_pkey", { $0.tag = "vip" }),
    ]
    for (name, index, change) in cases {
      var request = ContactsQueries.Request(nowMicros: now)
      change(&request)
      add(name, index) { [request] pool in
        _ = try await ContactsQueries.list(pool, org: org, request)
      }
    }
    let id = Identifier(.contact, contact.contact)
    add("a contact", "contacts_pkey") { pool in
      _ = try await ContactsQueries.item(pool, org: org, contact: id)
    }
  }

  private mutating func addSegments(_ segment: Identifier, _ newcomers: Identifier) {
    let org = org
    let now = nowMicros
    add("a segment's count", "members_unsettled") { pool in
      _ = try await SegmentsQueries.item(pool, org: org, atMicros: now, segment: segment)
    }
    add("a segment's members", "members_settled") { pool in
      _ = try await SegmentsQueries.members(
        pool, org: org, SegmentsQueries.MembersRequest(segment: segment, nowMicros: now))
    }
    for index in ["members_leaving", "members_coming", "members_settled"] {
      add("the members of a segment whom time takes out", index) { pool in
        _ = try await SegmentsQueries.members(
          pool, org: org, SegmentsQueries.MembersRequest(segment: newcomers, nowMicros: now))
      }
    }
    add("a segment's changes", "changes_pkey") { pool in
      _ = try await SegmentChangeQueries.list(
        pool, org: org, SegmentChangeQueries.Request(segment: segment, nowMicros: now))
    }
  }

  private mutating func addTimeline(_ contact: Identifier, _ campaign: Identifier) {
    let org = org
    add("a timeline", "entries_pkey") { pool in
      _ = try await TimelineQueries.list(
        pool, org: org, TimelineQueries.Request(contact: contact))
    }
    add("what an event led to", "entries_by_cause") { pool in
      _ = try await TimelineQueries.effects(pool, org: org, of: 7, PageRequest())
    }
    let cases: [(String, String, (inout MessageQueries.Request) -> Void)] = [
      ("messages, newest first", "messages_by_position", { _ in }),
      ("a contact's messages", "messages_by_contact", { $0.contact = contact }),
      ("a campaign's messages", "messages_by_campaign", { $0.campaign = campaign }),
      ("failed messages", "messages_troubled", { $0.status = .failed }),
    ]
    for (name, index, change) in cases {
      var request = MessageQueries.Request()
      change(&request)
      add(name, index) { [request] pool in
        _ = try await MessageQueries.list(pool, org: org, request)
      }
    }
  }

  private mutating func addAnalytics(_ campaign: Identifier) {
    let org = org
    add("a campaign with its counts", "message_facts_by_campaign") { pool in
      _ = try await CampaignQueries.item(pool, org: org, campaign: campaign)
    }
    add("the rows of a campaign's figure", "message_facts_by_campaign") { pool in
      var request = AnalyticsQueries.RowsRequest(.delivered)
      request.scope.campaign = campaign
      _ = try await AnalyticsQueries.rows(pool, org: org, request)
    }
    add("the rows of a figure", "message_facts_pkey") { pool in
      _ = try await AnalyticsQueries.rows(pool, org: org, AnalyticsQueries.RowsRequest(.sent))
    }
  }

  private mutating func addAudit(_ contact: Identifier, _ campaign: Identifier) {
    let org = org
    let cases: [(String, String, (inout AuditQueries.Request) -> Void)] = [
      ("the audit, newest first", "events_pkey", { _ in }),
      ("the audit of a contact", "events_by_contact", { $0.contact = contact }),
      ("the audit of a campaign", "events_by_campaign", { $0.campaign = campaign }),
      ("the audit of an actor", "events_by_actor", { $0.actor = "operator" }),
      ("the audit of refusals", "events_by_outcome", { $0.outcome = "refused" }),
    ]
    for (name, index, change) in cases {
      var request = AuditQueries.Request()
      change(&request)
      add(name, index) { [request] pool in
        _ = try await AuditQueries.list(pool, org: org, request)
      }
    }
  }
}
