/// Free text that asks to be left in peace. Phrases are tried in order; the first that fits decides.
enum OptOutPhrases {
  static func classify(_ words: [String]) -> InboundMessage.Keyword? {
    // "No" may be part of what is said ("no more texts") or not ("no, not interested").
    let cores = [Words.withoutFillers(words), Words.withoutFillers(words, keeping: ["no"])]
    guard let core = cores.last, !core.isEmpty else { return nil }
    func isAllOfIt(_ phrase: Phrase) -> Bool { cores.contains(where: phrase.matchesAll) }
    if whole.contains(where: isAllOfIt) { return .optOut }
    let answers = inside.compactMap { answer($0, core) }
    if answers.contains(.optOut) { return .optOut }
    if answers.contains(.unsure) || wholeUnsure.contains(where: isAllOfIt) { return .unsure }
    return insideUnsure.contains { $0.firstMatch(in: core) != nil } ? .unsure : nil
  }

  /// Whether the words are one of the phrases that are certain on their own.
  static func isWhole(_ words: [String]) -> Bool { whole.contains { $0.matchesAll(of: words) } }

  /// What the phrase says at its first place, considering who is meant to do it.
  private static func answer(_ phrase: Phrase, _ words: [String]) -> InboundMessage.Keyword? {
    guard let start = phrase.firstMatch(in: words) else { return nil }
    let before = words[..<start].filter { !["please", "pls", "plz", "just", "now"].contains($0) }
    guard let last = before.last else { return .optOut }
    if others.contains(last) { return nil }
    if ["to", "should"].contains(last) { return .unsure }
    guard ["you", "u", "ya"].contains(last) else { return .optOut }
    // "Can you stop texting me", but "why did you stop texting me".
    return before.dropLast().last.map(requests.contains) == true ? .optOut : nil
  }

  /// Somebody else does it, or does not, or it is only imagined.
  private static let others: Set<String> = [
    "i", "we", "he", "she", "they", "it", "him", "her", "them", "people", "wont", "cant", "cannot",
    "doesnt", "didnt", "dont", "never", "not", "couldnt", "wouldnt", "isnt", "if", "when", "until",
    "since", "why", "did", "does", "who", "will", "would",
  ]

  private static let requests: Set<String> = ["can", "could", "will", "would", "must", "need"]

  // MARK: - Phrases

  private static let texting =
    "texting|texing|txting|messaging|msging|contacting|emailing|spamming|bothering|harassing"
  private static let text = "text|txt|message|msg|contact|sms|email|bother|spam"
  private static let texts =
    "texts|text|txts|messages|message|msgs|sms|smses|spam|emails|promotions|ads|notifications|alerts"
  private static let me = "me|us"
  private static let again = "again|anymore|any"

  /// Certain where they are all that is said.
  private static let whole = phrases([
    "stop \(texting) \(me)?", "stop calling \(me)",
    "stop sending \(me)? all|the|these|this|any? \(texts)?",
    "stop all|the|these|this|your|any? text|sms|marketing? \(texts)",
    "dont|do not? ever? \(text)|call \(me)", "never \(text)|call \(me)",
    "no more|mas \(texts)|calls|mensajes|textos", "leave me|us alone",
    "lose|delete|forget my|this number",
    "remove|delete|unsubscribe me|us|my|this number?", "take me|us off", "off your|the list",
    "wrong number|person stop|unsubscribe|remove me?", "stop wrong number|person",
    "wrong number|person please|pls? dont|do not? \(text)|call me|us|here|again?",
    "do not \(text)|call", "dont \(text)", "no quiero recibir? mas? mensajes|textos",
    "ya? no me envien|envie|manden|mande|escriban|escriba mensajes|textos|nada?",
    "i|we dont|do not? want to? receive|get? these|any|your|more|further? \(texts)",
    "stop|quit receiving|getting these|your|any|the? \(texts)",
    "i revoke|withdraw my? consent|permission", "opt me|us? out",
  ])

