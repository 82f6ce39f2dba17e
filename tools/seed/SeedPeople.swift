internal import Domain

/// People who do not exist: numbers are of the 555 exchange, addresses of example.com.
struct SeedPeople {
  private static let firstNames = [
    "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hal", "Ines", "Jon", "Kim", "Lea", "Max",
    "Nora", "Omar", "Pia", "Quin", "Rosa", "Sam", "Tess", "Uma", "Vic", "Wren", "Xena", "Yara",
    "Zoe", "Abel", "Bea", "Cal", "Dora", "Eli", "Fay",
  ]
  private static let lastNames = [
    "Abbott", "Becker", "Castro", "Dorsey", "Ellis", "Flores", "Grant", "Hayes", "Ibarra", "Jensen",
    "Keller", "Lowe", "Meyer", "Nolan", "Ortiz", "Parker", "Quinn", "Reyes", "Stone", "Turner",
    "Underwood", "Vargas", "Walsh", "Xu", "Young", "Zimmer", "Archer", "Boone", "Cross", "Dalton",
    "Emery", "Frost", "Garner", "Hobbs", "Irwin", "Joyce", "Knox",
  ]
  private static let cities = [
    "Austin", "Boston", "Chicago", "Denver", "El Paso", "Fresno", "Houston", "Miami", "Omaha",
    "Portland", "Seattle", "Tampa",
  ]
  /// Of the Central time zone, where the seeded org is at home.
  private static let areaCodes = [
    205, 210, 214, 217, 224, 225, 251, 256, 262, 270, 281, 309, 312, 314, 316, 318, 319, 320, 325,
    331, 334, 337, 346, 361, 402, 405, 409, 414, 417, 430, 432, 469, 479, 501, 504, 507, 512, 515,
    563, 573, 580, 601, 608, 612, 615, 618, 630, 636, 641, 651, 660, 662, 682, 701, 708, 712, 713,
    715, 731, 737, 763, 769, 773, 779, 785, 806, 815, 816, 817, 830, 832, 847, 870, 901, 903, 913,
    915, 918, 920, 931, 936, 938, 940, 952, 956, 972, 979, 985,
  ]
  static let tags = [
    "vip", "webinar", "trial", "newsletter", "partner", "lead", "renewal", "event",
  ]
  static let plans = ["free", "team", "pro"]

  /// As many as there are distinct numbers.
  static let limit = areaCodes.count * 80_000

  /// The exchange 555, then such as no subscriber has.
  static func phone(_ index: Int) -> String {
    let area = areaCodes[index % areaCodes.count]
    let rest = index / areaCodes.count
    let exchanges = [555, 950, 958, 959, 976, 700, 844, 811]
    let line = String(rest % 10_000 + 10_000).dropFirst()
    return "+1\(area)\(exchanges[rest / 10_000])\(line)"
  }

  static func firstName(_ index: Int) -> String { firstNames[index * 7 % firstNames.count] }

  static func email(_ index: Int) -> String {
    "\(firstName(index)).\(lastNames[index * 11 % lastNames.count]).\(index)@example.com"
      .lowercased()
  }

  static func details(_ index: Int, dice: inout SeedDice, atMicros: Micros) -> ContactDetails {
    let first = firstName(index)
    let last = lastNames[index * 11 % lastNames.count]
    let dueMicros = atMicros + Int64(dice.below(360)) * 86_400_000_000
    return ContactDetails(
      firstName: first, lastName: last, company: dice.below(4) == 0 ? "\(last) & Co" : nil,
      email: email(index), phone: phone(index),
      custom: [
        "city": .text(cities[dice.below(cities.count)]),
        "plan": .text(plans[dice.below(plans.count)]),
        "score": .number(Double(dice.below(101))),
        "renewal": .text(String(Timestamp.text(dueMicros).prefix(10))),
      ])
  }
}

/// SplitMix64: the same seed gives the same people and the same luck.
struct SeedDice {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x2545_F491_4F6C_DD1D }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Below `limit`; the bias for limits of this size is beyond notice.
  mutating func below(_ limit: Int) -> Int { Int(next() >> 33) % limit }

  mutating func id(_ kind: Identifier.Kind, atMicros: Micros) -> Identifier {
    Identifier(kind, millis: atMicros / 1_000, random: UInt128(next()) << 16)
  }
}
