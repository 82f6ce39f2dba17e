import Domain
import Testing

@Suite struct RegionRulesTests {
  static let rules = Gate.ruleSet(at: 0)

  static func isOpen(
    _ regions: [String], _ day: Int, _ hour: Int, _ minute: Int = 0, _ purpose: Purpose = .marketing
  ) -> Bool {
    Gate.isOpen(
      ZoneTime(
        zone: "America/Chicago", minuteOfDay: hour * 60 + minute, nextOpenMicros: 0, localDay: day),
      regions: regions, purpose: purpose, rules)
  }

  /// Friday, Saturday and Sunday of an ordinary week, and Thanksgiving.
  static let friday = CivilDate.day(2026, 11, 20)
  static let saturday = friday + 1
  static let sunday = friday + 2
  static let thanksgiving = friday + 6

  /// The hours of `docs/compliance.md`, state by state: first open minute, last open minute.
  @Test(arguments: [
    ("US-AL", 8, 20), ("US-CT", 9, 20), ("US-FL", 8, 20), ("US-IL", 8, 21), ("US-IN", 9, 20),
    ("US-KY", 10, 21), ("US-LA", 8, 20), ("US-ME", 9, 17), ("US-MD", 8, 20), ("US-MA", 8, 20),
    ("US-MI", 9, 21), ("US-MS", 8, 20), ("US-NV", 9, 20), ("US-NJ", 8, 21), ("US-NM", 9, 21),
    ("US-NY", 8, 21), ("US-OK", 8, 20), ("US-RI", 9, 18), ("US-SC", 8, 21), ("US-SD", 9, 21),
    ("US-TX", 9, 21), ("US-UT", 8, 21), ("US-VA", 8, 21), ("US-WA", 8, 20), ("US-WY", 8, 20),
    ("US-PA", 8, 21), ("US-CA", 8, 21), ("US", 10, 18), ("CA", 9, 21),
  ])
  func `a region's window opens and closes to the minute`(region: String, from: Int, to: Int) {
    #expect(!Self.isOpen([region], Self.friday, from - 1, 59))
    #expect(Self.isOpen([region], Self.friday, from))
    // Five minutes are left to the providers' queues.
    #expect(Self.isOpen([region], Self.friday, to - 1, 54))
    #expect(!Self.isOpen([region], Self.friday, to - 1, 55))
    #expect(!Self.isOpen([region], Self.friday, to))
  }

  @Test(arguments: [
    ("US-AL", false), ("US-LA", false), ("US-ME", false), ("US-MS", false), ("US-RI", false),
    ("US-SD", false), ("US-UT", false), ("US", false), ("US-TX", true), ("US-FL", true),
    ("US-NY", true),
  ])
  func `some states keep the Sunday`(region: String, isOpen: Bool) {
    #expect(Self.isOpen([region], Self.sunday, 15) == isOpen)
  }

  @Test func `Texas sleeps until noon on Sundays, Rhode Island and Maine end early on Saturdays`() {
    #expect(!Self.isOpen(["US-TX"], Self.sunday, 11, 59))
    #expect(Self.isOpen(["US-TX"], Self.sunday, 12))
    #expect(Self.isOpen(["US-RI"], Self.saturday, 16, 54))
    #expect(!Self.isOpen(["US-RI"], Self.saturday, 16, 55))
    #expect(!Self.isOpen(["US-ME"], Self.saturday, 12))
  }

  @Test(arguments: ["US-AL", "US-LA", "US-MS", "US-RI", "US-UT", "US"])
  func `some states keep the holidays`(region: String) {
    #expect(!Self.isOpen([region], Self.thanksgiving, 12))
    #expect(Self.isOpen([region], Self.thanksgiving + 1, 12))
    #expect(Self.isOpen(["US-FL"], Self.thanksgiving, 12))
  }

  @Test func `it must be day under the rules of every region`() {
    #expect(!Self.isOpen(["US-KY", "US-FL"], Self.friday, 9))
    #expect(!Self.isOpen(["US-KY", "US-FL"], Self.friday, 20))
    #expect(Self.isOpen(["US-KY", "US-FL"], Self.friday, 10))
  }

  @Test func `what was asked for has the federal hours`() {
    #expect(Self.isOpen(["US-RI"], Self.sunday, 20, 54, .transactional))
    #expect(!Self.isOpen(["US-RI"], Self.sunday, 20, 55, .transactional))
  }

  @Test(arguments: [
    (2026, 1, 1), (2026, 1, 19), (2026, 2, 16), (2026, 5, 25), (2026, 6, 19), (2026, 7, 4),
    (2026, 7, 3), (2026, 9, 7), (2026, 10, 12), (2026, 11, 11), (2026, 11, 26), (2026, 12, 25),
    // A Sunday, and the Monday after; a Saturday, and the Friday before, in the old year.
    (2023, 1, 1), (2023, 1, 2), (2021, 12, 31), (2022, 1, 1),
  ])
  func `federal holidays with their observed days`(year: Int, month: Int, day: Int) {
    #expect(Holidays.federal.contains(CivilDate.day(year, month, day)))
  }

