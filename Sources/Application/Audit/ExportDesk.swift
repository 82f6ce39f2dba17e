import Domain
import EventCodec
import EventLog
import Foundation
import JSON
import Merkle
import Synchronization

/// Takes orders for exports: records each in the book first, signs the head that holds the record, writes the
/// bundle, and keeps it for a day.
package final class ExportDesk: Sendable {
  /// Copies of personal data do not lie about: an erasure later than this finds none.
  private static let keptSeconds: TimeInterval = 24 * 3600
  private static let tidySeconds = 3600
  /// Of one account, with those that are being written. Each takes as much room as the book.
  private static let keptLimit = 20
  /// So many events are opened in one go, at 27 µs each; or a quarter of a million of others are passed over.
  private static let stretch = 500

  package let notary: Notary
  private let engine: Engine
  private let reader: any EventReader & LogProver
  private let directory: String
  private let report: @Sendable (String) -> Void
  private let line = ExportLine()
  /// Of two orders of one export, as a repeated request makes them, one begins.
  private let starting = Mutex(())

  /// The bundles lie in `directory`, one folder each. What was being written when the last process ended is
  /// marked as failed.
  package init(
    engine: Engine, reader: any EventReader & LogProver, notary: Notary, directory: String,
    report: @escaping @Sendable (String) -> Void
  ) throws {
    self.engine = engine
    self.reader = reader
    self.notary = notary
    self.directory = directory
    self.report = report
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
    try endInterrupted()
    Task { [weak self] in
      while true {
        do { try await Task.sleep(for: .seconds(Self.tidySeconds)) } catch { return }
        guard let self else { return }
        do { try removeOld() } catch { self.report("old audit exports: \(error)") }
      }
    }
  }

  /// Everybody of `org` who has or had `number` (E.164).
  package func contacts(
    with number: String, of org: Identifier
  ) throws(CommandError) -> [Identifier] {
    var found: Set<Identifier> = []
    var next: UInt64? = 0
    while let position = next {
      let stretch = try contacts(with: number, of: org, after: position)
      found.formUnion(stretch.found)
      next = stretch.next
    }
    return found.sorted()
  }

  /// Those of `org` who have or had `number`, looked for in one stretch of the log behind `position`: a whole book
  /// takes longer than anybody may keep a thread.
  ///
  /// - Returns: with where the next stretch begins; nil where the log ends.
  package func contacts(
    with number: String, of org: Identifier, after position: UInt64
  ) throws(CommandError) -> (found: [Identifier], next: UInt64?) {
    let filter = EventFilter(
      org: OrgID(org.value), types: ["contact.created", "contact.updated"])
    let page: Page
    do {
      page = try reader.read(after: position, limit: Self.stretch, filter: filter)
    } catch {
      throw .log(error)
    }
    var found: [Identifier] = []
    for recorded in page.events {
      let event = try StreamFold.decode(recorded)
      if case .contact(let change) = event.event, change.names(number) {
        found.append(event.stream)
      }
    }
    return (found, page.scannedTo > position ? page.scannedTo : nil)
  }

  /// Records the export in the book, and signs and publishes the head that holds the record. Nothing leaves
  /// the house without either.
  package func begin(
    _ call: Call, org: Identifier, scope: AuditScope, opensCredentials: Bool
  ) async throws -> (record: AuditExportRecord, published: PublishedHead) {
    try await notary.requireSigning()
    let executor = try engine.executor(for: org)
    let done = try await executor.perform(call) { workspace throws(CommandError) in
      try workspace.recordExport(of: scope, opensCredentials: opensCredentials)
    }
    guard let record = done.output else { throw CommandError.idempotencyInProgress }
    return (record, try await publish(org))
  }

  /// Signs and publishes the head of a book.
  package func publish(_ org: Identifier) async throws -> PublishedHead {
    try await notary.publish(org)
  }

  /// For before an export is recorded, and once more before it is begun: of orders at the same moment all are recorded.
  ///
  /// - Throws: where `org` has as many as are kept. Of one that failed nothing is.
  package func requireRoom(_ org: Identifier) throws(CommandError) {
    let kept: Int
    do {
      kept = try statuses(of: org).count { $0["status"] != "failed" }
    } catch {
      throw .unreadable(reason: "\(error)")
    }
    guard kept < Self.keptLimit else { throw .tooManyExports(limit: Self.keptLimit) }
  }

  /// Writes a recorded export in the background, unless it is there or being written; `status` tells when it is there.
  /// `number`: of a scope of that kind.
  ///
  /// - Throws: where `org` has as many as are kept; ordered again, it is begun when there is room.
  package func start(
    _ record: AuditExportRecord, org: Identifier, number: String? = nil
  ) async throws -> JSON {
    if let status = status(record.id, of: org) { return status }
    try removeOld()
    let published = try await notary.publish(org)
    let status = ExportStatus(org: org, record: record, published: published)
    // Whoever throws exports away finds it in the line or its folder with the word that nobody writes it.
    return try starting.withLock { _ in
      if let begun = self.status(record.id, of: org) { return begun }
      try requireRoom(org)
      try save(status.running(), of: record.id)
      line.add(record.id, of: org) { self.write(status, number, published) }
      return status.running()
    }
  }

  /// Of an export that fails or is called off nothing is left but that it did.
  private func write(
    _ status: ExportStatus, _ number: String?, _ published: PublishedHead
  ) {
    let folder = folder(of: status.record.id)
    do {
      var export = AuditExport(
        reader: reader, org: status.org, record: status.record, number: number,
        published: published, signer: notary.signer(of: status.org), directory: folder + "/bundle")
      let summary = try export.run(nowMicros: engine.tools.clock.nowMicros())
      try TarFile.write(folder: folder + "/bundle", to: folder + "/bundle.tar")
      try FileManager.default.removeItem(atPath: folder + "/bundle")
      try Task.checkCancellation()
      try save(status.completed(summary), of: status.record.id)
    } catch {
      if !(error is CancellationError) { report("audit export \(status.record.id): \(error)") }
      do {
        try FileManager.default.removeItem(atPath: folder)
        try save(status.failed(), of: status.record.id)
      } catch {
        report("audit export \(status.record.id): its failure could not be noted: \(error)")
      }
    }
  }
}

