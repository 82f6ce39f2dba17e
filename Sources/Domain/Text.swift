extension String {
  /// Nothing to see: empty, or blanks and line breaks only.
  package var isBlank: Bool { allSatisfy(\.isWhitespace) }

  /// Without blanks and line breaks at both ends.
  package var trimmed: String {
    let start = drop(while: \.isWhitespace)
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}

extension FieldValue {
  /// As people write it: whole numbers without a point, `true` and `false`.
  package var spelled: String {
    switch self {
    case .text(let text): text
    case .number(let number): Int64(exactly: number).map(String.init) ?? number.description
    case .flag(let flag): flag ? "true" : "false"
    }
  }
}
