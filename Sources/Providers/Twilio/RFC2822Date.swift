import Domain

/// The dates of Twilio's 2010 API: `Thu, 24 Aug 2023 05:01:45 +0000`. Source: RFC 2822, section 3.3,
/// as far as Twilio uses it: English names, four-digit years, a numeric zone.
enum RFC2822Date {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The instant that `text` names, or nil where it names none.
  static func micros(parsing text: String) -> Micros? {
    var fields = text.split(separator: " ")
    if let first = fields.first, first.hasSuffix(",") { fields.removeFirst() }
    guard fields.count == 5, let day = Int64(fields[0]), let year = Int64(fields[2]),
      let month = months.firstIndex(of: String(fields[1])), let zone = zoneSeconds(fields[4]),
      let time = secondsOfDay(fields[3]), (1...31).contains(day), (1970...9999).contains(year)
    else { return nil }
    let days = daysSince1970(year: year, month: Int64(month + 1), day: day)
    return (days * 86_400 + time - zone) * 1_000_000
  }

  private static func secondsOfDay(_ text: Substring) -> Int64? {
    let parts = text.split(separator: ":").map { Int64($0) }
    guard parts.count == 3, let hour = parts[0], let minute = parts[1], let second = parts[2],
      // 60 is a leap second.
      (0..<24).contains(hour), (0..<60).contains(minute), (0...60).contains(second)
    else { return nil }
    return hour * 3600 + minute * 60 + second
  }

  private static func zoneSeconds(_ text: Substring) -> Int64? {
    guard text.utf8.count == 5, let digits = Int64(text.dropFirst()), digits >= 0 else {
      return nil
    }
    let seconds = digits / 100 * 3600 + digits % 100 * 60
    switch text.first {
    case "+": return seconds
    case "-": return -seconds
    default: return nil
    }
  }

  /// Days of the proleptic Gregorian calendar from 1970-01-01; years begin in March here, so that
  /// the leap day comes last. For years from 1970 on.
  private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
    let marchYear = month > 2 ? year : year - 1
    let monthsSinceMarch = (month + 9) % 12
    let dayOfYear = (153 * monthsSinceMarch + 2) / 5 + day - 1
    let leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    return marchYear * 365 + leapDays + dayOfYear - 719_468
  }
}
