extension String {
  /// Nothing to see: empty, or blanks and line breaks only.
  package var isBlank: Bool { allSatisfy(\.isWhitespace) }
}
