import Domain
import EventCodec
import EventLog
import Foundation
import Merkle

/// Writes an org's book into a folder that anybody can check without us, with tools that are not ours.
///
///     policy                          who signs: c2sp.org/tlog-policy
///     checkpoint                      the signed head of the org's tree: c2sp.org/tlog-checkpoint
///     tile/entries/000 …              all leaves: c2sp.org/tlog-tiles entry bundles, the last one .p/<W>
///     tile/0/000 tile/1/… …           hash tiles
///     openings/000.jsonl              what the leaves' commitments stand for: {"seq","part","salt","payload"}
///     since/<n>.checkpoint, .extend   older signed heads, and that this one goes on from them
///     proofs/<seq>.tlog-proof, .leaf  single events: c2sp.org/tlog-proof@v1
///     instance.tlog-proof             that the checkpoint's text is in the log of all orgs' heads
///     readable/events.jsonl, .csv     the opened events for people and spreadsheets
///     evidence.pdf                    of a contact, message or number: what a person wants to read
///     manifest                        a signed note: what was asked for, and the SHA-256 of every file
package struct AuditExport {
  package struct Summary: Sendable, Equatable {
    package let eventCount: UInt64
    package let openedCount: UInt64
    package let erasedPartCount: UInt64
    package let withheldPartCount: UInt64
    package let rootBase64: String
    package let directory: String
  }

  /// More single proofs than this are left to the tiles, from which each can be made.
  static let maxProofCount = 10_000

  private let reader: any EventReader & LogProver
  private let org: Identifier
  private let record: AuditExportRecord
  private let number: String?
  private let published: PublishedHead
  private let signer: NoteSigner
  private var folder: BundleFolder

  /// `number`: of a scope of that kind, which the record does not tell.
  package init(
    reader: any EventReader & LogProver, org: Identifier, record: AuditExportRecord,
    number: String? = nil, published: PublishedHead, signer: NoteSigner, directory: String
  ) {
    self.reader = reader
    self.org = org
    self.record = record
    self.number = number
    self.published = published
    self.signer = signer
    folder = BundleFolder(directory: directory)
  }

  private var size: UInt64 { published.head.size }

  /// For before an export is recorded: it will not fail over its folder.
  ///
  /// - Throws: `AuditError.notEmpty`.
  package static func requireEmpty(_ directory: String) throws {
    try BundleFolder.requireEmpty(directory)
  }

  /// Everything up to the published head. The folder must be empty or missing.
  ///
  /// - Throws: `CancellationError` where its task is called off; `AuditError.erasedMeanwhile`, without a folder any more.
  package mutating func run(nowMicros: Micros) throws -> Summary {
    try folder.prepare()
    try folder.write("policy", policy)
    try folder.write("checkpoint", published.checkpoint)
    try folder.write("instance.tlog-proof", published.instanceProof)
    var book = try BookWriter(
      folder: folder, org: org, scope: record, published: published,
      filter: try filter())
    try forEachTile { leaves, index in try book.write(leaves, index: index) }
    folder = try book.finish()
    try requireNoErasure(after: book.lastPosition)
    if let evidence = book.evidence { try folder.write("evidence.pdf", bytes: evidence.pdf()) }
    try writeProofs(book.proven)
    try writeOlderHeads()
    try folder.write("manifest", try manifest(nowMicros))
    return Summary(
      eventCount: size, openedCount: book.openedCount, erasedPartCount: book.erasedPartCount,
      withheldPartCount: book.withheldPartCount,
      rootBase64: published.head.rootText, directory: folder.directory)
  }

  private var policy: String {
    "log \(published.verifierKey)\nlog \(published.instanceVerifierKey)\nquorum none\n"
  }

  private func filter() throws -> ScopeFilter {
    let contacts: Set<Identifier>
    switch record.scope {
    case .contact(let contact): contacts = [contact]
    case .number(let all): contacts = Set(all)
    case .message(let message): contacts = Set([try contact(of: message)].compactMap(\.self))
    case .account, .campaign, .period: contacts = []
    }
    var addresses: Set<DispatchQueueIndex.Address> = []
    for contact in contacts {
      try StreamFold.forEach(Contact.self, contact, org: org, log: reader) { event, _ in
        addresses.formUnion(event.addresses)
      }
    }
    if let number {
      for channel in Channel.sms.sharingAddress { addresses.insert(.init(number, channel)) }
    }
    return ScopeFilter(record.scope, contacts: contacts, addresses: addresses)
  }

  private func contact(of message: Identifier) throws -> Identifier? {
    var contact: Identifier?
    try StreamFold.forEach(Message.self, message, org: org, log: reader) { event, _ in
      switch event {
      case .planned(let plan): contact = plan.contact
      case .received(let inbound): contact = inbound.contact
      default: break
      }
    }
    return contact
  }

  /// What was read before an erasure is what nobody may keep, and what was read after it has lost keys that nothing in the
  /// book up to its head explains. Whoever erases calls off the exports of the server, but knows of no other program's.
  private func requireNoErasure(after position: UInt64) throws {
    let erasures = EventFilter(
      org: OrgID(org.value), types: ["subject.erasure_requested", "subject.erased"])
    let head = try reader.head()
    var next = position
    while next < head {
      let page = try reader.read(after: next, limit: 100, filter: erasures)
      for event in page.events where try concerns(event) {
        try FileManager.default.removeItem(atPath: folder.directory)
        throw AuditError.erasedMeanwhile
      }
      guard page.scannedTo > next else { break }
      next = page.scannedTo
    }
  }

  /// Whether what is exported may show the person whom `erasure` is of.
  private func concerns(_ erasure: RecordedEvent) throws -> Bool {
    switch record.scope {
    case .account, .campaign, .period: return true
    case .contact, .message, .number:
      var filter = try filter()
      return try filter.matches(erasure)
    }
  }

  private func forEachTile(_ body: ([OpenedLeaf], UInt64) throws -> Void) throws {
    var first: UInt64 = 0
    while first < size {
      let count = Int(min(UInt64(TilePath.leafCount), size - first))
      let leaves = try reader.leaves(of: OrgID(org.value), from: first, limit: count)
      guard leaves.count == count, leaves.first?.orgSequence == first else {
        throw AuditError.incomplete(sequence: first)
      }
      try Task.checkCancellation()
      try body(leaves, first / UInt64(TilePath.leafCount))
      first += UInt64(count)
    }
  }
}

