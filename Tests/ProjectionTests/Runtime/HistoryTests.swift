import AuditProjection
import ContactsProjection
import Domain
import Postgres
import ProjectionRuntime
import ReadModels
import SegmentsProjection
import Testing
import WalletProjection

/// Rows as they were.
@Suite struct HistoryTests {
  @Test(arguments: [1, 3, 4_000])
  func `a row has a version for each event that touched it, whatever the batches were`(
    batchLimit: Int
  ) async throws {
    try await withTallies { desk in
      try await desk.history.append(ann, [tagged("a"), tagged("b")])
      try await desk.history.append(bob, [tagged("a")])
      try await desk.history.append(ann, [tagged("c")])
      try await desk.project(batchLimit: batchLimit)
      let versions = """
        SELECT count, at_position, is_deleted FROM tallies_v1.tallies_history
        ORDER BY contact, at_position
        """
      #expect(try desk.table(versions) == ["1 | 1 | f", "2 | 2 | f", "3 | 4 | f", "1 | 3 | f"])
      try await desk.rebuilder.rebuild()
      #expect(try desk.table(versions) == ["1 | 1 | f", "2 | 2 | f", "3 | 4 | f", "1 | 3 | f"])
    }
  }

  @Test func `contacts, their tags, segments and the wallet are shown as they were`() async throws {
    try await withDesk { desk in
      let segment = Identifier(.segment, 5)
      let vips = Filter.condition(
        .init(field: "tags", comparison: .contains, value: .text("vip")))
      try await desk.history.append(segment, [.segment(.created(name: "VIPs", filter: vips))])
      try await desk.history.append(ann, [created("Ann"), tagged("vip")])
      let before = try await desk.history.append(
        wallet,
        [
          .wallet(.opened),
          .wallet(.funded(amountMicros: 5_000_000, paymentID: "p1", method: "card")),
        ])
      try await desk.history.append(
        ann, [updated(FieldChange(field: "first_name", value: .text("Anna"))), untagged("vip")])
      try await desk.history.append(bob, [created("Bob"), tagged("vip")])
      try await desk.history.append(
        wallet, [.wallet(.funded(amountMicros: 1_000_000, paymentID: "p2", method: "card"))])
      try await desk.history.append(segment, [.segment(.deleted)])
      try await desk.project()

      var request = ContactsQueries.Request(nowMicros: Self.later)
      request.tag = "vip"
      let now = try await ContactsQueries.list(desk.readers, org: acme, request)
      #expect(now.rows.map(\.state.details.firstName) == ["Bob"])
      request.asOf = before
      request.segment = segment
      let then = try await ContactsQueries.list(desk.readers, org: acme, request)
      #expect(then.rows.map(\.state.details.firstName) == ["Ann"])
      #expect(
        try await ContactsQueries.item(desk.readers, org: acme, contact: bob, asOf: before) == nil)

      let gone = try await SegmentsQueries.list(
        desk.readers, org: acme, atMicros: Self.later, PageRequest())
      #expect(gone.rows.isEmpty)
      let segments = try await SegmentsQueries.list(
        desk.readers, org: acme, atMicros: Self.later, PageRequest(), asOf: before)
      #expect(segments.rows.map(\.memberCount) == [1])

      let balance = try await WalletQueries.balance(desk.readers, org: acme, asOf: before)
      #expect(balance?.balanceMicros == 5_000_000)
      var lines = WalletQueries.Request()
      lines.asOf = before
      let statement = try await WalletQueries.transactions(desk.readers, org: acme, lines)
      #expect(statement.rows.map(\.amountMicros) == [5_000_000])
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  private static let later = History.startMicros + 3_600_000_000

  /// Goal: the rows as of a position are the rows of a log that ends there. Method: the histories of
  /// the projections are compared with rebuilds of prefixes.
  @Test(arguments: 0..<4 as Range<UInt64>)
  func `rows as of a position are those of a log that ends there`(seed: UInt64) async throws {
    let whole = RandomHistory(seed: seed, commitCount: 60)
    try await withDesk { desk in
      try await whole.append(to: desk.history, commits: 60)
      try await desk.project(batchLimit: Int(seed) * 17 + 1)
      for commits in [1, 20, 45] {
        try await withDesk { prefix in
          let position = try await whole.append(to: prefix.history, commits: commits)
          try await prefix.project()
          for table in Self.tables {
            let past = try desk.table(table.source(position))
            let present = try prefix.table(table.source(nil))
            #expect(past == present, "\(table.name) as of \(position), seed \(seed)")
          }
        }
      }
    }
  }

  private struct Table {
    let name: String
    let source: (UInt64?) -> String

    init<Row: KeyedRow>(_: Row.Type, _ projection: any Projection.Type) {
      name = "\(projection.name).\(Row.table)"
      source = { position in
        "SELECT * FROM \(Row.source(projection.schema, asOf: position)) t ORDER BY t::text"
      }
    }

    /// A ledger, whose lines are their own history.
    init<Row: TableRow>(ledger _: Row.Type, _ projection: any Projection.Type) {
      name = "\(projection.name).\(Row.table)"
      source = { position in
        """
        SELECT * FROM \(projection.schema).\(Row.table) t
        WHERE position <= \(position ?? UInt64(Int64.max)) ORDER BY t::text
        """
      }
    }
  }

  private static var tables: [Table] {
    [
      Table(ContactRow.self, ContactsProjection.self),
      Table(ContactTagRow.self, ContactsProjection.self),
      Table(SegmentRow.self, SegmentsProjection.self),
      Table(MemberRow.self, SegmentsProjection.self),
      Table(WalletRow.self, WalletProjection.self),
      Table(ledger: TransactionRow.self, WalletProjection.self),
      Table(ledger: AuditRow.self, AuditProjection.self),
    ]
  }
}
