/// The words that Twilio acts on by itself: exactly one word, in any case, blanks around it ignored.
/// Source: Twilio's page on opt-out keywords; OPTOUT and REVOKE since 2025.
enum Keyword: Sendable {
  case stop, start, help

  init?(_ body: String) {
    var word = body.drop { $0.isWhitespace }
    while word.last?.isWhitespace == true { word.removeLast() }
    switch word.uppercased() {
    case "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE": self = .stop
    case "START", "YES", "UNSTOP": self = .start
    case "HELP", "INFO": self = .help
    default: return nil
    }
  }

  /// What Twilio itself answers.
  var reply: String {
    switch self {
    case .stop:
      "You have successfully been unsubscribed. You will not receive any more messages from this "
        + "number. Reply START to resubscribe."
    case .start:
      "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
        + "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
    case .help: "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
    }
  }
}
