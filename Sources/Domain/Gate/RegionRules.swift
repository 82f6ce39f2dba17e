/// What one state or country adds to the federal window, for marketing texts and calls.
package struct RegionRule: Sendable, Equatable {
  /// `US-FL`, `CA`; `US` for a person in some state that nobody knows.
  package let region: String
  /// Local minutes of day, end excluded; nil: not at all on such days.
  package let weekdays: Range<Int>?
  package let saturdays: Range<Int>?
  package let sundays: Range<Int>?
  /// Days on which nothing goes out.
  package let holidays: Holidays?
  package let cap: FrequencyCap?
  package let source: String

  /// The open minutes of the local date `day` (days since 1970-01-01).
  package func window(on day: Int) -> Range<Int>? {
    if let holidays, holidays.contains(day) { return nil }
    return switch CivilDate(day: day).weekday {
    case 0: sundays
    case 6: saturdays
    default: weekdays
    }
  }

  /// When a day may begin, earliest first.
  package var startMinutes: Set<Int> {
    Set([weekdays, saturdays, sundays].compactMap { $0?.lowerBound })
  }
}

/// The states' hours and caps. Each line: region, Monday to Friday, Saturday, Sunday (`-`: none),
/// holidays that are kept (`open`: none), cap (`count/hours`), and the law.
///
/// Source: `docs/compliance.md`, section 4; where two readings differ, the stricter one. States that are
/// not named have the federal hours.
enum RegionRules {
  static let of2026November = parse(
    """
    US-AL 8-20 8-20 - federal - Ala. Admin. Code 770-X-5-.17
    US-CT 9-20 9-20 9-20 open - Conn. Gen. Stat. 42-288a(c)
    US-FL 8-20 8-20 8-20 open 3/24 Fla. Stat. 501.616(6)
    US-IN 9-20 9-20 9-20 open - Ind. Code 24-5-14-8
    US-KY 10-21 10-21 10-21 open - KRS 367.46955(16)
    US-LA 8-20 8-20 - louisiana - LPSC DNC General Order; La. R.S. 45:811
    US-ME 9-17 - - open 1/8 10 M.R.S. 1498(3)
    US-MD 8-20 8-20 8-20 open 3/24 Md. Com. Law 14-4502(c)
    US-MA 8-20 8-20 8-20 open - 201 CMR 12.02(2)
    US-MI 9-21 9-21 9-21 open - MCL 750.540e(1)(f)
    US-MS 8-20 8-20 - mississippi - Miss. Code 77-3-603, 77-3-723
    US-NV 9-20 9-20 9-20 open - NRS 598.0918(3)
    US-NM 9-21 9-21 9-21 open - NMSA 57-12-22(B)(5)
    US-OK 8-20 8-20 8-20 open 3/24 15 O.S. 775C.4
    US-RI 9-18 10-17 - rhodeIsland - R.I. Gen. Laws 5-61-3.6
    US-SD 9-21 9-21 - open - SDCL 37-30A-3(2)
    US-TX 9-21 9-21 12-21 open - Tex. Bus. & Com. Code 301.051
    US-UT 8-21 8-21 - utah - Utah Code 13-25a-103(3)
    US-WA 8-20 8-20 8-20 open - RCW 80.36.390(8)
    US-WY 8-20 8-20 8-20 open - Wyo. Stat. 40-12-302(d)
    US 10-18 10-17 - every 3/24 the strictest of all, for who may be in any state
    CA 9-21 10-18 10-18 open - Unsolicited Telecommunications Rules, Part III
    """)

  private static func parse(_ table: String) -> [String: RegionRule] {
    var rules: [String: RegionRule] = [:]
    for line in table.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 6).map(String.init)
      precondition(words.count == 7, "seven columns a line")
      let region = words[0]
      precondition(rules[region] == nil, "one line a region")
      rules[region] = RegionRule(
        region: region, weekdays: window(words[1]), saturdays: window(words[2]),
        sundays: window(words[3]), holidays: holidays(words[4]), cap: cap(words[5]),
        source: words[6])
    }
    return rules
  }

  private static func numbers(_ word: String, _ separator: Character) -> (Int, Int)? {
    let parts = word.split(separator: separator).compactMap { Int($0) }
    return parts.count == 2 ? (parts[0], parts[1]) : nil
  }

  private static func window(_ word: String) -> Range<Int>? {
    if word == "-" { return nil }
    guard let (start, end) = numbers(word, "-") else { preconditionFailure("no hours: \(word)") }
    return start * 60..<end * 60
  }

  private static func cap(_ word: String) -> FrequencyCap? {
    if word == "-" { return nil }
    guard let (count, hours) = numbers(word, "/") else { preconditionFailure("no cap: \(word)") }
    return FrequencyCap(count: count, hours: hours)
  }

  private static func holidays(_ word: String) -> Holidays? {
    if word == "open" { return nil }
    guard let holidays = Holidays(rawValue: word) else { preconditionFailure("no days: \(word)") }
    return holidays
  }
}