// MARK: - What is there

extension ExportDesk {
  private func folder(of id: Identifier) -> String { directory + "/" + id.text }

  private func save(_ status: JSON, of id: Identifier) throws {
    try FileManager.default.createDirectory(
      atPath: folder(of: id), withIntermediateDirectories: true)
    try Data(status.bytes()).write(
      to: URL(filePath: folder(of: id) + "/export.json"), options: .atomic)
  }

  /// nil where `org` has no such export, or not any more.
  package func status(_ id: Identifier, of org: Identifier) -> JSON? {
    (try? isOld(id.text)) == false ? stored(id, of: org) : nil
  }

  /// Also what is over a day old, and was not swept yet.
  private func stored(_ id: Identifier, of org: Identifier) -> JSON? {
    guard let data = FileManager.default.contents(atPath: folder(of: id) + "/export.json"),
      let status = try? JSON(parsing: [UInt8](data)), status["account"]?.string == org.text
    else { return nil }
    return status
  }

  /// Of all exports of `org` that are still there, in no particular order.
  package func statuses(of org: Identifier) throws -> [JSON] {
    try names().compactMap { Identifier($0, kind: .auditExport) }.compactMap { status($0, of: org) }
  }

  /// The export that the event at a position records.
  package func record(at position: UInt64) throws -> AuditExportRecord {
    let page: Page
    do throws(EventLogError) {
      page = try reader.read(after: position - 1, limit: 1, filter: .all)
    } catch {
      throw CommandError.log(error)
    }
    guard let recorded = page.events.first,
      case .org(.auditExported(let record)) = try StreamFold.decode(recorded).event
    else { throw AuditError.unreadable(file: "\(position)", reason: "is no export's record") }
    return record
  }

