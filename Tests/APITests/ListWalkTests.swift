import Domain
import Foundation
import HTTP
import JSON
import ProjectionRuntime
import Synchronization
import TestSupport
import Testing

@testable import API

/// A filter that no query knows goes through the list itself, and the list may be long.
@Suite struct ListWalkTests {
  /// 2,000 rows, of which these are wanted.
  private static let wanted = [0, 700, 701, 702, 1_999]

  private static func rows(_ request: ListRequest) -> ListRows {
    let start = request.page.after.flatMap { Int($0) }.map { $0 + 1 } ?? 0
    let shown = Array((start..<2_000).prefix(request.page.limit))
    return ListRows(
      items: shown.map { JSON($0) }, cursors: shown.map(String.init),
      hasMore: shown.last != 1_999, position: 5)
  }

  private static func walk(
    isInTime: Bool, right: @escaping () throws(APIError) -> Void = {}
  ) -> ListWalk {
    let now = ContinuousClock.now
    return ListWalk(
      matches: { item, _ in wanted.contains(Int(item.int ?? -1)) }, nowMicros: { 1 },
      deadline: isInTime ? now + .seconds(3_600) : now, right: right)
  }

  private static func request(limit: Int, after: String? = nil) -> ListRequest {
    ListRequest(page: PageRequest(limit: limit, after: after), sort: SortOrder("id"))
  }

  @Test(arguments: [true, false], 1...6)
  func `all that match are on the pages, whatever time there is for one`(
    isInTime: Bool, limit: Int
  ) async throws {
    var found: [Int] = []
    var next: String?
    var pageCount = 0
    repeat {
      let page = try await Self.walk(isInTime: isInTime).page(
        Self.request(limit: limit, after: next), of: Self.rows)
      #expect(page.items.count <= limit)
      found += page.items.compactMap { $0.int.map { Int($0) } }
      next = page.hasMore ? page.reached ?? page.cursors.last : nil
      pageCount += 1
    } while next != nil
    #expect(found == Self.wanted)
    #expect(pageCount >= (isInTime ? 1 : 4))
  }

  @Test func `a page ends where its time does, and says where`() async throws {
    let page = try await Self.walk(isInTime: false).page(Self.request(limit: 50), of: Self.rows)
    #expect(page.items == [0] && page.hasMore && page.reached == "99")
    #expect(page.position == 5)
  }

  private static let note = JSON.string(String(repeating: "x", count: 500_000))

  /// Half a megabyte each, as many as there are.
  private static func largeRows(_ request: ListRequest, most: inout Int) -> ListRows {
    most = max(most, request.page.limit)
    var rows = rows(request)
    rows.items = rows.items.map {
      ["id": $0, "note": note]
    }
    return rows
  }

  @Test(arguments: [true, false])
  func `a page of large objects ends where it has no more room, and the next goes on there`(
    isFiltered: Bool
  ) async throws {
    var found: [Int64] = []
    var next: String?
    var most = 0
    let walk = ListWalk(
      matches: { _, _ in true }, nowMicros: { 1 }, deadline: .now + .seconds(3_600), right: {})
    while found.count < 200 {
      let request = Self.request(limit: 200, after: next)
      let rows: ListWalk.Rows = { (request) throws(APIError) in
        Self.largeRows(request, most: &most)
      }
      let page =
        isFiltered
        ? try await walk.page(request, of: rows)
        : try await PageRoom.page(request, nowMicros: { 1 }, of: rows)
      #expect(page.items.roughBytes <= PageRoom.bytes && page.items.count >= 15)
      #expect(page.items.count == page.cursors.count && page.hasMore && page.reached == nil)
      found += page.items.compactMap { $0["id"]?.int }
      next = page.cursors.last
    }
    #expect(found == found.indices.map(Int64.init))
    #expect(most <= PageRoom.firstRead)
  }

  @Test func `small objects fill the page that was asked for, in one position`() async throws {
    var asked: [ListRequest] = []
    let page = try await PageRoom.page(Self.request(limit: 180), nowMicros: { 7 }) {
      (request) throws(APIError) in
      asked.append(request)
      return Self.rows(request)
    }
    #expect(page.items == (0..<180).map { JSON($0) } && page.hasMore)
    #expect(asked.map(\.page.limit) == [100, 80])
    #expect(asked[0].pin == nil && asked[1].pin == .init(position: 5, momentMicros: 7))
  }

  @Test func `one object is shown however large it is`() {
    var taken = 0
    let large = JSON.string(String(repeating: "x", count: PageRoom.bytes + 1))
    #expect(PageRoom.count(of: [large, large], beside: &taken) == 1)
    #expect(PageRoom.count(of: [.null], beside: &taken) == 0)
  }

