import Application
import Domain
import EventCodec
import HTTP
import JSON

/// A contact as the API shows it, from the log or from the read model alike.
struct ContactView {
  let id: Identifier
  let org: Identifier
  let state: Contact.State
  let consentSinceMicros: [Channel: Micros]
  let version: UInt64
  let createdAtMicros: Micros
  let updatedAtMicros: Micros

  var json: JSON {
    let details = state.details
    let created = Timestamp.text(createdAtMicros)
    let isAsCreated = updatedAtMicros == createdAtMicros
    return .object(
      JSONObject([
        ("id", .string(id.text)), ("object", "contact"),
        ("first_name", JSON(details.firstName)), ("last_name", JSON(details.lastName)),
        ("company", JSON(details.company)), ("email", JSON(details.email)),
        ("phone", JSON(details.phone)), ("raw_phone", JSON(details.rawPhone)),
        ("source", .string(state.source)),
        ("tags", .array(state.tags.sorted().map(JSON.string))),
        (
          "custom",
          .object(JSONObject(details.custom.fields.map { (key: $0.name, value: $0.value.json) }))
        ),
        (
          "consent",
          .object(JSONObject(Channel.allCases.map { (key: $0.rawValue, value: consent(on: $0)) }))
        ),
        ("archived", .bool(state.isArchived)), ("erased", .bool(state.isErased)),
        ("version", .int(Int64(version))),
        ("account", .string(org.text)),
        ("created_at", .string(created)),
        ("updated_at", .string(isAsCreated ? created : Timestamp.text(updatedAtMicros))),
      ]))
  }

  private func consent(on channel: Channel) -> JSON {
    guard let status = state.consents[channel] else { return Self.noConsent }
    let since = JSON(consentSinceMicros[channel].map(Timestamp.text))
    return switch status {
    case .optedIn(let purpose, _):
      ["status": "opted_in", "purpose": .string(purpose.rawValue), "since": since]
    case .optedOut: ["status": "opted_out", "purpose": nil, "since": since]
    }
  }

  private static let noConsent: JSON = ["status": "none", "purpose": nil, "since": nil]
}

extension Exchange {
  /// The contact as it was at `version`, from the log: the same answer whenever it is asked for.
  func contactView(_ id: Identifier, version: UInt64 = .max) throws(APIError) -> ContactView {
    do {
      let (snapshot, since) = try engine.contact(id, of: org, version: version)
      guard snapshot.state.exists else { throw APIError.notFound("contact") }
      return ContactView(
        id: id, org: org, state: snapshot.state, consentSinceMicros: since,
        version: snapshot.version, createdAtMicros: snapshot.createdAtMicros,
        updatedAtMicros: snapshot.updatedAtMicros)
    } catch let error as CommandError {
      throw APIError(error)
    } catch let error as APIError {
      throw error
    } catch {
      preconditionFailure("only these two are thrown: \(error)")
    }
  }

  /// The answer to a write on a contact.
  func contactResponse<Output: Sendable>(
    _ status: Int, _ id: Identifier, _ written: Written<Output>
  ) throws(APIError) -> HTTPResponse {
    let view = try contactView(id, version: written.receipt.version(of: id))
    return respond(status, view.json, receipt: written.receipt, version: view.version)
  }
}