  @Test func `the states have days of their own`() {
    #expect(Holidays.utah.contains(CivilDate.day(2026, 7, 24)))
    #expect(Holidays.rhodeIsland.contains(CivilDate.day(2026, 8, 10)))
    #expect(Holidays.mississippi.contains(CivilDate.day(2026, 4, 27)))
    // Mardi Gras and Good Friday of 2026: Easter was on 5 April.
    #expect(Holidays.louisiana.contains(CivilDate.day(2026, 2, 17)))
    #expect(Holidays.louisiana.contains(CivilDate.day(2026, 4, 3)))
    #expect(Holidays.louisiana.contains(CivilDate.day(2026, 11, 3)))
    #expect(Holidays.every.contains(CivilDate.day(2026, 8, 10)))
    #expect(!Holidays.federal.contains(CivilDate.day(2026, 8, 10)))
    #expect(!Holidays.utah.contains(CivilDate.day(2026, 11, 20)))
  }

  @Test func `dates and days are each other's inverse for two thousand years`() {
    for day in stride(from: -365_250, through: 365_250, by: 97) {
      let date = CivilDate(day: day)
      guard CivilDate.day(date.year, date.month, date.dayOfMonth) == day else {
        Issue.record("\(day)")
        return
      }
    }
    #expect(CivilDate(day: 0).weekday == 4)
    #expect(CivilDate(day: Self.friday).weekday == 5)
  }
}

@Suite struct GateCapTests {
  static let nowMicros = GateTests.good.nowMicros
  static let hourMicros: Int64 = 3_600_000_000

  static func outcome(_ change: (inout GateFacts) -> Void) -> Verdict.Outcome {
    GateTests.outcome { facts in
      facts.zones[0].localDay = RegionRulesTests.friday
      change(&facts)
    }
  }

  @Test(arguments: ["US-FL", "US-MD", "US-OK", "US"])
  func `the fourth within a day waits until the first is a day old`(region: String) {
    let recent = [20, 5, 1].map { Self.nowMicros - $0 * Self.hourMicros }
    #expect(
      Self.outcome {
        $0.regions = [region]
        $0.recentMicros = recent
      } == .held(.frequencyCap, untilMicros: recent[0] + 24 * Self.hourMicros))
    #expect(
      Self.outcome {
        $0.regions = [region]
        $0.recentMicros = Array(recent.dropFirst())
      } == .allowed)
    #expect(
      Self.outcome {
        $0.regions = [region]
        $0.recentMicros = [Self.nowMicros - 24 * Self.hourMicros] + recent.dropFirst()
      } == .allowed)
  }

  @Test func `Maine takes one in eight hours`() {
    let last = Self.nowMicros - 7 * Self.hourMicros
    #expect(
      Self.outcome {
        $0.regions = ["US-ME"]
        $0.recentMicros = [last]
      } == .held(.frequencyCap, untilMicros: last + 8 * Self.hourMicros))
  }

  @Test func `an org may be stricter than its states, and what was asked for is not counted`() {
    let capped: (inout GateFacts) -> Void = {
      $0.orgCap = FrequencyCap(count: 1, hours: 2)
      $0.recentMicros = [Self.nowMicros - Self.hourMicros]
    }
    #expect(
      Self.outcome(capped) == .held(.frequencyCap, untilMicros: Self.nowMicros + Self.hourMicros))
    #expect(
      Self.outcome {
        capped(&$0)
        $0.purpose = .transactional
      } == .allowed)
  }

  @Test func `a budget lasts until the day ends`() {
    let day: Int64 = 24 * Self.hourMicros
    #expect(
      Self.outcome {
        $0.dailyBudgetMicros = 20_000
        $0.spentTodayMicros = 8_001
      } == .held(.budget, untilMicros: (Self.nowMicros / day + 1) * day))
    #expect(
      Self.outcome {
        $0.dailyBudgetMicros = 20_000
        $0.spentTodayMicros = 8_000
      } == .allowed)
  }

  @Test func `what is held for two reasons waits for the longer`() {
    let recent = [Self.nowMicros - Self.hourMicros]
    let outcome = Self.outcome {
      $0.orgCap = FrequencyCap(count: 1, hours: 24)
      $0.recentMicros = recent
      $0.dailyBudgetMicros = 0
      $0.spentTodayMicros = 0
    }
    #expect(outcome == .held(.frequencyCap, untilMicros: recent[0] + 24 * Self.hourMicros))
  }

  @Test func `lists and registrations refuse`() {
    #expect(Self.outcome { $0.isSuppressed = true } == .refused(.suppressed))
    #expect(Self.outcome { $0.registration = .pending } == .refused(.brandNotRegistered))
    #expect(Self.outcome { $0.registration = .verified } == .allowed)
  }
}