  @Test func `a part of a list has no total`() async throws {
    let count = try await Self.walk(isInTime: true).count(Self.request(limit: 1), of: Self.rows)
    #expect(count == Self.wanted.count)
    let error = await #expect(throws: APIError.self) {
      try await Self.walk(isInTime: false).count(Self.request(limit: 1), of: Self.rows)
    }
    #expect(error?.status == 503 && error?.code == "read_timeout")
  }

  @Test func `a walk ends with the right of who ordered it`() async throws {
    var asked = 0
    let walk = Self.walk(isInTime: true) { () throws(APIError) in
      asked += 1
      if asked == 2 { throw .unauthorized }
    }
    var error = await #expect(throws: APIError.self) {
      try await walk.page(Self.request(limit: 50), of: Self.rows)
    }
    #expect(error == .unauthorized && asked == 2)
    asked = 0
    error = await #expect(throws: APIError.self) {
      try await walk.count(Self.request(limit: 50), of: Self.rows)
    }
    #expect(error == .unauthorized && asked == 2)
  }

  @Test func `a walk ends when nobody waits for it any more`() async throws {
    for isCount in [true, false] {
      let asked = Mutex(0)
      let client = Client()
      let error = await #expect(throws: APIError.self) {
        try await client.ask {
          let walk = Self.walk(isInTime: true)
          let rows: ListWalk.Rows = { request in
            asked.withLock { $0 += 1 }
            client.hangUp()
            return Self.rows(request)
          }
          if isCount {
            _ = try await walk.count(Self.request(limit: 50), of: rows)
          } else {
            _ = try await walk.page(Self.request(limit: 50), of: rows)
          }
        }
      }
      #expect(error == .clientGone)
      #expect(asked.withLock { $0 } == 1)
    }
  }

  // MARK: Through the API

  /// A report of three rows, whose second reader waits at the door.
  private final class Report: Sendable {
    private struct State {
      var running = 0
      var most = 0
      var begun = 0
    }

    let door = TestSupport.Gate()
    private let state = Mutex(State())

    /// How many readers there were, and the most at a time.
    var begun: Int { state.withLock { $0.begun } }
    var most: Int { state.withLock { $0.most } }

    var operation: API.Operation {
      let item = Schema.object("Row", [.required("id", .string()), .required("created_at", .time)])
      return .list("/api/segments", "segments:read", "Rows", of: item) { [self] _, list in
        await read(list)
      }
    }

    private func read(_ list: ListRequest) async -> ListRows {
      let begun = state.withLock { state in
        state.running += 1
        state.begun += 1
        state.most = max(state.most, state.running)
        return state.begun
      }
      defer { state.withLock { $0.running -= 1 } }
      if begun == 2 { await door.wait() }
      let number = (list.page.after.flatMap { Int($0) } ?? 0) + 1
      return ListRows(
        items: [["id": .string("\(number)"), "created_at": "2033-01-01T00:00:00.000Z"]],
        cursors: ["\(number)"], hasMore: number < 3, position: 0, isFromReadModel: false)
    }
  }

  @Test func `every page of a report's lines is read in the line of reports`() async throws {
    let report = Report()
    let operation = report.operation
    try #require(operation.isReport)
    try await APIHouse.with({ $0.readConnections = 2 }, operations: [operation]) { house in
      let response = await house.send("/api/segments?limit=1", accept: "application/x-ndjson")
      guard case .stream(let chunks) = response.body else {
        Issue.record("no stream")
        return
      }
      // Nothing is read before somebody takes it.
      async let all = Self.lines(of: chunks)
      while report.begun < 2 { await Task.yield() }
      async let other = house.get("/api/segments?limit=1")
      // In the line behind it, or beside it already.
      while house.server.reports.count < 2, report.begun < 3 { await Task.yield() }
      report.door.open()
      #expect(await other.status == 200)
      let lines = try await all
      #expect(lines.count == 3)
      #expect(report.most == 1)
    }
  }

  private static func lines(of chunks: AsyncStream<[UInt8]>) async throws -> [JSON] {
    var text = ""
    for await chunk in chunks { text += String(decoding: chunk, as: UTF8.self) }
    return try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
  }

  @Test func `a page that is read is not told to who has lost the right meanwhile`() async throws {
    let report = Report()
    try await APIHouse.with(operations: [report.operation]) { house in
      let response = await house.send("/api/segments?limit=1", accept: "application/x-ndjson")
      guard case .stream(let chunks) = response.body else {
        Issue.record("no stream")
        return
      }
      async let all = Self.lines(of: chunks)
      while report.begun < 2 { await Task.yield() }
      house.endKey()
      report.door.open()
      let lines = try await all
      #expect(lines.count == 2)
      #expect(lines.first?["id"]?.string == "1")
      #expect(lines.last?["error"]?["code"]?.string == "api_key_expired")
    }
  }

  @Test func `a filter's page goes on by its cursor, and its total takes the time there is`()
    async throws
  {
    try await APIHouse.with({ $0.listMillis = 0 }) { house in
      for number in 0..<1_200 {
        let status: Int64 = number == 3 ? 418 : 200
        let id = Identifier(.request, UInt128(number)).text
        let created = Timestamp.text(house.clock.nowMicros() - 1_000_000 + Micros(number) * 1_000)
        house.requests.record(
          JSON.object(
            JSONObject([
              ("id", .string(id)), ("object", "request_log"), ("account", .string(house.org.text)),
              ("actor", "user:usr_1"), ("status", .int(status)), ("created_at", .string(created)),
            ])
          ).bytes())
      }
      let filter = #"{"field":"status","op":"eq","value":418}"#
        .addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
      let (items, counts) = try await house.walk("/api/request-logs?filter=\(filter)")
      #expect(items.count == 1 && counts == [0, 0, 1])
      let counted = await house.get("/api/request-logs?filter=\(filter)&count=exact")
      #expect(counted.status == 503)
      #expect(counted.json["error"]?["code"]?.string == "read_timeout")
    }
  }
}