// MARK: - Proofs and heads

extension AuditExport {
  /// The events asked for; in a whole book the last one, which is the record of this very export or what
  /// came after it.
  private mutating func writeProofs(_ matching: [BookWriter.Proven]) throws {
    for leaf in matching {
      try Task.checkCancellation()
      let path = try reader.inclusionProof(
        of: OrgID(org.value), orgSequence: leaf.sequence, size: size)
      let proof = InclusionProof(
        index: leaf.sequence, path: path, checkpoint: published.checkpoint)
      try folder.write("proofs/\(leaf.sequence).tlog-proof", proof.text)
      try folder.write("proofs/\(leaf.sequence).leaf", bytes: leaf.bytes)
    }
  }

  private mutating func writeOlderHeads() throws {
    for note in published.older {
      let head = try Checkpoint(text: try signer.verifier.open(note))
      let path = try reader.consistencyProof(
        of: OrgID(org.value), from: head.size, to: size)
      let proof = ConsistencyProof(
        oldSize: head.size, path: path, checkpoint: published.checkpoint)
      try folder.write("since/\(head.size).checkpoint", note)
      try folder.write("since/\(head.size).extend", proof.text)
    }
  }

  private func manifest(_ nowMicros: Micros) throws -> String {
    var lines = [
      "daybook.bundle/v1 \(signer.name)", "size \(size)", "scope \(record.scope.line)",
      "credentials \(record.opensCredentials ? "opened" : "withheld")", "export \(record.id)",
      "written \(Timestamp.text(nowMicros))",
    ]
    // The checkpoint vouches for itself, and witnesses may add lines to it later.
    for file in folder.files.sorted(by: { $0.name < $1.name }) where file.name != "checkpoint" {
      lines.append("\(file.digest) \(file.name)")
    }
    return try signer.sign(lines.joined(separator: "\n") + "\n")
  }
}

extension AuditScope {
  /// As the manifest says it.
  var line: String {
    switch self {
    case .account: "account"
    case .contact(let id), .message(let id), .campaign(let id): "\(kind.rawValue) \(id)"
    case .number(let contacts):
      (["number"] + contacts.map(\.text)).joined(separator: " ")
    case .period(let fromMicros, let untilMicros):
      "period \(Timestamp.text(fromMicros)) \(Timestamp.text(untilMicros))"
    }
  }
}

package enum AuditError: Error, Equatable, CustomStringConvertible {
  case notEmpty(String)
  case incomplete(sequence: UInt64)
  case erasedMeanwhile
  case unreadable(file: String, reason: String)

  package var code: String {
    switch self {
    case .notEmpty: "export_folder_not_empty"
    case .incomplete: "book_incomplete"
    case .erasedMeanwhile: "erased_meanwhile"
    case .unreadable: "bundle_unreadable"
    }
  }

  package var isRetryable: Bool { self == .erasedMeanwhile }

  package var description: String {
    switch self {
    case .notEmpty(let directory):
      "\(directory) is not empty: an export goes into a new folder"
    case .erasedMeanwhile:
      "somebody was erased while the export was being written: it was thrown away; export again"
    case .incomplete(let sequence): "the org's event \(sequence) is missing in the log"
    case .unreadable(let file, let reason): "\(file): \(reason)"
    }
  }
}
