import Domain

/// What a call does, in Twilio's markup. Source: Twilio's reference of TwiML.
enum TwiML {
  static let contentType = "text/xml"

  static func document(_ verbs: String...) -> String {
    #"<?xml version="1.0" encoding="UTF-8"?><Response>"# + verbs.joined() + "</Response>"
  }

  static func say(_ text: String) -> String { "<Say>\(escaped(text))</Say>" }

  static func play(_ url: String) -> String { "<Play>\(escaped(url))</Play>" }

  static let hangUp = "<Hangup/>"

  /// Begins to record. Whatever is said before is not on it.
  static let startRecording = "<Start><Recording/></Start>"

  /// Takes one key while `verbs` are heard, and for a moment after.
  static func gather(action: String, _ verbs: String...) -> String {
    #"<Gather numDigits="1" timeout="3" action="\#(escaped(action))" method="POST">"#
      + verbs.joined() + "</Gather>"
  }

  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}

/// What is said in one call: who calls first, as the law asks of recorded messages (47 CFR 64.1200(b)),
/// that it is recorded where it is, and how to end such calls where it advertises.
struct CallScript {
  let orgName: String
  let number: String
  let isMarketing: Bool
  let content: MessageContent
  let voice: VoicePlan
  let keysURL: String

  static let recordingNotice = "This call may be recorded."

  func document(answeredBy: String?) -> String {
    answeredBy?.hasPrefix("machine") == true ? forMachine : forPerson
  }

  private var forPerson: String {
    let notice = voice.isRecorded ? TwiML.say(Self.recordingNotice) + TwiML.startRecording : ""
    let greeting = TwiML.say("This is \(orgName).")
    guard isMarketing else { return TwiML.document(notice, greeting, message, TwiML.hangUp) }
    return TwiML.document(
      notice,
      TwiML.gather(
        action: keysURL, greeting, TwiML.say("To get no more calls from us, press 9."), message),
      TwiML.hangUp)
  }

  private var forMachine: String {
    guard let voicemail = content.voicemail else { return TwiML.document(TwiML.hangUp) }
    let ending =
      isMarketing ? TwiML.say("To get no more calls from us, call \(spelled(number)).") : ""
    return TwiML.document(
      TwiML.say("This is \(orgName)."), TwiML.say(voicemail), ending, TwiML.hangUp)
  }

  private var message: String {
    content.media.first.map(TwiML.play) ?? TwiML.say(content.body)
  }

  private func spelled(_ number: String) -> String {
    number.filter(\.isNumber).map(String.init).joined(separator: " ")
  }
}
