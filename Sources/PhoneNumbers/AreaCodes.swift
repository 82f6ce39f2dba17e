/// Area codes of the North American Numbering Plan (+1).
package enum AreaCodes {
  /// Where the numbers of an area code may be: an area code only narrows, it proves nothing.
  package struct Area: Equatable, Sendable {
    /// ISO 3166-2 where the code lies in one state or province (`US-NJ`), else ISO 3166-1 (`CA`, `BS`).
    package let place: String
    /// Every zone that an exchange of the code is in.
    package let zones: [String]

    /// ISO 3166-1.
    package var country: String { String(place.prefix(2)) }

    /// `NJ` of `US-NJ`; nil where the code spans provinces, or the country has none here.
    package var subdivision: String? { place.count > 3 ? String(place.dropFirst(3)) : nil }
  }

  /// Nil for codes without a place (toll-free, personal, premium) and for unassigned ones.
  package static func area(_ code: some StringProtocol) -> Area? { areas[String(code)] }

  /// Every zone of the United States: for numbers that give no hint.
  package static let allUSZones = [
    "America/Adak", "America/Anchorage", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/New_York", "America/Phoenix", "Pacific/Honolulu",
  ]

  /// Every zone that an exchange of a place (`US-FL`) is in, sorted; empty for no place of ours.
  package static func zones(of place: String) -> [String] { zonesByPlace[place] ?? [] }

  private static let zonesByPlace: [String: [String]] =
    Dictionary(grouping: areas.values, by: \.place).mapValues { Set($0.flatMap(\.zones)).sorted() }

  private static let areas: [String: Area] = {
    var areas: [String: Area] = [:]
    for line in NorthAmericanAreas.lines {
      let words = line.split(separator: " ")
      let zones = words[1].split(separator: ",").map(String.init)
      let area = Area(place: String(words[0]), zones: zones)
      for code in words.dropFirst(2) { areas[String(code)] = area }
    }
    return areas
  }()
}

extension NorthAmericanAreas {
  /// The table's lines, each with those that go on with it.
  fileprivate static var lines: [String] {
    table.replacing("\n  ", with: " ").split(separator: "\n").map(String.init)
  }
}
