/// Invented people. Their numbers are of the range that is never given out (555-0100 to 555-0199,
/// NANPA), in area codes whose zones all allow texts at noon in Chicago.
enum DemoPeople {
  struct Person {
    let first: String
    let last: String
    let email: String
    let city: String
  }

  private static let firstNames = [
    "Ava", "Noah", "Mia", "Liam", "Zoe", "Ethan", "Ivy", "Lucas", "Nora", "Owen", "Ruby", "Caleb",
    "Elena", "Mateo", "Priya", "Omar", "Hana", "Diego", "Grace", "Felix", "Amara", "Jonah",
  ]

  private static let lastNames = [
    "Adams", "Brooks", "Chen", "Diaz", "Evans", "Foster", "Garcia", "Hughes", "Ito", "Jensen",
    "Kim", "Lopez", "Morgan", "Nguyen", "Okafor", "Patel", "Quinn", "Rivera", "Silva", "Turner",
    "Usman", "Vance", "Walsh", "Young",
  ]

  private static let places = [
    ("312", "Chicago"), ("212", "New York"), ("617", "Boston"), ("404", "Atlanta"),
    ("512", "Austin"), ("303", "Denver"), ("206", "Seattle"), ("415", "San Francisco"),
    ("614", "Columbus"), ("612", "Minneapolis"), ("215", "Philadelphia"), ("702", "Las Vegas"),
  ]

  static func person(_ index: Int, _ random: inout DemoRandom) -> Person {
    let first = random.pick(firstNames)
    let last = random.pick(lastNames)
    let email = "\(first).\(last).\(index)@example.com".lowercased()
    return Person(first: first, last: last, email: email, city: places[index % places.count].1)
  }

  /// Unique within an org; other orgs share the small range, as two businesses share a customer.
  static func phone(_ index: Int, seed: UInt64) -> String {
    let place = places[index % places.count].0
    let line = 101 + (index / places.count + Int(seed % 7)) % 99
    return "+1\(place)5550\(line)"
  }
}
