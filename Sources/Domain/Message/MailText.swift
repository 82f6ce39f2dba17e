/// What the writer of a mail wrote themselves.
enum MailText {
  /// Whoever says no does not take longer.
  private static let lineLimit = 40

  /// The lines above what is quoted, without empty ones and without the greeting.
  static func unquoted(_ text: String) -> [String] {
    var lines: [String] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let line = String(line).trimmed
      if line.isEmpty { continue }
      // A signature begins so (RFC 3676, 4.3).
      if line == "--" || isQuotation(line) { break }
      lines.append(line)
      if lines.count == lineLimit { break }
    }
    guard lines.count > 1, isGreeting(lines[0]) else { return lines }
    return Array(lines.dropFirst())
  }

  /// Mail programs mark what they quote each in their way: by signs at the line's start, by a rule, or by a line
  /// that says who wrote when.
  private static func isQuotation(_ line: String) -> Bool {
    if line.hasPrefix(">") || line.hasPrefix("-----") || line.hasPrefix("_____") { return true }
    let words = Words.split(line)
    guard let first = words.first else { return false }
    if line.hasSuffix(":"), words.contains(where: wrote.contains) { return true }
    let start = line.drop { $0 == "*" }.lowercased()
    return headers.contains(first) && start.hasPrefix(first + ":")
  }

  private static let wrote: Set<String> = ["wrote", "escribio", "schrieb", "ecrit", "scritto"]
  private static let headers: Set<String> = ["from", "sent", "to", "von", "de", "para", "an"]

  /// "Hi", "Hello Ann,", "Dear all,".
  private static func isGreeting(_ line: String) -> Bool {
    let words = Words.split(line)
    guard let first = words.first, words.count <= 4 else { return false }
    return greetings.contains(first) && OptOutPhrases.classify(words) == nil
  }

  private static let greetings: Set<String> = [
    "hi", "hello", "hey", "dear", "hola", "good", "greetings", "hallo", "bonjour", "estimados",
    "estimado", "estimada",
  ]
}
