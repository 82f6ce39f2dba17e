/// RFC 3339 in UTC with milliseconds: `2026-11-21T08:30:00.000Z`.
package enum Timestamp {
  /// The moments whose year has four digits: what a text can name. Of those that come from outside, none beyond it is one
  /// that we gave.
  package static let fourDigitYears: ClosedRange<Micros> =
    -62_167_219_200_000_000...253_402_300_799_999_999

  /// Of any moment there is.
  package static func text(_ micros: Micros) -> String {
    let millis = micros.dividedDown(by: 1_000)
    let days = Int(millis.dividedDown(by: 86_400_000))
    let (year, month, day) = civil(days: days)
    let rest = Int(millis) - days * 86_400_000
    // A year of more than four digits, or before the first: 292,000 at most, either way.
    let unusual = (0...9_999).contains(year) ? nil : String(year)
    return unsafe String(unsafeUninitializedCapacity: 32) { bytes in
      var end = 0
      func put(_ value: Int, width: Int, then mark: Unicode.Scalar) {
        var rest = value
        for place in (end..<end + width).reversed() {
          unsafe bytes[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
          rest /= 10
        }
        unsafe bytes[end + width] = UInt8(ascii: mark)
        end += width + 1
      }
      if let unusual {
        for byte in (unusual + "-").utf8 {
          unsafe bytes[end] = byte
          end += 1
        }
      } else {
        put(year, width: 4, then: "-")
      }
      put(month, width: 2, then: "-")
      put(day, width: 2, then: "T")
      put(rest / 3_600_000, width: 2, then: ":")
      put(rest / 60_000 % 60, width: 2, then: ":")
      put(rest / 1_000 % 60, width: 2, then: ".")
      put(rest % 1_000, width: 3, then: "Z")
      return end
    }
  }

  /// nil where `text` is not RFC 3339. Any offset is read; a date alone is its midnight in UTC.
  package static func micros(_ text: String) -> Micros? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 10, bytes[4] == 45, bytes[7] == 45, let year = number(bytes[0..<4]),
      let month = number(bytes[5..<7]), let day = number(bytes[8..<10]), (1...12).contains(month),
      (1...31).contains(day)
    else { return nil }
    let midnight = Int64(days(year: year, month: month, day: day)) * 86_400_000_000
    guard bytes.count > 10 else { return midnight }
    guard bytes.count >= 20, bytes[10] | 0x20 == UInt8(ascii: "t"), bytes[13] == 58,
      bytes[16] == 58, let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]),
      let second = number(bytes[17..<19]), hour < 24, minute < 60, second <= 60
    else { return nil }
    var index = 19
    var fraction: Int64 = 0
    if bytes[index] == UInt8(ascii: ".") {
      index += 1
      var scale: Int64 = 100_000
      while index < bytes.count, let digit = number(bytes[index...index]) {
        fraction += Int64(digit) * scale
        scale /= 10
        index += 1
      }
    }
    guard let offsetMinutes = offset(bytes[index...]) else { return nil }
    let seconds = Int64(hour * 3_600 + minute * 60 + second) - Int64(offsetMinutes) * 60
    return midnight + seconds * 1_000_000 + fraction
  }

  private static func offset(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard let sign = bytes.first else { return nil }
    if sign | 0x20 == UInt8(ascii: "z") { return bytes.count == 1 ? 0 : nil }
    let start = bytes.startIndex
    guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), bytes.count == 6,
      bytes[start + 3] == 58, let hours = number(bytes[start + 1..<start + 3]),
      let minutes = number(bytes[start + 4..<start + 6])
    else { return nil }
    return (sign == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
    return bytes.reduce(0) { $0 * 10 + Int($1 - 48) }
  }

  /// The proleptic Gregorian date of a day since 1970 (Howard Hinnant, "chrono-compatible
  /// low-level date algorithms").
  private static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  private static func days(year: Int, month: Int, day: Int) -> Int {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
}

extension Micros {
  /// Rounded down, before 1970 too. Nothing is taken from it first, which the least there is has no room for.
  fileprivate func dividedDown(by divisor: Micros) -> Micros {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
