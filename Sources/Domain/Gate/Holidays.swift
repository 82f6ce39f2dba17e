/// Days on which some states forbid solicitation.
///
/// Source: 5 U.S.C. 6103 with its observed days; Ala. Code 1-3-8, La. R.S. 1:55, Miss. Code 3-3-7,
/// R.I. Gen. Laws 25-1-1, Utah Code 63G-1-301.
package enum Holidays: String, Sendable, CaseIterable {
  case federal, louisiana, mississippi, rhodeIsland, utah
  /// All of these: for who may be in any state.
  case every

  /// Whether the local date `day` (days since 1970-01-01) is one of them, or its observed day.
  package func contains(_ day: Int) -> Bool {
    let date = CivilDate(day: day)
    // A holiday of the next year may be observed on the last day of this one.
    if date.month == 12, date.dayOfMonth == 31, observed(1, 1, date.year + 1).contains(day) {
      return true
    }
    return isFederal(date, day) || isOfState(date, day)
  }

  private func isFederal(_ date: CivilDate, _ day: Int) -> Bool {
    let year = date.year
    switch date.month {
    case 1: return observed(1, 1, year).contains(day) || date.isWeekday(1, nth: 3)
    case 2: return date.isWeekday(1, nth: 3)
    case 5: return date.isLastWeekday(1)
    case 6: return observed(6, 19, year).contains(day)
    case 7: return observed(7, 4, year).contains(day)
    case 9: return date.isWeekday(1, nth: 1)
    case 10: return date.isWeekday(1, nth: 2)
    case 11: return observed(11, 11, year).contains(day) || date.isWeekday(4, nth: 4)
    case 12: return observed(12, 25, year).contains(day)
    default: return false
    }
  }

  private func isOfState(_ date: CivilDate, _ day: Int) -> Bool {
    switch self {
    case .federal:
      // Alabama: Confederate Memorial Day, Jefferson Davis' birthday, Mardi Gras in two counties.
      return date.month == 4 && date.isWeekday(1, nth: 4)
        || date.month == 6 && date.isWeekday(1, nth: 1) || day == date.easter - 47
    case .louisiana:
      // Mardi Gras, Good Friday, general elections of even years.
      let isElection =
        date.year % 2 == 0 && date.month == 11 && date.weekday == 2
        && (2...8).contains(date.dayOfMonth)
      return day == date.easter - 47 || day == date.easter - 2 || isElection
    case .mississippi: return date.month == 4 && date.isLastWeekday(1)
    case .rhodeIsland: return date.month == 8 && date.isWeekday(1, nth: 2)
    case .utah: return observed(7, 24, date.year).contains(day)
    case .every:
      return Self.allCases.contains { $0 != .every && $0.isOfState(date, day) }
    }
  }

  /// The date itself, and the weekday off where it falls on a weekend.
  private func observed(_ month: Int, _ dayOfMonth: Int, _ year: Int) -> [Int] {
    let day = CivilDate.day(year, month, dayOfMonth)
    return switch CivilDate(day: day).weekday {
    case 0: [day, day + 1]
    case 6: [day, day - 1]
    default: [day]
    }
  }
}

/// A date of the Gregorian calendar. Howard Hinnant's algorithms ("chrono-compatible low-level date
/// algorithms"), which hold for every date that fits.
package struct CivilDate: Equatable, Sendable {
  package let year: Int
  /// 1 to 12.
  package let month: Int
  package let dayOfMonth: Int
  /// 0 is Sunday.
  package let weekday: Int

  /// Days since 1970-01-01.
  package init(day: Int) {
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    dayOfMonth = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    weekday = ((day + 4) % 7 + 7) % 7
  }

  package static func day(_ year: Int, _ month: Int, _ dayOfMonth: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + dayOfMonth - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  func isWeekday(_ weekday: Int, nth: Int) -> Bool {
    self.weekday == weekday && (dayOfMonth - 1) / 7 == nth - 1
  }

  func isLastWeekday(_ weekday: Int) -> Bool {
    self.weekday == weekday
      && CivilDate(day: Self.day(year, month, dayOfMonth) + 7).month != month
  }

  /// Easter Sunday of the year as days since 1970-01-01 (Meeus, Jones, Butcher).
  var easter: Int {
    let (golden, century, rest) = (year % 19, year / 100, year % 100)
    let epact =
      (19 * golden + century - century / 4 - (century - (century + 8) / 25 + 1) / 3 + 15) % 30
    let offset = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7
    let correction = (golden + 11 * epact + 22 * offset) / 451
    let sum = epact + offset - 7 * correction + 114
    return Self.day(year, sum / 31, sum % 31 + 1)
  }
}
