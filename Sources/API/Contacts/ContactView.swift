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
    var object = JSONObject()
    show(in: &object)
    return .object(object)
  }

  func show(in object: inout some JSONFields) {
    let details = state.details
    let created = Timestamp.text(createdAtMicros)
    let isAsCreated = updatedAtMicros == createdAtMicros
    object.field("id", id.text)
    object.field("object", "contact")
    object.field("first_name", orNull: details.firstName)
    object.field("last_name", orNull: details.lastName)
    object.field("company", orNull: details.company)
    object.field("email", orNull: details.email)
    object.field("phone", orNull: details.phone)
    object.field("raw_phone", orNull: details.rawPhone)
    object.field("source", state.source)
    object.field("tags", state.tags.sorted())
    object.object("custom") { custom in
      for own in details.custom.fields { custom.field(own.name, own.value.json) }
    }
    object.object("consent") { consent in
      for channel in Channel.allCases {
        consent.object(channel.rawValue) { showConsent(on: channel, in: &$0) }
      }
    }
    object.field("archived", state.isArchived)
    object.field("erased", state.isErased)
    object.field("version", Int64(version))
    object.field("account", org.text)
    object.field("created_at", created)
    object.field("updated_at", isAsCreated ? created : Timestamp.text(updatedAtMicros))
  }

  private func showConsent(on channel: Channel, in object: inout some JSONFields) {
    let status = state.consents[channel]
    var agreed: Purpose?
    switch status {
    case .optedIn(let purpose, _):
      object.field("status", "opted_in")
      agreed = purpose
    case .optedOut: object.field("status", "opted_out")
    case nil: object.field("status", "none")
    }
    let sinceMicros = status == nil ? nil : consentSinceMicros[channel]
    object.field("purpose", orNull: agreed?.rawValue)
    object.field("since", orNull: sinceMicros.map(Timestamp.text))
  }
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
    respond(
      status, try contactView(id, version: written.receipt.version(of: id)), written.receipt)
  }

  /// The contact as a write left it.
  func respond(_ status: Int, _ view: ContactView, _ receipt: WriteReceipt) -> HTTPResponse {
    // What most of them take.
    var writer = JSONWriter(capacityBytes: 1_024)
    writer.beginObject()
    view.show(in: &writer)
    writer.field("events", receipt.events.map(\.text))
    writer.endObject()
    return response(status, writer.bytes, receipt: receipt, version: view.version)
  }
}
