import AnalyticsProjection
import AuditProjection
import ContactsProjection
import Domain
import EventLog
import JSON
import Postgres
import ProjectionRuntime
import ReadModels
import SegmentsProjection
import Testing
import TimelineProjection
import WalletProjection

/// The read sides: what the API asks for.
@Suite struct QueriesTests {
  @Test func `contacts are listed by page, search, tag, segment, filter and name`() async throws {
    try await withDesk { desk in
      let segment = Identifier(.segment, 5)
      let vips = Filter.condition(
        .init(field: "tags", comparison: .contains, value: .text("vip")))
      try await desk.history.append(
        segment, [.segment(.created(name: "VIPs", filter: vips))])
      try await desk.history.append(ann, [created("Ann", phone: "+12025550100"), tagged("vip")])
      try await desk.history.append(bob, [created("Bob", email: "B_b@Example.com")])
      try await desk.history.append(cid, [created("Cid", company: "Bob's"), tagged("vip")])
      try await desk.project()
      let cases: [(request: ContactsQueries.Request, names: [String?])] = [
        (request { _ in }, ["Cid", "Bob", "Ann"]),
        (request { $0.sort = .name }, ["Ann", "Bob", "Cid"]),
        (request { $0.q = "BOB" }, ["Cid", "Bob"]),
        (request { $0.q = "b_b" }, ["Bob"]),
        (request { $0.tag = "vip" }, ["Cid", "Ann"]),
        (request { $0.segment = segment }, ["Cid", "Ann"]),
        (request { $0.phone = "+12025550100" }, ["Ann"]),
        (request { $0.email = "b_B@example.com" }, ["Bob"]),
        (request { $0.filter = .not(vips) }, ["Bob"]),
      ]
      for (request, names) in cases {
        let page = try await ContactsQueries.list(desk.readers, org: acme, request)
        #expect(page.rows.map(\.state.details.firstName) == names)
        #expect(page.total == names.count)
      }
    }
  }

  private func request(
    _ change: (inout ContactsQueries.Request) -> Void
  ) -> ContactsQueries.Request {
    var request = ContactsQueries.Request(nowMicros: History.laterMicros)
    request.page.wantsTotal = true
    change(&request)
    return request
  }

