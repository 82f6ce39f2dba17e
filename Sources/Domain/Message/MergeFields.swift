/// Fills a text with what is known about a person: `{{first_name}}`, `{{first_name|there}}`,
/// `{{custom.city}}`; and says some of it to some people alone: `{{#if custom.plan = gold}}…{{else}}…{{/if}}`,
/// `{{#unless company}}…{{/unless}}`. Blanks inside the braces do not count; a single brace is a text like any
/// other.
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
    for piece in chosen(try pieces(of: text), for: details) {
      switch piece {
      case .text(let text): rendered += text
      case .field(let name, let fallback):
        guard let value = details.text(ofField: name) ?? fallback else {
          throw .missingValue(name)
        }
        rendered += escape(value)
      case .block: preconditionFailure("chosen")
      }
    }
    return rendered
  }

  /// The fields that `text` asks for, in order of their first use.
  ///
  /// - Throws: `MergeFieldError.malformed`, so that a text can be checked before anybody gets it.
  package static func fields(of text: String) throws(MergeFieldError) -> [String] {
    var names: [String] = []
    collect(try pieces(of: text), into: &names)
    return names
  }

  private static func collect(_ pieces: [Piece], into names: inout [String]) {
    func add(_ name: String) { if !names.contains(name) { names.append(name) } }
    for piece in pieces {
      switch piece {
      case .text: break
      case .field(let name, _): add(name)
      case .block(let condition, let then, let otherwise):
        add(condition.field)
        collect(then, into: &names)
        collect(otherwise, into: &names)
      }
    }
  }

  /// The fields that have neither a value nor a fallback: all of them at once.
  package static func missing(
    in text: String, for details: ContactDetails
  ) throws(MergeFieldError) -> [String] {
    var names: [String] = []
    for case .field(let name, nil) in chosen(try pieces(of: text), for: details)
    where details.text(ofField: name) == nil && !names.contains(name) {
      names.append(name)
    }
    return names
  }

  private indirect enum Piece {
    case text(String)
    case field(String, fallback: String?)
    case block(Condition, then: [Piece], otherwise: [Piece])
  }

  private struct Condition {
    let field: String
    /// nil: anything.
    var expected: String?
    var isNegated = false

    func holds(for details: ContactDetails) -> Bool {
      let value = details.text(ofField: field)
      let isMet =
        expected.map { value?.trimmed.lowercased() == $0.lowercased() } ?? (value != nil)
      return isMet != isNegated
    }
  }

  /// What a person's text is made of: no blocks.
  private static func chosen(_ pieces: [Piece], for details: ContactDetails) -> [Piece] {
    pieces.flatMap { piece -> [Piece] in
      guard case .block(let condition, let then, let otherwise) = piece else { return [piece] }
      return chosen(condition.holds(for: details) ? then : otherwise, for: details)
    }
  }

  /// What is known only when the message goes out: the person's own link to unsubscribe.
  package static let unsubscribeURL = "{{unsubscribe_url}}"

  private static func isKnown(_ name: String) -> Bool {
    ContactDetails.isField(name) && name != "custom."
  }
}

// MARK: - Reading

extension MergeFields {
  /// More is nothing that a person can still read.
  private static let depthLimit = 5

  private static func pieces(of text: String) throws(MergeFieldError) -> [Piece] {
    var rest = text[...]
    let (pieces, end) = try block(&rest, depth: 0)
    if let end { throw .malformed("{{\(end)}} ends nothing") }
    return pieces
  }

  /// Up to the tag that ends the block, which comes along; nil at the end of the text.
  private static func block(
    _ rest: inout Substring, depth: Int
  ) throws(MergeFieldError) -> ([Piece], String?) {
    guard depth <= depthLimit else {
      throw .malformed("blocks stand in each other at most \(depthLimit) deep")
    }
    var pieces: [Piece] = []
    while let opening = rest.firstIndex(ofUTF8: "{{") {
      pieces.append(.text(String(rest[..<opening])))
      let inside = rest[opening...].dropFirst(2)
      guard let closing = inside.firstIndex(ofUTF8: "}}") else {
        throw .malformed("a field opens with {{ and does not close with }}")
      }
      let tag = String(inside[..<closing]).trimmed
      rest = inside[closing...].dropFirst(2)
      if tag == "else" || tag.hasPrefix("/") { return (pieces, tag) }
      if tag.hasPrefix("#") {
        pieces.append(try conditional(tag, &rest, depth: depth))
      } else if "{{\(tag)}}" == unsubscribeURL {
        // Filled in when the message goes out.
        pieces.append(.text(unsubscribeURL))
      } else {
        pieces.append(try field(tag))
      }
    }
    pieces.append(.text(String(rest)))
    rest = rest[rest.endIndex...]
    return (pieces, nil)
  }

  private static func field(_ tag: String) throws(MergeFieldError) -> Piece {
    let parts = tag.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0]).trimmed
    guard isKnown(name) else { throw .malformed("{{\(name)}} is not a field of contacts") }
    return .field(name, fallback: parts.count > 1 ? String(parts[1]).trimmed : nil)
  }

  private static func conditional(
    _ tag: String, _ rest: inout Substring, depth: Int
  ) throws(MergeFieldError) -> Piece {
    let words = tag.dropFirst().split(
      maxSplits: 1, omittingEmptySubsequences: true, whereSeparator: \.isWhitespace)
    guard let word = words.first, word == "if" || word == "unless", words.count == 2 else {
      throw .malformed("{{\(tag)}} is no block: if and unless are, with a field")
    }
    let sides = words[1].split(separator: "=", maxSplits: 1).map { String($0).trimmed }
    guard let name = sides.first, isKnown(name) else {
      throw .malformed("{{\(tag)}} asks for no field of contacts")
    }
    let condition = Condition(
      field: name, expected: sides.count > 1 ? sides[1] : nil, isNegated: word == "unless")
    var (then, end) = try block(&rest, depth: depth + 1)
    var otherwise: [Piece] = []
    if end == "else" { (otherwise, end) = try block(&rest, depth: depth + 1) }
    guard end == "/\(word)" else {
      throw .malformed("{{\(tag)}} does not end with {{/\(word)}}")
    }
    return .block(condition, then: then, otherwise: otherwise)
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
