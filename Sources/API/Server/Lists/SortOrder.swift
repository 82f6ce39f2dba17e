/// What a list is ordered by: `sort=-created_at,id`.
struct SortOrder: Sendable, Equatable {
  struct Key: Sendable, Equatable {
    let name: String
    let isDescending: Bool

    /// `-created_at`.
    init(_ text: some StringProtocol) {
      isDescending = text.hasPrefix("-")
      name = String(isDescending ? text.dropFirst() : text[...])
    }

    var text: String { (isDescending ? "-" : "") + name }
  }

  /// Never empty, each name once: `problems` refuses others.
  let keys: [Key]

  init(_ text: String) { keys = Self.words(text).map { Key($0) } }

  var leading: Key { keys[0] }

  /// Those that decide where the leading one is equal.
  var tiebreaks: ArraySlice<Key> { keys.dropFirst() }

  private static func words(_ text: String) -> [Substring] {
    text.split(separator: ",", omittingEmptySubsequences: false)
  }
}

extension SortOrder {
  /// What is wrong with the text of a `sort`, in words that name the key and those that there are.
  static func problems(
    in text: String, _ parameter: Parameter
  ) -> [APIError.Detail] {
    guard case .array(let item, let count) = parameter.schema.shape,
      case .text(.choice(let names)) = item.shape
    else { preconditionFailure("an order is an array of names") }
    let words = words(text).map(String.init)
    if let stranger = words.first(where: { !names.contains($0) }) {
      return [
        problem(
          parameter,
          "sort has no key \(quoted(stranger)). It takes: \(names.joined(separator: ", "))."
        )
      ]
    }
    let keys = words.map { Key($0).name }
    if let twice = keys.indices.first(where: { keys[..<$0].contains(keys[$0]) }) {
      return [problem(parameter, "sort names \(keys[twice]) more than once.")]
    }
    precondition(count.contains(words.count), "there are as many names as keys")
    return []
  }

  private static func problem(_ parameter: Parameter, _ words: String) -> APIError.Detail {
    APIError.Detail(param: parameter.name, code: "invalid_value", message: words)
  }

  private static func quoted(_ word: String) -> String { "\"\(word.prefix(100))\"" }
}
