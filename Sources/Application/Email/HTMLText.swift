/// The words of an HTML text, for whoever only wants to read them.
package enum HTMLText {
  /// Without marks; what stands in a block of its own stands on a line of its own.
  package static func plain(_ html: String) -> String {
    var plain = ""
    var rest = html[...]
    while let open = rest.firstIndex(of: "<") {
      plain += rest[..<open]
      guard let close = rest[open...].firstIndex(of: ">") else { break }
      let name = rest[rest.index(after: open)..<close].prefix { $0.isLetter || $0 == "/" }
        .lowercased()
      rest = rest[rest.index(after: close)...]
      if unread.contains(name) {
        rest = rest.firstRange(of: "</" + name).map { rest[$0.lowerBound...] } ?? ""
      } else if blocks.contains(name.hasPrefix("/") ? String(name.dropFirst()) : name) {
        plain += "\n"
      }
    }
    if !rest.contains("<") { plain += rest }
    // Last: what it stands for must not become a mark, nor another entity.
    for (entity, text) in entities { plain = plain.replacing(entity, with: text) }
    return plain
  }

  private static let blocks: Set<String> = [
    "br", "p", "div", "tr", "li", "h", "table", "body", "blockquote", "hr", "head",
  ]
  private static let unread: Set<String> = ["style", "script", "title"]
  private static let entities: [(String, String)] = [
    ("&nbsp;", " "), ("&#160;", " "), ("&lt;", "<"), ("&gt;", ">"),
    ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&rsquo;", "’"), ("&amp;", "&"),
  ]
}
