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

  // MARK: Lines

  /// Goal: a list that fails on the way does not end as a whole one does. Method: the client takes the first line when
  /// everything else is there, and what failed has found no room.
  @Test(arguments: 1...8)
  func `what fails on the way is the last line, however slowly they are taken`(
    failing: Int
  ) async throws {
    let (hasFailed, failed) = AsyncStream<Void>.makeStream()
    let asked = Mutex(0)
    let page: JSON = ["data": [["id": "x"]], "has_more": true, "next": "n"]
    let response = ListStream.response(
      first: page,
      page: { _ throws(APIError) in
        let count = asked.withLock { asked in
          asked += 1
          return asked
        }
        guard count == failing else { return page }
        failed.finish()
        throw APIError(503, "unavailable", "read_timeout", "Too long.")
      }, requestID: "req_1")
    guard case .stream(let lines) = response.body else {
      Issue.record("no stream")
      return
    }
    if failing <= 4 {
      // Without anybody who takes a line, it gets there by itself.
      for await _ in hasFailed {}
      // Let it try to say so.
      for _ in 0..<1_000 { await Task.yield() }
    }
    var text = ""
    for await bytes in lines { text += String(decoding: bytes, as: UTF8.self) }
    let all = text.split(separator: "\n")
    #expect(all.count == failing + 1)
    #expect(all.last?.contains(#""code":"read_timeout""#) == true)
    #expect(all.dropLast().allSatisfy { $0 == #"{"id":"x"}"# })
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
