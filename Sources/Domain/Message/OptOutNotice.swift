/// Whether a text tells its reader how to end the messages, as every marketing text must.
///
/// A way to answer and the word next to it ("Reply STOP", "Text 'ALTO'"), or the word and what it does
/// ("STOP to cancel", "STOP=end"). The word alone is an ordinary one: "the bus stop".
package enum OptOutNotice {
  package static func isIn(_ body: String) -> Bool {
    let words = Words.split(body)
    return words.indices.contains { index in
      if compact.contains(words[index]) { return true }
      let word = words[index]
      let isAnswer = isAnswer(after: words[..<index])
      if plain.contains(word), isAnswer { return true }
      // In capitals: "make a stop to end the day", "send end of month offers" are no notices.
      guard plain.contains(word) || loud.contains(word), body.contains(word.uppercased()) else {
        return false
      }
      return isAnswer || isExplained(by: words[(index + 1)...])
    }
  }

  /// "Reply STOP", "reply with STOP", "text back STOP", "reply with the word STOP".
  private static func isAnswer(after before: ArraySlice<String>) -> Bool {
    let rest = before.suffix(4).reversed().drop { between.contains($0) }
    return rest.first.map(answers.contains) ?? false
  }

  /// "STOP to end", "STOP 2 opt out", "STOP=unsubscribe".
  private static func isExplained(by after: ArraySlice<String>) -> Bool {
    let rest = after.drop { ["to", "2", "for", "para"].contains($0) }
    return rest.first.map(ends.contains) ?? false
  }

  private static let plain: Set<String> = ["stop", "unsubscribe", "unsub", "optout"]
  private static let loud: Set<String> = ["quit", "end", "cancel", "alto", "parar", "cancelar"]
  private static let compact: Set<String> = ["stop2end", "stop2quit", "stop2stop", "stoptoend"]
  private static let answers: Set<String> = [
    "reply", "text", "txt", "send", "respond", "answer", "responda", "responde", "envie", "envia",
    "conteste",
  ]
  private static let between: Set<String> = [
    "with", "w", "back", "the", "word", "us", "a", "con", "la", "palabra",
  ]
  private static let ends: Set<String> = [
    "end", "quit", "cancel", "stop", "unsubscribe", "unsub", "opt", "optout", "cancelar",
    "terminar",
  ]
}
