/// Reads a person's text for one question: does it end, begin or ask about the messages?
///
/// The seven words of 47 CFR 64.1200(a)(10) and the carriers' own, as a whole message in any case and
/// with any blanks or punctuation, are certain. So is free text that cannot well mean anything else
/// ("please stop texting me"). What merely reads like it is `unsure`: a human decides. A word inside an
/// ordinary sentence ("the bus stop") is nothing.
package enum OptOutKeywords {
  package static func classify(_ body: String) -> InboundMessage.Keyword? {
    let words = Words.split(body)
    if words.isEmpty { return body.contains("🛑") ? .unsure : nil }
    return wholeMessage(words) ?? firstLine(body) ?? OptOutPhrases.classify(words)
      ?? anyClause(body)
  }

  /// Reads a mail: its subject, its first line, and what its writer wrote above our own mail, quoted.
  ///
  /// A word that stands below the first line may be anything, a signature: there only whole sentences are certain.
  package static func classify(mail text: String, subject: String) -> InboundMessage.Keyword? {
    let lines = MailText.unquoted(text)
    let found = ([subject] + lines.prefix(1)).compactMap(classify)
    if found.contains(.optOut) { return .optOut }
    let words = lines.map(Words.split)
    let whole = Words.split(lines.joined(separator: "\n"))
    let below = words.map(OptOutPhrases.classify) + [OptOutPhrases.classify(whole)]
    if below.contains(.optOut) { return .optOut }
    let isWord = words.dropFirst().contains { strong.contains(Words.squeezed($0.joined())) }
    if found.contains(.unsure) || below.contains(.unsure) || isWord { return .unsure }
    return nil
  }

  /// Whether an `optIn` begins the messages in any case. Anything else that reads so, "yes", may answer
  /// another question.
  package static func isStart(_ body: String) -> Bool {
    start.contains(Words.squeezed(Words.split(body).joined()))
  }

  /// The word as a sentence among others: "Stop. I never signed up", but also "Haha. Stop!".
  private static func anyClause(_ body: String) -> InboundMessage.Keyword? {
    let isWord = cores(of: body, separatedBy: ".!?,;:-–—").contains {
      strong.contains(Words.squeezed($0.joined()))
    }
    // Not at commas: "Don't call me, text me".
    let isPhrase = cores(of: body, separatedBy: ".!?;").contains(where: OptOutPhrases.isWhole)
    return isWord || isPhrase ? .unsure : nil
  }

  private static func cores(of body: String, separatedBy signs: String) -> [[String]] {
    body.split { signs.contains($0) || $0.isNewline }.map {
      Words.withoutFillers(Words.split(String($0)))
    }
  }

  /// Reply words count only where nothing else is said.
  private static func wholeMessage(_ words: [String]) -> InboundMessage.Keyword? {
    let compact = Words.squeezed(words.joined())
    if strong.contains(compact) || weak.contains(compact) { return .optOut }
    if optIn.contains(compact) { return .optIn }
    if help.contains(compact) { return .help }
    // "STOP STOP", "Stop, unsubscribe"
    if words.allSatisfy({ strong.contains(Words.squeezed($0)) }) { return .optOut }
    let core = Words.withoutFillers(words)
    guard core.count < words.count, !core.isEmpty else { return nil }
    let compactCore = Words.squeezed(core.joined())
    if strong.contains(compactCore) { return .optOut }
    // "Please cancel" may well mean the appointment.
    return weak.contains(compactCore) ? .unsure : nil
  }

  /// The word on a line of its own, and a signature or a quotation below.
  private static func firstLine(_ body: String) -> InboundMessage.Keyword? {
    let lines = body.split(whereSeparator: \.isNewline)
    guard lines.count > 1, let line = lines.first else { return nil }
    let compact = Words.squeezed(Words.split(String(line)).joined())
    return strong.contains(compact) ? .optOut : nil
  }

  private static func words(_ list: String) -> Set<String> {
    Set(list.split(separator: " ").map { Words.squeezed(String($0)) })
  }

  /// Certain also next to "please" or "now".
  private static let strong = words(
    "stop stopall unsubscribe unsub unsubscribed unsuscribe unsubcribe unsubscibe unsubscribeme "
      + "optout optmeout alto basta nomas arret")

  /// Certain only when nothing else is said.
  private static let weak = words("quit end revoke cancel cancelar parar detener")

  private static let start = words("start unstop")

  private static let optIn = start.union(words("yes"))

  private static let help = words("help info ayuda")
}

/// A text as plain words.
enum Words {
  /// Lower case, without accents and apostrophes; everything but letters and digits separates.
  static func split(_ text: String) -> [String] {
    var words: [String] = []
    var word = ""
    for scalar in text.lowercased().unicodeScalars.map(narrow) {
      switch scalar {
      case "'", "’", "‘", "`", "\u{200D}", "\u{FE0F}": continue
      case _ where scalar.properties.generalCategory == .nonspacingMark: continue
      default: break
      }
      if let letter = plain[scalar] {
        word.unicodeScalars.append(letter)
      } else if scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
        word.unicodeScalars.append(scalar)
      } else if !word.isEmpty {
        words.append(word)
        word = ""
      }
    }
    return joiningThanks(word.isEmpty ? words : words + [word])
  }

  /// "Thank you" as one word: "you" alone may be who is meant.
  private static func joiningThanks(_ words: [String]) -> [String] {
    words.indices.compactMap { index in
      if index > 0, words[index] == "you", words[index - 1] == "thank" { return nil }
      return words[index] == "thank" ? "thankyou" : words[index]
    }
  }

  /// Full-width letters and signs as their plain ones: U+FF01 to U+FF5E mirror ASCII.
  private static func narrow(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    guard (0xFF01...0xFF5E).contains(scalar.value) else { return scalar }
    return Unicode.Scalar(scalar.value - 0xFEE0) ?? scalar
  }

  private static let plain: [Unicode.Scalar: Unicode.Scalar] = [
    "á": "a", "à": "a", "â": "a", "é": "e", "è": "e", "ê": "e", "í": "i", "ó": "o", "ú": "u",
    "ü": "u", "ñ": "n",
  ]

  /// Runs of one letter become one: "STOOOPPP" is "stop".
  static func squeezed(_ word: String) -> String {
    var squeezed = ""
    for letter in word where squeezed.last != letter { squeezed.append(letter) }
    return squeezed
  }

  /// Without the words of politeness and impatience at both ends.
  static func withoutFillers(_ words: [String], keeping kept: Set<String> = []) -> [String] {
    let fillers = fillers.subtracting(kept)
    let start = words.drop { fillers.contains($0) }
    guard let last = start.lastIndex(where: { !fillers.contains($0) }) else { return [] }
    return Array(start[...last])
  }

  static let fillers: Set<String> = [
    "please", "pls", "plz", "pleas", "thanks", "thankyou", "thx", "ty", "ok",
    "okay", "now", "just", "kindly", "immediately", "asap", "already", "hi", "hello", "hey", "no",
    "yes", "and", "sir", "maam", "por", "favor", "porfavor", "gracias",
  ]
}
