import Application
import Domain
import HTTP
import JSON
import Synchronization
import Testing

@testable import API

/// What pages and lines of lists are made of.
@Suite struct ListTests {
  // MARK: Cursors

  @Test func `a cursor is read as it was written`() {
    for moment in [0, 1_900_000_000_000_000, Timestamp.fourDigitYears.upperBound] {
      let cursor = ListCursor(
        list: .max, pin: .init(position: 7, momentMicros: moment), place: "6a.00")
      #expect(ListCursor(cursor.text) == cursor)
    }
  }

  /// Anybody can write one: a moment that has no text would end the process where it is shown or reckoned with.
  @Test(arguments: [
    Int64.min, .min + 1, Timestamp.fourDigitYears.lowerBound - 1,
    Timestamp.fourDigitYears.upperBound + 1, .max,
  ])
  func `a cursor of a moment that nobody had is none`(moment: Micros) {
    let pin = ListRequest.Pin(position: 7, momentMicros: moment)
    #expect(ListCursor(ListCursor(list: 1, pin: pin, place: "6a").text) == nil)
  }

  // MARK: Orders

  private func person(_ first: String, _ last: String) -> JSON {
    [
      "id": "con_00000000000000000000000001", "first_name": .string(first),
      "last_name": .string(last), "email": .string(last),
      "created_at": "2026-11-21T08:00:00.000Z",
    ]
  }

  /// Who has the longest texts there are in every key still has pages behind them: hexadecimal, and with the rest of the
  /// target and of the cursor.
  @Test(arguments: ["x", "é", "😀"])
  func `a place fits into the target of a request`(letter: String) throws {
    let text = String(repeating: letter, count: 2_000 / letter.utf8.count)
    let order = RowOrder(SortOrder("-created_at,name,email"), isBackwards: false)
    let place = order.place(of: person(text, text), key: "con_00000000000000000000000001")
    let cursor = ListCursor(
      list: .max, pin: .init(position: .max, momentMicros: 0), place: RowOrder.text(of: place))
    #expect(cursor.text.utf8.count < HTTPLimits().maxTargetBytes - 1_000)
    #expect(order.place(RowOrder.text(of: place)) == place)
  }

  @Test func `texts that differ where they are long are put in order by what differs before`() {
    let order = RowOrder(SortOrder("name"), isBackwards: false)
    func place(_ name: String, _ key: String) -> [String] {
      order.place(of: ["name": .string(name)], key: key)
    }
    let long = String(repeating: "n", count: 255)
    #expect(order.precedes(place(long + "a", "2"), place(long + "b", "1")))
    #expect(!order.precedes(place(long + "b", "1"), place(long + "a", "2")))
    // From the 257th letter on, as with the names of contacts, the next key decides.
    #expect(order.precedes(place(long + "xb", "1"), place(long + "xa", "2")))
  }

  // MARK: Pinned pages

  /// Roles that went since the first page are looked for in the log, from there on: for a list that somebody left open over
  /// night, much of it.
  @Test func `what a later page reads in the log is read in the lane`() async throws {
    try await APIHouse.with { house in
      let made = try await house.executor.perform(APIHouse.call) { workspace throws(CommandError) in
        var roles: [Identifier] = []
        for name in ["zeta", "zulu"] {
          roles.append(
            try workspace.createRole(name: name, scopes: ["contacts:read"], by: Grants(["*"])))
        }
        return roles
      }
      let roles = try #require(made.output)
      let first = await house.get("/api/roles?sort=name&limit=1")
      let next = try #require(first.json["next"]?.string)
      _ = try await house.executor.perform(APIHouse.call) { workspace throws(CommandError) in
        try workspace.deleteRole(roles[0])
      }
      let counts = Mutex<Set<Int>>([])
      house.log.watch { _ in _ = counts.withLock { $0.insert(house.services.scans.count) } }
      let rest = await house.get("/api/roles?sort=name&limit=100&after=\(next)")
      #expect(counts.withLock { $0 } == [1])
      let names = rest.json["data"]?.array?.compactMap { $0["name"]?.string } ?? []
      #expect(names.suffix(2) == ["zeta", "zulu"])
    }
  }

