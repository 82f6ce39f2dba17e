import Domain
import Foundation
import Testing

/// What ids and times look like, and that they are read back.
@Suite struct TextFormTests {
  @Test(
    arguments: [
      (0, "con_00000000000000000000000000"), (31, "con_0000000000000000000000000z"),
      (32, "con_00000000000000000000000010"), (UInt128.max, "con_7zzzzzzzzzzzzzzzzzzzzzzzzz"),
      (0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, "con_014d2pf2dbsqqg28t5cy4tqkff"),
    ] as [(UInt128, String)])
  func `an id is its kind and Crockford's base32`(value: UInt128, text: String) {
    #expect(Identifier(.contact, value).text == text)
    #expect(Identifier(text) == Identifier(.contact, value))
  }

  @Test func `ids sort by their time, whatever is random in them`() {
    var random = SplitMix64(seed: 1)
    let ids = (0..<500).map { millis in
      Identifier(.message, millis: 1_700_000_000_000 + millis, random: UInt128(random.next()))
    }
    #expect(ids.shuffled(using: &random).sorted() == ids)
    #expect(ids.map(\.text).sorted() == ids.map(\.text))
    #expect(Identifier(.contact, 9) < Identifier(.message, 1))
  }

  @Test func `ids of two kinds are two`() {
    #expect(
      Set([Identifier(.contact, 7), Identifier(.erasure, 7), Identifier(.contact, 7)]).count == 2)
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
      (951_826_554_321_999, "2000-02-29T12:15:54.321Z"),
      (253_402_300_799_999_000, "9999-12-31T23:59:59.999Z"),
      (-62_135_596_800_000_000, "0001-01-01T00:00:00.000Z"),
      (253_402_300_800_000_000, "10000-01-01T00:00:00.000Z"),
      (-62_198_755_200_000_000, "-1-01-01T00:00:00.000Z"),
      (Timestamp.fourDigitYears.lowerBound, "0000-01-01T00:00:00.000Z"),
      (Timestamp.fourDigitYears.upperBound, "9999-12-31T23:59:59.999Z"),
      (.max, "294247-01-10T04:00:54.775Z"), (.min, "-290308-12-21T19:59:05.224Z"),
      (.min + 998, "-290308-12-21T19:59:05.225Z"),
    ] as [(Micros, String)])
  func `a time is RFC 3339 in UTC`(micros: Micros, text: String) {
    #expect(Timestamp.text(micros) == text)
  }

  /// Goal: no day is another one's. Method: seeded moments of two thousand years, beside Foundation's calendar,
  /// which is another one before 1582 and rounds fractions.
  @Test(arguments: 0..<4 as Range<UInt64>)
  func `any time is read back, and is the calendar's`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    for _ in 0..<500 {
      let seconds = Int64.random(in: -12_000_000_000...60_000_000_000, using: &random)
      let micros = seconds * 1_000_000 + Int64.random(in: 0...999, using: &random) * 1_000
      let text = Timestamp.text(micros)
      let day = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
      try #require(text.prefix(19) == day.prefix(19))
      try #require(Timestamp.micros(text) == micros)
    }
  }
}
