import Domain
import EventCodec
import EventLog
import JSON

/// Events as the outside sees them: the API, webhooks and exports show the same object.
package enum EventJSON {
  /// The whole event. Secrets (an org's tokens, a user's password hash) are left out.
  ///
  /// - Throws: `CommandError.unreadable` where a payload is not JSON.
  package static func object(_ recorded: RecordedEvent) throws(CommandError) -> JSON {
    let event = try StreamFold.decode(recorded)
    return .object(
      JSONObject([
        ("id", .string(event.eventID.text)), ("object", "event"), ("type", .string(event.type)),
        ("position", .int(Int64(recorded.position))),
        ("sequence", .int(Int64(recorded.orgSequence))),
        ("occurred_at", .string(Timestamp.text(recorded.context.occurredAtMicros))),
        ("recorded_at", .string(Timestamp.text(recorded.recordedAtMicros))),
        ("account", .string(event.org.text)), ("actor", .string(recorded.context.actor)),
        ("origin", .string(recorded.context.origin)),
        ("correlation", .string(recorded.context.correlation)),
        ("cause", recorded.context.causation.map { .int(Int64($0)) } ?? .null),
        (
          "subject",
          [
            "type": .string(event.stream.kind.name), "id": .string(event.stream.text),
            "version": .int(Int64(recorded.streamVersion)),
          ]
        ),
        ("data", try data(of: recorded)),
      ]))
  }

  /// The payload's fields, the org's part first, then each person's. `"erased": true` where a
  /// person's part is gone.
  package static func data(of recorded: RecordedEvent) throws(CommandError) -> JSON {
    var data = JSONObject()
    for part in recorded.parts {
      switch part {
      case .erased:
        data["erased"] = true
      case .opened(let subject, let payload):
        if subject != nil, hidesSubjectParts(recorded.type) { continue }
        let fields: JSON
        do {
          fields = try JSON(parsing: payload)
        } catch {
          throw .unreadable(reason: "position \(recorded.position): \(error)")
        }
        for (key, value) in fields.object?.fields ?? [] where key != "secret_hash" {
          data[key] = value
        }
      }
    }
    return .object(data)
  }

  /// Whose sealed part is an address that somebody came from.
  private static let attempts: Set<String> = ["org.access_refused", "user.sign_in_failed"]

  /// Types whose sealed part is a secret and not a person's data.
  static func hidesSubjectParts(_ type: String) -> Bool {
    guard !attempts.contains(type) else { return false }
    return type.hasPrefix("org.") || type.hasPrefix("user.") || type.hasPrefix("webhook_endpoint.")
      || type.hasPrefix("api_key.") || type.hasPrefix("subject.")
      || type.hasPrefix("inbound_hook.")
  }
}

extension Identifier.Kind {
  /// The word for it in API objects.
  package var name: String {
    switch self {
    case .org: "account"
    case .user: "user"
    case .apiKey: "api_key"
    case .role: "role"
    case .contact: "contact"
    case .message: "message"
    case .wallet: "wallet"
    case .campaign: "campaign"
    case .segment: "segment"
    case .workflow: "workflow"
    case .run: "run"
    case .timer: "timer"
    case .webhookEndpoint: "webhook_endpoint"
    case .inboundHook: "inbound_hook"
    case .importJob: "import"
    case .template: "template"
    case .payment: "payment"
    case .auditExport: "audit_export"
    case .erasure: "erasure"
    case .event: "event"
    case .request: "request"
    }
  }
}

extension Identifier.Kind {
  /// Where the API shows its objects; nil where it shows none by id.
  package var plural: String? {
    switch self {
    case .org: "accounts"
    case .user: "users"
    case .apiKey: "api-keys"
    case .role: "roles"
    case .contact: "contacts"
    case .message: "messages"
    case .campaign: "campaigns"
    case .segment: "segments"
    case .workflow: "workflows"
    case .run: "runs"
    case .webhookEndpoint: "webhook-endpoints"
    case .template: "templates"
    case .payment: "payments"
    case .inboundHook: "inbound-hooks"
    case .importJob: "imports"
    default: nil
    }
  }
}