  // MARK: Lines

  private static func lines(
    of first: JSON?, limit: Int = 50, _ page: @escaping ListStream.PageReader
  ) async throws -> [[UInt8]] {
    let response = ListStream.response(
      first: first, limit: limit, page: page, requestID: "req_1")
    guard case .stream(let lines) = response.body else {
      Issue.record("no stream")
      return []
    }
    var all: [[UInt8]] = []
    for await bytes in lines { all.append(bytes) }
    return all
  }

  /// Goal: a list that fails on the way does not end as a whole one does.
  @Test(arguments: 1...8)
  func `what fails on the way is the last line`(failing: Int) async throws {
    let asked = Mutex(0)
    let page: JSON = ["data": [["id": "x"]], "has_more": true, "next": "n"]
    let lines = try await Self.lines(of: page) { _, _ throws(APIError) in
      let count = asked.withLock { asked in
        asked += 1
        return asked
      }
      guard count == failing else { return page }
      throw APIError(503, "unavailable", "read_timeout", "Too long.")
    }
    let all = String(decoding: lines.joined(), as: UTF8.self).split(separator: "\n")
    #expect(all.count == failing + 1)
    #expect(all.last?.contains(#""code":"read_timeout""#) == true)
    #expect(all.dropLast().allSatisfy { $0 == #"{"id":"x"}"# })
  }

  /// Goal: a client that reads slowly keeps little, however large the objects are. Method: a list of 300, in which large
  /// ones follow small ones, small ones them, and one is larger than a page.
  @Test(arguments: [true, false])
  func `lines come in pages that are small in bytes too`(hasFirst: Bool) async throws {
    @Sendable func text(_ index: Int) -> String {
      let length = index == 200 ? 400_000 : (100..<250).contains(index) ? 40_000 : 10
      return String(repeating: "x", count: length)
    }
    let page: ListStream.PageReader = { after, limit throws(APIError) in
      let start = after.flatMap(Int.init) ?? 0
      let end = min(300, start + limit)
      let items: [JSON] = (start..<end).map {
        ["id": .int(Int64($0)), "text": .string(text($0))]
      }
      return ["data": .array(items), "has_more": .bool(end < 300), "next": .string(String(end))]
    }
    let first = hasFirst ? try await page(nil, 200) : JSON?.none
    let pages = try await Self.lines(of: first, limit: 200, page)
    let ids = try pages.joined().split(separator: 10).map {
      try JSON(parsing: Array($0))["id"]?.int
    }
    #expect(ids == (0..<300).map(Int64.init))
    #expect(pages.count { $0.count > ListStream.pageBytes } == 1)
    // Behind the large ones they grow again.
    #expect(pages.count < 70)
  }

  @Test func `a list that heeds no limit is sent as it is`() async throws {
    let item: JSON = ["text": .string(String(repeating: "x", count: 100_000))]
    let page: JSON = ["data": .array([item, item, item, item]), "has_more": false]
    let pages = try await Self.lines(of: page, limit: 50) { _, _ throws(APIError) in page }
    #expect(pages.count == 1 && pages[0].count > 400_000)
  }

  // MARK: Keys

  /// A tag may have a bar in it, and so may a key.
  @Test func `no two orders are remembered under one name`() {
    func name(_ target: String, _ key: String) -> String {
      HTTPRequest(method: "DELETE", target: target).name(underKey: key)
    }
    #expect(name("/t/x%7Cy", "k") != name("/t/x", "y|k"))
    #expect(name("/t/x%7Cy", "k") != name("/t/x%257Cy", "k"))
    #expect(name("/t/x%257Cy", "k") != name("/t/x%25257Cy", "k"))
    // However the path is written.
    #expect(name("/t/%78", "k") == name("/t/x", "k"))
    // What is in logs already.
    #expect(name("/api/c/tags/vip", "k|1") == "DELETE /api/c/tags/vip|k|1")
  }
}
