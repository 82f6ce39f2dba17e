import Domain
import Foundation
import Testing

@Suite struct OptOutTests {
  @Test(arguments: [
    // the seven words, any case, blanks and punctuation
    "stop", "QUIT", "End", "revoke", "opt out", "cancel", "UNSUBSCRIBE", "STOP.", "Stop!",
    "opt-out",
    "optout", "stopall", "STOP ALL", "  stop \n", "\"STOP\"", "S.T.O.P", "s t o p", "Stop 🛑",
    "STOOOP!!",
    "Unsub", "unsuscribe", "STOP STOP STOP", "Stop, unsubscribe",
    // next to politeness
    "please stop", "Stop please!", "STOP now", "ok stop. thank you", "No. Stop!",
    "pls unsubscribe thx",
    // on its own line
    "STOP\n\nSent from my iPhone", "Stop\n> Hi Ann, big sale",
    // Spanish and French
    "ALTO", "Basta!", "CANCELAR", "no más", "NO MAS", "¡Alto, por favor!", "Arrêt",
    "no me mande mas mensajes",
    "dejen de enviarme mensajes", "Por favor quiteme de su lista", "quiero darme de baja",
    // free text
    "please stop texting me", "STOP TEXTING ME!!!", "Can you stop texting me?", "stop messaging me",
    "Would you please stop contacting me", "please remove me", "remove me",
    "Remove me from your list",
    "take me off of your list please", "Take my number off your mailing list.", "delete my number",
    "wrong number don't text", "Wrong number, stop", "wrong person please dont text again",
    "Do not text me again", "don't contact me anymore", "never text me again", "Don't text me",
    "do not call this number", "dont ever message me", "I want to unsubscribe",
    "I'd like to opt out",
    "how do i unsubscribe?", "no more texts please", "No more messages!", "stop sending me these",
    "stop sending messages to this number", "stop sending all these messages",
    "Quit texting this number", "leave me alone", "opt me out", "I revoke my consent",
    "put me on your do not call list", "ＳＴＯＰ", "please unsubscribe me from this list",
    "I don't want these texts", "i do not want to receive texts anymore",
    "How do I stop these messages?",
    "I'd like to stop receiving messages", "Please don't send me anything else",
    "no quiero recibir mensajes", "Ya no me manden mensajes", "stop all messages",
    "stop these texts", "lose my number",
  ])
  func `a revocation is certain`(body: String) {
    #expect(OptOutKeywords.classify(body) == .optOut)
  }

  @Test(arguments: [
    "please cancel", "cancel please", "ok end", "stop it", "Not interested",
    "No thanks, not interested",
    "go away", "fuck off", "wrong number", "I think u have the wrong number.",
    "cancel my subscription",
    "I asked you to stop texting me", "this is spam", "🛑",
    "dont text me while im driving", "stop sending me pics", "stop calling me Bob",
    "I said leave me alone or else", "Stop - John", "Stop. I never signed up for this", "no more",
    "quit it",
    "You have the wrong number please stop", "I'm not interested please remove me",
    "don't text me. I'm driving",
    "remove",
  ])
  func `what only reads like a revocation is for a human`(body: String) {
    #expect(OptOutKeywords.classify(body) == .unsure)
  }

  @Test(arguments: [
    "", "   ", "👍", "Yup next stop.", "I'm at the bus stop", "great comedy cant stop laughing",
    "The end of the day works", "cancel my appointment on Friday", "Can we cancel Tuesday's visit?",
    "Boooo you always work. Just quit.", "He won't stop texting me lol",
    "why did you stop texting me",
    "you dont text me anymore :(", "Ok, be careful ! Don't text and drive !", "yes please",
    "no thanks",
    "start at 5?", "info on pricing please", "help me choose", "thank you", "ok", "please",
    "I never stop texting people", "stopwatch", "Weekend", "Can you stop by at 5?",
    "Don't call me, text me", "how do I get there", "who is this?",
    "if you stop texting me i'll be sad", "nonstop flights", "the basta pasta place",
  ])
  func `an ordinary text is nothing`(body: String) {
    #expect(OptOutKeywords.classify(body) == nil)
  }

  @Test(arguments: ["START", "Yes", "unstop", "YES!", "start."])
  func `an opt-in word is one when nothing else is said`(body: String) {
    #expect(OptOutKeywords.classify(body) == .optIn)
  }

  @Test(arguments: ["HELP", "info", "Help?", "help!!", "AYUDA"])
  func `a help word is one when nothing else is said`(body: String) {
    #expect(OptOutKeywords.classify(body) == .help)
  }

  /// Goal: real texts with "stop", "end", "quit" or "cancel" inside are not taken for revocations.
  /// Method: 2,800 texts of people and spammers; every certain one is listed here, because it is one.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: corpus.path), "needs ../shared/data"))
  func `no real text is taken for a revocation that it is not`() throws {
    let lines = try String(contentsOf: Self.corpus, encoding: .utf8).split(separator: "\n")
      .dropFirst()
    let texts = lines.map { String($0.drop { $0 != "\t" }.dropFirst()) }
    try #require(texts.count > 2_500)
    let certain = texts.filter { OptOutKeywords.classify($0) == .optOut }
    #expect(certain.count == 2)
    #expect(certain.first == "Please don't text me anymore. I have nothing else to say.")
    #expect(certain.last?.contains("Please do not contact me again") == true)
    let unsure = texts.filter { OptOutKeywords.classify($0) == .unsure }
    #expect(unsure.count <= texts.count / 200, "a human has better things to do: \(unsure)")
  }

  static let corpus = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "shared/data/sms-texts.tsv")

  /// Goal: no text makes the reader fail, and case never matters. Method: seeded texts.
  @Test(arguments: 0..<200 as Range<UInt64>)
  func `case never matters`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let words = [
      "stop", "please", "texting", "me", "you", "don't", "text", "list", "my", "to", "again",
    ]
    let body = (0..<Int.random(in: 0...7, using: &random)).map { _ in
      random.bool() ? random.one(of: words) : random.text()
    }.joined(separator: " ")
    try #require(
      OptOutKeywords.classify(body.lowercased())
        == OptOutKeywords.classify(body.lowercased().uppercased().lowercased()), "\(body)")
  }
}
