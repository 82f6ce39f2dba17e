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

  /// The first field that cannot be: a list that is too long, a word that is none, one of two lists, or one that
  /// means something else everywhere.
  var fault: String? {
    var seen: Set<String> = []
    for (field, meaning, words) in lists {
      guard words.count <= Self.wordLimit else { return field }
      for word in words {
        let compact = Self.compact(word)
        let everywhere = OptOutKeywords.classify(word)
        guard !compact.isEmpty, word.count <= Self.wordLength, seen.insert(compact).inserted,
          everywhere == nil || everywhere == .unsure || everywhere == meaning
        else { return field }
      }
    }
    guard let helpText else { return nil }
    return helpText.isBlank || helpText.count > Self.helpLength ? "help_text" : nil
  }

  private static func compact(_ text: String) -> String {
    Words.squeezed(Words.split(text).joined())
  }
}