  /// Certain wherever they stand, unless somebody else is meant to do it.
  private static let inside = phrases([
    "stop|quit|cease \(texting) \(me)|this|my", "stop|quit sending \(me) \(texts)",
    "stop|quit sending \(me) these|this|those|your|any|all|more|so",
    "stop|quit sending me|us? so|all|any|more|your|the? many|these|those? \(texts)",
    "dont|not ever? \(text)|call \(me) \(again)|ever", "never \(text)|call \(me) again",
    "dont|not ever? \(text)|call this|my number|phone|cell",
    "dont|not ever? send \(me) any? more? \(texts) \(again)",
    "remove|delete|take me|us|my|this number|name|phone? number? from|off of? "
      + "your|the|this|these|all|any contact|mailing|text|texting|sms|marketing|calling|call|phone|message|messaging|email? "
      + "list|lists|database|system|\(texts)|records|contacts",
    "i|id|we would? want|like|wish|need to unsubscribe",
    "i|id|we would? want|like|wish|need to opt out",
    "i|id|we would? want|like|wish|need to be removed", "how do|can i|we unsubscribe|unsub",
    "how do|can i|we opt out",
    "how do|can i|we stop these|this|getting|receiving|your|all|the \(texts)?",
    "i|id|we would? want|like|wish|need to stop receiving|getting", "unsubscribe me|us|this",
    "i|we dont|do not? want to? receive|get? these|any|your|more? \(texts) anymore|again",
    "dont|not send \(me) anything else|again|anymore", "on your|the do not call|text|contact list",
    "i revoke|withdraw my consent|permission", "revoke|withdraw my consent|permission",
    "no me envien|envie|envies|manden|mande|mandes|escriban|escriba|escribas|llamen|llame|llames"
      + "|contacten|contacte|contactes|molesten|moleste|molestes mas",
    "deje|dejen|deja de enviarme|mandarme|escribirme|llamarme|molestarme|textearme",
    "quiteme|quitenme|quitame|eliminame|elimineme|borreme|borrame|saqueme|saquenme de su|tu|la|esta lista",
    "quiero darme|dar de baja",
  ])

  /// A human should look where they are all that is said.
  private static let wholeUnsure = phrases([
    "stop|quit it|this|that", "no more", "remove|delete|out", "not interested",
    "im|i am? not interested", "go away", "get lost",
    "fuck|piss|bugger off", "f off", "wrong number|person",
    "cancel|end my|the? subscription|messages|texts|membership", "opting out", "this is spam",
    "no me interesa", "stop wasting my time",
  ])

  /// A human should look wherever they stand.
  private static let insideUnsure = phrases([
    "wrong number", "leave me alone", "remove me", "opt me out", "dont|not send \(me) anything",
    "dont|not want to? receive|get? these|any|your|more? \(texts)",
    "report|reported|reporting as|you|this spam",
    "dont|not contact|message|text|txt|msg \(me) while|until|if|at", "lose|delete my number",
    "take me off", "stop sending \(me)", "stop calling \(me)", "no more \(texts)",
    "stop contacting|spamming|harassing", "do not consent",
  ])

  private static func phrases(_ list: [String]) -> [Phrase] { list.map(Phrase.init) }
}

/// A sequence of words: `stop|quit texting me?` is two alternatives, a word, and one that may be missing.
struct Phrase: Sendable {
  private struct Element {
    let words: Set<String>
    let isOptional: Bool
  }

  private let elements: [Element]

  init(_ text: String) {
    elements = text.split(separator: " ").map { element in
      let isOptional = element.hasSuffix("?")
      let words = (isOptional ? element.dropLast() : element).split(separator: "|").map(String.init)
      return Element(words: Set(words), isOptional: isOptional)
    }
  }

  func matchesAll(of words: [String]) -> Bool {
    ends(elements[...], words[...]).contains(words.endIndex)
  }

  /// Where the phrase first begins.
  func firstMatch(in words: [String]) -> Int? {
    words.indices.first { !ends(elements[...], words[$0...]).isEmpty }
  }

  /// Every place at which the elements may be over when they start at the first of `words`.
  private func ends(_ elements: ArraySlice<Element>, _ words: ArraySlice<String>) -> [Int] {
    guard let element = elements.first else { return [words.startIndex] }
    let rest = elements.dropFirst()
    var places = element.isOptional ? ends(rest, words) : []
    if let word = words.first, element.words.contains(word) {
      places += ends(rest, words.dropFirst())
    }
    return places
  }
}
