/// How long a server asks to be left alone. Source: RFC 9110, sections 5.6.7 and 10.2.3.
package enum RetryAfter {
  /// nil where the header is missing or is neither a number of seconds nor a date; 0 for a date that is past.
  package static func seconds(_ headers: HTTPHeaders, nowSeconds: Int64) -> Int64? {
    guard let text = headers["retry-after"] else { return nil }
    if !text.isEmpty, text.utf8.allSatisfy(ASCII.isDigit) { return Int64(text) ?? .max }
    return date(text, nowSeconds: nowSeconds).map { max(0, $0 - nowSeconds) }
  }

  /// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, or of the two forms that it was written in before:
  /// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
  private static func date(_ text: String, nowSeconds: Int64) -> Int64? {
    let words = text.split { " -".contains($0) }
    guard words.count == 6 || words.count == 5 else { return nil }
    let isGMT = words.count == 6
    guard !isGMT || words[5] == "GMT", let day = Int64(words[isGMT ? 1 : 2]),
      let month = months.firstIndex(of: String(words[isGMT ? 2 : 1])),
      var year = Int64(words[isGMT ? 3 : 4]), let time = secondsOfDay(words[isGMT ? 4 : 3]),
      (1...31).contains(day), (0...9999).contains(year)
    else { return nil }
    // "more than 50 years in the future" is "the most recent year in the past that had the same last two digits".
    if year < 100 {
      let thisYear = 1970 + nowSeconds / 31_556_952
      year += thisYear / 100 * 100
      if year > thisYear + 50 { year -= 100 }
    }
    return days(year: year, month: Int64(month + 1), day: day) * 86_400 + time
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private static func secondsOfDay(_ text: Substring) -> Int64? {
    let parts = text.split(separator: ":").compactMap { Int64($0) }
    guard parts.count == 3, (0..<24).contains(parts[0]), (0..<60).contains(parts[1]),
      // 60 is a leap second.
      (0...60).contains(parts[2])
    else { return nil }
    return parts[0] * 3600 + parts[1] * 60 + parts[2]
  }

  /// Days since 1970-01-01; years begin in March here, so that the leap day comes last.
  private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let marchYear = month > 2 ? year : year - 1
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    return marchYear * 365 + marchYear / 4 - marchYear / 100 + marchYear / 400 + dayOfYear - 719_468
  }
}
