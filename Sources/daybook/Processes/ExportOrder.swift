import Application
import CLI
import Domain
import EventLog
import Foundation
import HTTP
import JSON
import Merkle

/// Has an export recorded in the book and its head signed: by the running system, or, where none runs, by
/// opening the log for writing.
struct ExportOrder {
  let org: Identifier
  /// The fields of `POST /api/operator/audit-exports`, without the account.
  let request: JSONObject
  let settings: Settings

  /// Of a system that reads its books before it answers.
  private static let startPatience: Duration = .seconds(120)

  /// Waits for a system that is just starting: it has the log, and does not answer yet.
  func place() async throws -> (record: AuditExportRecord, published: PublishedHead) {
    let deadline = ContinuousClock.now + Self.startPatience
    var isWaiting = false
    while true {
      if let answer = try await ask() { return try read(answer) }
      do {
        return try await placeAlone()
      } catch CommandError.logInUse(_) {
        guard ContinuousClock.now < deadline else {
          let url = try settings.runningURL()
          throw CommandError.exportRefused(
            reason: "the log is written by a system that does not answer at \(url)")
        }
      }
      if !isWaiting {
        Output.error("export audit: waits until the system that has the log answers")
        isWaiting = true
      }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  /// nil where nothing listens.
  private func ask() async throws -> JSON? {
    guard let token = FileManager.default.contents(atPath: settings.home.operatorToken) else {
      return nil
    }
    var body = request
    body["account"] = .string(org.text)
    let url = try settings.runningURL()
    let client = HTTPClient()
    defer { client.close() }
    let response: ClientResponse
    do {
      response = try await client.send(
        ClientRequest(
          method: "POST", url: url + "/api/operator/audit-exports",
          headers: [
            "authorization": "Bearer "
              + String(decoding: token, as: UTF8.self).trimmingCharacters(
                in: .whitespacesAndNewlines),
            "content-type": "application/json",
          ], body: JSON.object(body).bytes(), timeoutMillis: 60_000))
    } catch HTTPClientError.notSent(_) {
      return nil
    }
    // Another home's system at this port does not know our token.
    if response.status == 401 { return nil }
    let answer = try JSON(parsing: response.body)
    guard response.status == 201 else {
      throw CommandError.exportRefused(
        reason: answer["error"]?["message"]?.string ?? "status \(response.status)")
    }
    return answer
  }

  private func read(
    _ answer: JSON
  ) throws -> (record: AuditExportRecord, published: PublishedHead) {
    guard let id = answer["export"]?.string.flatMap({ Identifier($0, kind: .auditExport) }),
      let note = answer["checkpoint"]?.string, let key = answer["verifier_key"]?.string,
      let proof = answer["instance_proof"]?.string,
      let instanceKey = answer["instance_verifier_key"]?.string
    else { throw CommandError.exportRefused(reason: "an answer of another version") }
    let contacts = (answer["contacts"]?.array ?? []).compactMap {
      $0.string.flatMap { Identifier($0, kind: .contact) }
    }
    let published = PublishedHead(
      head: try Checkpoint(text: try NoteVerifier(verifierKey: key).open(note)),
      checkpoint: note, verifierKey: key,
      older: (answer["older"]?.array ?? []).compactMap(\.string), instanceProof: proof,
      instanceVerifierKey: instanceKey)
    let scope = try scope { _ in contacts }
    return (
      AuditExportRecord(
        id: id, scope: scope, opensCredentials: request["open_credentials"]?.bool ?? true),
      published
    )
  }

  private func placeAlone() async throws -> (
    record: AuditExportRecord, published: PublishedHead
  ) {
    let log = try openLogForWriting(settings.home)
    do {
      let engine = try Engine(
        log: log,
        tools: Tools(
          clock: SystemClock(), random: SystemRandom(), numbers: PhoneBook(),
          zones: SystemZoneClock()))
      let hold = SendingHold(path: settings.home.restored) { EventLog.SystemClock.nowMicros() }
      let desk = try ExportDesk(
        engine: engine, reader: log,
        notary: Notary(log: log, directory: settings.home.path, hold: hold),
        directory: settings.home.exports, report: { Output.error($0) })
      await RestoreNotes(
        engine: engine, notary: desk.notary,
        record: try hold.record(), report: { Output.error($0) }
      ).write()
      let scope = try scope { number in
        try desk.contacts(with: number, of: org)
      }
      let placed = try await desk.begin(
        Call(actor: "system:operator", origin: "cli", correlation: "cli"), org: org, scope: scope,
        opensCredentials: request["open_credentials"]?.bool ?? true)
      await log.close()
      return placed
    } catch {
      await log.close()
      throw error
    }
  }

  private func scope(
    _ contacts: (_ number: String) throws -> [Identifier]
  ) throws -> AuditScope {
    func id(_ name: String, _ kind: Identifier.Kind) throws -> Identifier {
      guard let text = request[name]?.string, let id = Identifier(text, kind: kind) else {
        throw UsageError("--\(name) is an id such as \(kind.rawValue)_….", command: "export audit")
      }
      return id
    }
    func time(_ name: String) throws -> Micros {
      guard let micros = request[name]?.string.flatMap(Timestamp.micros) else {
        throw UsageError(
          "--\(name) is a time such as 2026-11-21T08:00:00Z.", command: "export audit")
      }
      return micros
    }
    switch request["scope"]?.string.flatMap(AuditScope.Kind.init(rawValue:)) {
    case .contact: return .contact(try id("contact", .contact))
    case .message: return .message(try id("message", .message))
    case .campaign: return .campaign(try id("campaign", .campaign))
    case .number: return .number(contacts: try contacts(request["number"]?.string ?? ""))
    case .period: return .period(fromMicros: try time("from"), untilMicros: try time("until"))
    case .account, nil: return .account
    }
  }
}