  /// The bundle as one file, and whether credentials are open in it; nil where it is not complete.
  package func archive(
    _ id: Identifier, of org: Identifier
  ) -> (path: String, opensCredentials: Bool)? {
    guard let status = status(id, of: org), status["status"]?.string == "completed" else {
      return nil
    }
    return (folder(of: id) + "/bundle.tar", status["opens_credentials"]?.bool ?? true)
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory)
  }

  /// - Throws: where something could not be removed, once all that can be is.
  private func removeOld() throws {
    var failure: (any Error)?
    for name in try names() {
      // One that has waited for so long is still to be written.
      if let id = Identifier(name, kind: .auditExport), line.contains(id) { continue }
      let path = directory + "/" + name
      do {
        if try isOld(name) { try FileManager.default.removeItem(atPath: path) }
      } catch {
        // Of two sweeps at once one finds it gone.
        if FileManager.default.fileExists(atPath: path) { failure = failure ?? error }
      }
    }
    if let failure { throw failure }
  }

  private func isOld(_ name: String) throws -> Bool {
    let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/" + name)
    let changed = attributes[.modificationDate] as? Date
    return changed.map { $0.timeIntervalSinceNow < -Self.keptSeconds } ?? false
  }

  /// Throws away what lies there of an org. What is being written is called off, and over when this returns: it holds
  /// in memory what nobody may read any more. Whoever waits for it is told that it failed.
  package func discardAll(of org: Identifier) async throws {
    let calledOff = await line.callOff(org)
    for name in try names() {
      guard let id = Identifier(name, kind: .auditExport),
        let status = stored(id, of: org)?["status"]?.string
      else { continue }
      // Begun since, it read nothing of what is gone; called off, it was swept by its writer.
      let isBegunSince = status == "running" && line.contains(id)
      let isSwept = status == "failed" && id == calledOff
      if !isBegunSince, !isSwept { try FileManager.default.removeItem(atPath: folder(of: id)) }
    }
  }

  /// What was being written when the process ended will not be finished: whoever waits is told, and the pieces go.
  private func endInterrupted() throws {
    try removeOld()
    for name in try names() {
      guard let id = Identifier(name, kind: .auditExport),
        let data = FileManager.default.contents(atPath: folder(of: id) + "/export.json"),
        var object = try JSON(parsing: [UInt8](data)).object, object["status"] == "running"
      else { continue }
      object["status"] = "failed"
      try FileManager.default.removeItem(atPath: folder(of: id))
      try save(.object(object), of: id)
    }
  }
}

extension Contact.Event {
  fileprivate func names(_ number: String) -> Bool {
    switch self {
    case .created(let details, _): details.value?.phone == number
    case .updated(_, let changes):
      changes.value?.contains { $0.field == "phone" && $0.value == .text(number) } ?? false
    case .tagged, .untagged, .optedOut, .optedIn, .optOutSuspected, .optOutDismissed,
      .erasureRequested, .dataDestroyed, .erased, .leadCaptured, .archived, .restored:
      false
    }
  }
}

/// An export as the API shows it.
struct ExportStatus: Sendable {
  let org: Identifier
  let record: AuditExportRecord
  let published: PublishedHead

  func running() -> JSON { .object(object("running")) }

  func failed() -> JSON { .object(object("failed")) }

  func completed(_ summary: AuditExport.Summary) -> JSON {
    var object = object("completed")
    object["events_opened"] = .int(Int64(summary.openedCount))
    object["parts_erased"] = .int(Int64(summary.erasedPartCount))
    object["parts_withheld"] = .int(Int64(summary.withheldPartCount))
    object["download"] = .string("/api/audit/exports/\(record.id)/download")
    return .object(object)
  }

  private func object(_ status: String) -> JSONObject {
    JSONObject([
      ("id", .string(record.id.text)), ("object", "audit_export"), ("status", .string(status)),
      ("scope", .string(record.scope.line)), ("events", .int(Int64(published.head.size))),
      ("root", .string(published.head.rootText)),
      ("checkpoint", .string(published.checkpoint)),
      ("verifier_key", .string(published.verifierKey)), ("account", .string(org.text)),
      ("opens_credentials", .bool(record.opensCredentials)),
    ])
  }
}
