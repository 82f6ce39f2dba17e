import Domain
import HTTP
import JSON
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
