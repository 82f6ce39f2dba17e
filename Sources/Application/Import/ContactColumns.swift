import Domain

/// Which column becomes which field of a contact: what the caller says, and a guess for the rest.
struct ContactColumns: Sendable, Equatable {
  /// What a column may become, besides `custom.<name>`. `name` is a full name, which is split.
  static let fields = [
    "first_name", "last_name", "name", "company", "email", "phone", "tags", "source",
  ]

  private(set) var columns: [ImportReport.Column] = []

  /// - Throws: `.unknownColumn`, `.unknownField`, `.fieldTwice`, and `.nothingToIdentify`.
  init(header: [String], map: [String: String]) throws(ImportError) {
    let names = header.enumerated().map { $1.isBlank ? "Column \($0 + 1)" : $1 }
    let given = try Self.given(map, names: names)
    var guess = ColumnGuess(names: names, given: given)
    guess.claimPhone()
    columns = names.indices.map { index in
      ImportReport.Column(
        column: names[index], field: given[index] ?? guess.field(at: index),
        guessed: given[index] == nil)
    }
    let identifying: Set = ["first_name", "last_name", "name", "company", "email", "phone"]
    guard columns.contains(where: { identifying.contains($0.field) }) else {
      throw .nothingToIdentify
    }
  }

  func has(_ field: String) -> Bool { columns.contains { $0.field == field } }

  /// The name of the column that holds `field`; empty without one.
  func column(of field: String) -> String {
    columns.first { $0.field == field }?.column ?? ""
  }

  /// Each column and what it becomes, for the record of the job. Names are cut: a file without a
  /// header would have whole texts there.
  var mapping: [String] {
    columns.map { "\($0.column.prefix(60))=\($0.field)" }
  }

  /// The caller's fields by the index of their column.
  private static func given(
    _ map: [String: String], names: [String]
  ) throws(ImportError) -> [Int: String] {
    var given: [Int: String] = [:]
    for (name, field) in map.sorted(by: { $0.key < $1.key }) {
      guard field.isEmpty || fields.contains(field) || isCustom(field) else {
        throw .unknownField(field, column: name)
      }
      let indexes = indexes(of: name, in: names)
      guard !indexes.isEmpty else { throw .unknownColumn(name) }
      for index in indexes { given[index] = field }
    }
    var seen: Set<String> = []
    for field in given.sorted(by: { $0.key < $1.key }).map(\.value) {
      // Tags of several columns add up.
      guard field.isEmpty || field == "tags" || seen.insert(field).inserted else {
        throw .fieldTwice(field)
      }
    }
    return given
  }

  private static func indexes(of name: String, in names: [String]) -> [Int] {
    let exact = names.indices.filter { names[$0] == name }
    guard exact.isEmpty else { return exact }
    let folded = name.trimmed.lowercased()
    return names.indices.filter { names[$0].lowercased() == folded }
  }

  private static func isCustom(_ field: String) -> Bool {
    guard field.hasPrefix("custom.") else { return false }
    let name = field.dropFirst("custom.".count)
    return (1...100).contains(name.utf8.count)
      && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
  }
}

/// Gives every column that the caller did not name a field of its own.
private struct ColumnGuess {
  private let names: [String]
  private let kinds: [String?]
  private var taken: Set<String>
  /// The column that holds the number to text.
  private var phone: Int?

  init(names: [String], given: [Int: String]) {
    self.names = names
    kinds = names.indices.map { given[$0] == nil ? ColumnNames.field(of: names[$0]) : nil }
    taken = Set(given.values)
  }

  /// A mobile number is worth more than the first of several phones.
  mutating func claimPhone() {
    guard !taken.contains("phone") else { return }
    let phones = names.indices.filter { kinds[$0] == "phone" }
    phone = phones.first { ColumnNames.isMobile(names[$0]) } ?? phones.first
    if phone != nil { taken.insert("phone") }
  }

  mutating func field(at index: Int) -> String {
    guard names[index] != ImportReport.errorColumn else { return "" }
    guard let kind = kinds[index] else { return custom(index) }
    switch kind {
    case "phone": return index == phone ? "phone" : furtherPhone(index)
    case "tags": return kind
    case "name" where isLastName(index): return claim("last_name") ?? custom(index)
    default: return claim(kind) ?? custom(index)
    }
  }

  /// German lists have `Name` beside `Vorname`.
  private func isLastName(_ index: Int) -> Bool {
    (kinds.contains("first_name") || taken.contains("first_name"))
      && !kinds.contains("last_name") && !taken.contains("last_name")
  }

  private mutating func claim(_ field: String) -> String? {
    taken.insert(field).inserted ? field : nil
  }

  /// `custom.phone2`, `custom.phone3`, …; a column that is called so keeps its number.
  private mutating func furtherPhone(_ index: Int) -> String {
    let spellings = names.map { ColumnNames.snake($0) }
    if spellings[index].wholeMatch(of: /phone[2-9]/) != nil,
      let own = claim("custom." + spellings[index])
    {
      return own
    }
    var number = 2
    while spellings.contains("phone\(number)") || taken.contains("custom.phone\(number)") {
      number += 1
    }
    return claim("custom.phone\(number)") ?? custom(index)
  }

  private mutating func custom(_ index: Int) -> String {
    let snake = ColumnNames.snake(names[index])
    let base = "custom." + (snake.isEmpty ? "column_\(index + 1)" : snake)
    var field = base
    var number = 2
    while !taken.insert(field).inserted {
      field = "\(base.prefix(100))_\(number)"
      number += 1
    }
    return field
  }
}