  @Test(arguments: ContactsQueries.Sort.allCases)
  func `pages of contacts follow each other without a gap or a double`(
    sort: ContactsQueries.Sort
  ) async throws {
    try await withDesk { desk in
      for number in 1...7 {
        try await desk.history.append(
          Identifier(.contact, UInt128(number)), [created("N\(number % 3)")])
      }
      try await desk.project()
      var request = ContactsQueries.Request(
        nowMicros: History.laterMicros, page: PageRequest(limit: 3))
      request.sort = sort
      var seen: [UInt128] = []
      repeat {
        let page = try await ContactsQueries.list(desk.readers, org: acme, request)
        seen += page.rows.map(\.contact)
        request.page.after = page.next
      } while request.page.after != nil
      #expect(seen.count == 7)
      #expect(Set(seen).count == 7)
      request.page.isReversed = true
      request.page.limit = 10
      let turned = try await ContactsQueries.list(desk.readers, org: acme, request)
      #expect(turned.rows.map(\.contact) == seen.reversed())
      // Back from the fifth: the three before it, in the direction of the walk.
      request.page = PageRequest(limit: 3, after: turned.cursors.reversed()[4])
      request.page.isBackwards = true
      let before = try await ContactsQueries.list(desk.readers, org: acme, request)
      #expect(before.rows.map(\.contact) == [seen[3], seen[2], seen[1]])
      #expect(before.hasMore)
      request.page.isBackwards = false
      request.page.after = "no cursor"
      await #expect(throws: InvalidCursor()) {
        try await ContactsQueries.list(desk.readers, org: acme, request)
      }
    }
  }

  /// Anybody can write such a cursor. What the database refuses would be reported to operators as its failure.
  @Test(
    arguments: [
      (.newestFirst, ["contacts.created_at.contact", "-9223372036854775808"]),
      (.newestFirst, ["contacts.created_at.contact", "9223372036854775807"]),
      (.name, ["contacts.name.contact", "a\0"]),
    ] as [(ContactsQueries.Sort, [String])])
  func `a cursor that no row has is none`(
    sort: ContactsQueries.Sort, parts: [String]
  ) async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.project()
      var request = ContactsQueries.Request(nowMicros: History.laterMicros)
      request.sort = sort
      let id = UUIDText.encode(1)
      request.page.after = Cursor(parts[0], [parts[1], id]).text
      await #expect(throws: InvalidCursor()) {
        try await ContactsQueries.list(desk.readers, org: acme, request)
      }
      // An id that is read, and not by the database.
      let good = sort == .name ? "z" : "0"
      request.page.after = Cursor(parts[0], [good, "+" + id.dropFirst()]).text
      #expect(try await ContactsQueries.list(desk.readers, org: acme, request).rows.isEmpty)
    }
  }

  @Test func `contacts of one name come in the order of the further keys, in either direction`()
    async throws
  {
    try await withDesk { desk in
      for number in 1...9 {
        try await desk.history.append(
          Identifier(.contact, UInt128(number)), [created("N\(number % 3)")])
      }
      try await desk.project()
      var request = ContactsQueries.Request(
        nowMicros: History.laterMicros, page: PageRequest(limit: 2))
      request.sort = .name
      request.tiebreaks = [.init(.id, isTurned: true)]
      let expected: [UInt128] = [9, 6, 3, 7, 4, 1, 8, 5, 2]
      #expect(try await walk(request, desk) == expected)
      request.page.isReversed = true
      #expect(try await walk(request, desk) == expected.reversed())
      request.page.isReversed = false
      request.tiebreaks = [.init(.createdAt, isTurned: true), .init(.id, isTurned: false)]
      let byTime = try await walk(request, desk)
      #expect(Set(byTime).count == 9)
      #expect(byTime.map { $0 % 3 } == [0, 0, 0, 1, 1, 1, 2, 2, 2])
    }
  }

  @Test(arguments: [
    [ContactsQueries.Tiebreak(.id, isTurned: true)],
    [.init(.createdAt, isTurned: true)],
    [.init(.createdAt, isTurned: false), .init(.id, isTurned: true)],
    [.init(.createdAt, isTurned: true), .init(.id, isTurned: true)],
  ])
  func `names of one person, of many and of odd characters come in pages of any size`(
    _ tiebreaks: [ContactsQueries.Tiebreak]
  ) async throws {
    try await withDesk { desk in
      // Composed and decomposed, which Swift takes as one and the database as two; and a separator of units.
      let names = ["", "Ann", "Ren\u{E9}", "Rene\u{301}", "a\u{1F}b", "Zoe"]
      for number in 1...40 {
        let name = number.isMultiple(of: 10) ? "Solo \(number)" : names[number % names.count]
        try await desk.history.append(Identifier(.contact, UInt128(number)), [created(name)])
      }
      try await desk.project()
      var request = ContactsQueries.Request(
        nowMicros: History.laterMicros, page: PageRequest(limit: 200))
      request.sort = .name
      request.tiebreaks = tiebreaks
      let whole = try await walk(request, desk)
      #expect(whole.count == 40 && Set(whole).count == 40)
      for isReversed in [false, true] {
        request.page = PageRequest(limit: 200)
        request.page.isReversed = isReversed
        let expected = isReversed ? Array(whole.reversed()) : whole
        for limit in [1, 2, 3, 7, 39] {
          request.page.limit = limit
          request.page.after = nil
          #expect(try await walk(request, desk) == expected)
        }
      }
    }
  }

  private func walk(
    _ request: ContactsQueries.Request, _ desk: Desk
  ) async throws -> [UInt128] {
    var request = request
    var seen: [UInt128] = []
    repeat {
      let page = try await ContactsQueries.list(desk.readers, org: acme, request)
      seen += page.rows.map(\.contact)
      request.page.after = page.next
    } while request.page.after != nil
    return seen
  }

  @Test func `what came after a position is not in a list that is pinned to it`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.project()
      let position = try desk.history.log.head()
      try await desk.history.append(bob, [created("Bob")])
      try await desk.project()
      let pinned = try await ContactsQueries.list(
        desk.readers, org: acme, request { $0.page.upTo = position })
      #expect(pinned.rows.map(\.state.details.firstName) == ["Ann"])
      #expect(pinned.total == 1)
    }
  }

  @Test func `a timeline shows messages as they stand now, newest first`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(message(1), [planned(to: ann, "Hello"), queued, dispatched])
      try await desk.history.append(message(1), [accepted, sent, delivered])
      try await desk.project()
      var request = TimelineQueries.Request(contact: ann, page: PageRequest(limit: 1))
      let first = try await TimelineQueries.list(desk.readers, org: acme, request)
      #expect(first.rows.map(\.type) == ["message.delivered"])
      #expect(first.rows.first?.message?.body == "Hello")
      request.page.after = first.next
      let second = try await TimelineQueries.list(desk.readers, org: acme, request)
      #expect(second.rows.map(\.type) == ["contact.created"])
      #expect(second.next == nil)
      let item = try await MessageQueries.item(desk.readers, org: acme, message: message(1))
      #expect(item?.verdict?["outcome"]?.string == "allowed")
      var messages = MessageQueries.Request()
      messages.contact = ann
      messages.status = .delivered
      messages.direction = "outbound"
      let listed = try await MessageQueries.list(desk.readers, org: acme, messages)
      #expect(listed.rows == [item])
    }
  }

  @Test func `a segment knows its members and their number`() async throws {
    try await withDesk { desk in
      let segment = Identifier(.segment, 5)
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(bob, [created("Bob")])
      try await desk.history.append(
        segment, [.segment(.created(name: "All", filter: .all([])))])
      try await desk.project()
      let listed = try await SegmentsQueries.list(
        desk.readers, org: acme, atMicros: History.laterMicros, PageRequest())
      #expect(listed.rows.map(\.memberCount) == [2])
      let item = try await SegmentsQueries.item(
        desk.readers, org: acme, atMicros: History.laterMicros, segment: segment)
      #expect(item == listed.rows.first)
      let members = try await SegmentsQueries.members(
        desk.readers, org: acme, .init(segment: segment, nowMicros: History.laterMicros))
      #expect(members.rows.map(\.key.contact) == [ann.value, bob.value])
    }
  }

  @Test func `a wallet's balance and statement`() async throws {
    try await withDesk { desk in
      try await desk.history.append(
        wallet,
        [
          .wallet(.opened), .wallet(.funded(amountMicros: 100, paymentID: "p1", method: "card")),
          .wallet(.held(message: message(1), amountMicros: 40)),
        ])
      try await desk.project()
      let row = try await WalletQueries.balance(desk.readers, org: acme)
      #expect(row?.balanceMicros == 100)
      #expect(row?.availableMicros == 60)
      let page = try await WalletQueries.transactions(desk.readers, org: acme, .init())
      #expect(page.rows.map(\.kind) == [.hold, .credit])
      #expect(page.rows.map(\.heldAfterMicros) == [40, 0])
      #expect(try await WalletQueries.balance(desk.readers, org: other) == nil)
    }
  }

  @Test func `the audit names who asked for what a part of the system did`() async throws {
    try await withDesk { desk in
      try await desk.history.append(ann, [created("Ann")])
      try await desk.history.append(
        message(1), [planned(to: ann, "Hello"), queued],
        by: Who(actor: "system:dispatcher", origin: "reactor", causation: 1))
      try await desk.project()
      var request = AuditQueries.Request()
      request.contact = ann
      let page = try await AuditQueries.list(desk.readers, org: acme, request)
      #expect(page.rows.map(\.type) == ["message.queued", "message.planned", "contact.created"])
      #expect(page.rows.map(\.onBehalfOf) == ["user:usr_1", "user:usr_1", nil])
      #expect(page.rows.first?.verdict?["outcome"]?.string == "allowed")
      #expect(page.rows.first?.subject == message(1))
      request.type = "message.*"
      request.actor = "system:dispatcher"
      #expect(try await AuditQueries.list(desk.readers, org: acme, request).rows.count == 2)
    }
  }

  @Test func `a read waits for its read models, for so long and no longer`() async throws {
    try await withDesk { desk in
      let position = try await desk.history.append(ann, [created("Ann")])
      try await desk.project()
      let names = ["contacts", "timeline"]
      let pool = desk.readers
      #expect(
        try await ReadModels.wait(
          for: names, position: position, pool: pool, timeoutMillis: 60_000) == position)
      #expect(
        try await ReadModels.wait(
          for: names, position: position + 1, pool: pool, timeoutMillis: 20) == position)
      await #expect(throws: ProjectionError.unknownProjection("nothing")) {
        try await ReadModels.appliedPosition(of: ["nothing"], pool)
      }
    }
  }
}
