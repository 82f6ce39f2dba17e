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
}
