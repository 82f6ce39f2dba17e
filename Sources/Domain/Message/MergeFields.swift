/// Fills a text with what is known about a person: `{{first_name}}`, `{{first_name|there}}`,
/// `{{custom.city}}`. Blanks inside the braces do not count; a single brace is a text like any other.
package enum MergeFields {
  /// The text with every field replaced.
  ///
  /// - Throws: `MergeFieldError` where a field has neither a value nor a fallback, or where the text
  ///   itself is wrong.
  ///
  /// `escape` makes a value fit to stand in the text: of HTML, say.
  package static func render(
    _ text: String, for details: ContactDetails, escape: (String) -> String = { $0 }
  ) throws(MergeFieldError) -> String {
    var rendered = ""
    for piece in try pieces(of: text) {
      switch piece {
      case .text(let text): rendered += text
      case .field(let name, let fallback):
        guard let value = details.text(ofField: name) ?? fallback else {
          throw .missingValue(name)
        }
        rendered += escape(value)
      }
    }
    return rendered
  }

  /// The fields that `text` asks for, in order of their first use.
  ///
  /// - Throws: `MergeFieldError.malformed`, so that a text can be checked before anybody gets it.
  package static func fields(of text: String) throws(MergeFieldError) -> [String] {
    var names: [String] = []
    for case .field(let name, _) in try pieces(of: text) where !names.contains(name) {
      names.append(name)
    }
    return names
  }

  /// The fields that have neither a value nor a fallback: all of them at once.
  package static func missing(
    in text: String, for details: ContactDetails
  ) throws(MergeFieldError) -> [String] {
    var names: [String] = []
    for case .field(let name, nil) in try pieces(of: text)
    where details.text(ofField: name) == nil && !names.contains(name) {
      names.append(name)
    }
    return names
  }

  private enum Piece {
    case text(String)
    case field(String, fallback: String?)
  }

  private static func pieces(of text: String) throws(MergeFieldError) -> [Piece] {
    var pieces: [Piece] = []
    var rest = text[...]
    while let opening = index(of: "{{", in: rest) {
      pieces.append(.text(String(rest[..<opening])))
      let inside = rest[opening...].dropFirst(2)
      guard let closing = index(of: "}}", in: inside) else {
        throw .malformed("a field opens with {{ and does not close with }}")
      }
      let whole = inside[..<closing]
      // Filled in when the message goes out.
      pieces.append(
        isLate(whole) ? .text("{{\(String(whole).trimmed)}}") : try field(whole))
      rest = inside[closing...].dropFirst(2)
    }
    return pieces + [.text(String(rest))]
  }

  private static func field(_ inside: Substring) throws(MergeFieldError) -> Piece {
    let parts = inside.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0]).trimmed
    guard isKnown(name) else { throw .malformed("{{\(name)}} is not a field of contacts") }
    return .field(name, fallback: parts.count > 1 ? String(parts[1]).trimmed : nil)
  }

  /// What is known only when the message goes out: the person's own link to unsubscribe.
  package static let unsubscribeURL = "{{unsubscribe_url}}"

  private static func isLate(_ inside: Substring) -> Bool {
    "{{\(String(inside).trimmed)}}" == unsubscribeURL
  }

  private static func isKnown(_ name: String) -> Bool {
    ContactDetails.isField(name) && name != "custom."
  }

  private static func index(of pair: String, in text: Substring) -> Substring.Index? {
    text.indices.first { text[$0...].hasPrefix(pair) }
  }
}

/// Why a text cannot be filled. Names fields, never values.
package enum MergeFieldError: Error, Equatable {
  case missingValue(String)
  case malformed(String)
}

extension MergeFieldError: CustomStringConvertible {
  package var code: String {
    switch self {
    case .missingValue: "missing_field"
    case .malformed: "invalid_merge_field"
    }
  }

  package var isRetryable: Bool { false }

  package var description: String {
    switch self {
    case .missingValue(let field): "\(code): the contact has no \(field) and there is no fallback"
    case .malformed(let reason): "\(code): \(reason)"
    }
  }
}

extension ContactDetails {
  /// A blank value counts as none: "Hi ," helps nobody.
  fileprivate func text(ofField name: String) -> String? {
    guard let text = self[name]?.spelled, !text.isBlank else { return nil }
    return text
  }
}
