/// What an org's messaging program, as the carriers registered it (a 10DLC campaign), answers to beside the
/// words that count everywhere, and what it answers HELP with.
package struct MessagingProgram: Sendable, Equatable, Codable {
  /// As a whole message, in any case and with any punctuation.
  package var optOut: [String]
  package var optIn: [String]
  package var help: [String]
  /// nil: whoever asks for help is answered by the provider alone.
  package var helpText: String?

  package init(
    optOut: [String] = [], optIn: [String] = [], help: [String] = [], helpText: String? = nil
  ) {
    self.optOut = optOut
    self.optIn = optIn
    self.help = help
    self.helpText = helpText
  }

  package static let wordLimit = 20
  package static let wordLength = 40
  /// Two segments or so: more is no help.
  package static let helpLength = 320

  /// What the org's own lists say of `body`; nil where it is on none of them. They take nothing back: who says
  /// STOP has said it, whatever the lists hold.
  package func meaning(of body: String) -> InboundMessage.Keyword? {
    let word = Self.compact(body)
    guard !word.isEmpty else { return nil }
    return lists.first { $0.words.contains { Self.compact($0) == word } }?.meaning
  }

  private var lists: [(field: String, meaning: InboundMessage.Keyword, words: [String])] {
    [
      ("keywords.opt_out", .optOut, optOut), ("keywords.opt_in", .optIn, optIn),
      ("keywords.help", .help, help),
    ]
  }

  /// The fields that cannot be: a list that is too long, a word that is none, one of two lists, or one that means
  /// something else everywhere.
  package var faults: [String] {
    var seen: Set<String> = []
    var faults: [String] = []
    for (field, meaning, words) in lists {
      var isSound = words.count <= Self.wordLimit
      for word in words.prefix(Self.wordLimit) {
        let compact = Self.compact(word)
        let everywhere = OptOutKeywords.classify(word)
        let isOfList = everywhere == nil || everywhere == .unsure || everywhere == meaning
        let isWord = !compact.isEmpty && word.count <= Self.wordLength
        let isNew = seen.insert(compact).inserted
        isSound = isSound && isWord && isNew && isOfList
      }
      if !isSound { faults.append(field) }
    }
    if let helpText, helpText.isBlank || helpText.count > Self.helpLength {
      faults.append("help_text")
    }
    return faults
  }

  private static func compact(_ text: String) -> String {
    Words.squeezed(Words.split(text).joined())
  }
}
