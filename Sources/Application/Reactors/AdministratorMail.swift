import Domain
import EventCodec
import EventLog

/// What a letter to administrators says: a text of its own for each thing that they should know.
struct AdministratorMail: Sendable, Equatable {
  let subject: String
  let text: String

  /// What is written about.
  static let types: Set<String> = [
    "org.checkpoint_published", "org.access_refused", "org.sending_halted", "org.sending_resumed",
    "webhook_endpoint.disabled", "user.locked",
  ]

  /// More of a kind than this is counted, not told.
  private static let toldLimit = 20

  /// `events` in their order, all of one account.
  init(account: String, publicURL: String, events: [RecordedDomainEvent]) {
    var refusals: [String] = []
    var news: [String] = []
    var head: (size: Int64, note: String)?
    for event in events {
      let time = Timestamp.text(event.context.occurredAtMicros)
      switch event.event {
      case .org(.checkpointPublished(let size, let note)): head = (size, note)
      case .org(.accessRefused(let refusal)):
        refusals.append(
          "\(time)  \(refusal.actor) tried \(refusal.operation) and was refused: \(refusal.reason)")
      case .org(.sendingHalted(let scope, _, let reason, let by)):
        news.append("\(time)  All sending was stopped (\(scope.rawValue)) by \(by): \(reason)")
      case .org(.sendingResumed(let scope, let by)):
        news.append("\(time)  The stop of all sending (\(scope.rawValue)) was lifted by \(by)")
      case .user(.locked(let untilMicros)):
        news.append(
          "\(time)  Wrong passwords locked \(event.stream) out until \(Timestamp.text(untilMicros))"
        )
      case .webhookEndpoint(.disabled(let reason)):
        news.append("\(time)  Webhook endpoint \(event.stream) was switched off: \(reason)")
      default: continue
      }
    }
    var parts: [String] = []
    if !news.isEmpty { parts.append(Self.part("What happened", news)) }
    if !refusals.isEmpty { parts.append(Self.part("Attempts that were refused", refusals)) }
    if let head {
      parts.append(
        """
        The head of the account's book, signed at \(head.size) events. Keep this mail where Daybook \
        cannot change it: every later export can be checked against it (daybook verify bundle).

        \(head.note)
        """)
    }
    let matters = news.count + refusals.count
    subject =
      matters == 0
      ? "\(account): the book's signed head" : "\(account): \(matters) things you should know"
    text =
      parts.joined(separator: "\n\n")
      + "\n\nAll of it, and what is so now: \(publicURL)/\n"
  }

  private static func part(_ title: String, _ lines: [String]) -> String {
    let told = lines.suffix(toldLimit)
    let rest = lines.count - told.count
    return ([title + ":"] + told + (rest > 0 ? ["and \(rest) before these"] : []))
      .joined(separator: "\n")
  }

  func email(
    to address: String, _ credentials: ProviderCredentials, as message: Identifier
  ) -> OutboundEmail {
    OutboundEmail(
      credentials: credentials, message: message, from: credentials.options["from"] ?? "",
      fromName: credentials.options["from_name"], replyTo: nil, to: address, subject: subject,
      text: text, html: nil, headers: ["Auto-Submitted": "auto-generated"])
  }
}
