import Foundation

/// The wall clock, in milliseconds since 1970: what messages are stamped with.
enum Clock {
  static func nowMillis() -> Int64 { Int64(Date().timeIntervalSince1970 * 1000) }
}

/// A day and a time of day in UTC, for the two ways in which the sandbox writes dates.
struct UTCDate {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]
  // 1970-01-01 was a Thursday.
  private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

  let year: Int64
  let month: Int
  let day: Int64
  let weekday: String
  let millisOfDay: Int64

  /// For instants from 1970 on.
  init(millis: Int64) {
    let days = millis / 86_400_000
    millisOfDay = millis % 86_400_000
    weekday = Self.weekdays[Int(days % 7)]
    // The years of this calendar begin in March, so that the leap day comes last; 719,468 days lie
    // between 0000-03-01 and 1970-01-01, and 146,097 in its cycle of 400 years.
    let shifted = days + 719_468
    let cycle = shifted / 146_097
    let dayOfCycle = shifted % 146_097
    let yearOfCycle =
      (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
    let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
    let monthSinceMarch = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * monthSinceMarch + 2) / 5 + 1
    month = Int(monthSinceMarch < 10 ? monthSinceMarch + 3 : monthSinceMarch - 9)
    year = cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0)
  }

  /// `Thu, 24 Aug 2023 05:01:45 +0000`
  var rfc2822: String {
    "\(weekday), \(padded(day)) \(Self.months[month - 1]) \(year) \(time) +0000"
  }

  /// `2023-08-24T05:01:45.123Z`
  var iso8601: String { "\(isoDay)T\(time).\(padded(millisOfDay % 1000, 3))Z" }

  /// `2023-08-24`
  var isoDay: String { "\(year)-\(padded(Int64(month)))-\(padded(day))" }

  /// `05:01:45`
  var time: String {
    let seconds = millisOfDay / 1000
    return "\(padded(seconds / 3600)):\(padded(seconds / 60 % 60)):\(padded(seconds % 60))"
  }

  private func padded(_ number: Int64, _ width: Int = 2) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}
