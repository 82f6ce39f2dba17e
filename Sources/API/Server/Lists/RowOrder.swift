import Crypto
import JSON

/// Compares rows as a list shows them, in the direction of a walk: by the keys of its order, and last by what tells
/// them apart.
struct RowOrder {
  private let keys: [SortOrder.Key]
  /// Of each key, and of what tells the rows apart, which goes as the first key does.
  private let goesDown: [Bool]

  init(_ order: SortOrder, isBackwards: Bool) {
    self.init(keys: order.keys, last: order.leading.isDescending, isBackwards: isBackwards)
  }

  init(keys: [SortOrder.Key], last: Bool, isBackwards: Bool) {
    self.keys = keys
    goesDown = (keys.map(\.isDescending) + [last]).map { $0 != isBackwards }
  }

  /// The values of the keys, and `key` behind them.
  func place(of item: JSON, key: String) -> [String] {
    keys.map { Self.value(item, $0.name) } + [key]
  }

  func precedes(_ left: [String], _ right: [String]) -> Bool {
    for (index, goesDown) in goesDown.enumerated() where left[index] != right[index] {
      return (left[index] < right[index]) != goesDown
    }
    return false
  }

  /// A place as a part of a cursor; hexadecimal digits and dots.
  static func text(of place: [String]) -> String {
    place.map { Hex.encode(Array($0.utf8)) }.joined(separator: ".")
  }

  /// nil where the text is no place in this order.
  func place(_ text: String) -> [String]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let values = parts.compactMap { Self.word(String($0)) }
    return parts.count == goesDown.count && values.count == parts.count ? values : nil
  }

  /// One value of a place.
  static func word(_ text: String) -> String? {
    (try? Hex.decode(text)).flatMap { String(validating: $0, as: UTF8.self) }
  }

  /// As much of a text decides as of a contact's name where the database orders by it. A place holds a value of each key,
  /// and has to fit in the target of the request for the next page (`HTTPLimits.maxTargetBytes`).
  private static let decidingCount = 256

  /// What a field sorts by, as text: a number with as many digits as every other. A contact's name is the two that it
  /// has, in lower case.
  static func value(_ item: JSON, _ name: String) -> String {
    let text = whole(item, name)
    guard text.utf8.count > decidingCount else { return text }
    return String(text.unicodeScalars.prefix(decidingCount))
  }

  private static func whole(_ item: JSON, _ name: String) -> String {
    if name == "name", item["name"] == nil {
      return [item["first_name"]?.string, item["last_name"]?.string].compactMap(\.self)
        .joined(separator: " ").lowercased()
    }
    guard let value = item[name] else { return "" }
    return value.int.map { String($0 + 1_000_000_000_000_000_000) } ?? value.string ?? ""
  }
}
