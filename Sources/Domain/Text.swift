extension String {
  /// Nothing to see: empty, or blanks and line breaks only (Unicode's White_Space).
  package var isBlank: Bool { unicodeScalars.allSatisfy(\.properties.isWhitespace) }

  /// Without blanks and line breaks at both ends.
  package var trimmed: String {
    let start = drop(while: \.isWhitespace)
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}

extension StringProtocol {
  /// Where the bytes of `text` first stand; nil where they do not. Many times as fast as looking for its
  /// characters, which are equal also where they are written otherwise.
  package func firstIndex(ofUTF8 text: String) -> String.Index? {
    guard let first = text.utf8.first else { return startIndex }
    var rest = utf8.startIndex
    while let start = utf8[rest...].firstIndex(of: first) {
      if utf8[start...].starts(with: text.utf8) { return start }
      rest = utf8.index(after: start)
    }
    return nil
  }

  package func containsUTF8(_ text: String) -> Bool { firstIndex(ofUTF8: text) != nil }
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
