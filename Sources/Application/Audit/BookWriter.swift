import CSV
import Crypto
import Domain
import EventCodec
import EventLog
import JSON
import Merkle

/// Writes the leaves of a book, tile by tile, with what opens them and how they read.
struct BookWriter {
  struct Proven {
    let sequence: UInt64
    let bytes: [UInt8]
  }

  private static let alwaysOpened: Set = ["subject.erased", "org.history_restored"]

  private static let columns = [
    "sequence", "position", "id", "type", "recorded_at", "occurred_at", "subject_type", "subject",
    "version", "actor", "origin", "correlation", "data",
  ]

  private var folder: BundleFolder
  private let record: AuditExportRecord
  private var filter: ScopeFilter
  private var tiles = TileBuilder()
  private var lines: HashedFile
  private var table: HashedFile
  // For spreadsheets, which take a text without the mark as one of their own country.
  private var csv = CSVWriter(hasByteOrderMark: true)
  private var last: Proven?
  /// Of the last event that was written.
  private(set) var lastPosition: UInt64 = 0
  private var matching: [Proven] = []
  /// Of a contact, a message or a number.
  private(set) var evidence: Evidence?
  private(set) var openedCount: UInt64 = 0
  private(set) var erasedPartCount: UInt64 = 0
  private(set) var withheldPartCount: UInt64 = 0

  init(
    folder: BundleFolder, org: Identifier, scope record: AuditExportRecord,
    published: PublishedHead, filter: ScopeFilter
  ) throws {
    self.folder = folder
    self.record = record
    self.filter = filter
    lines = try HashedFile(directory: folder.directory, name: "readable/events.jsonl")
    table = try HashedFile(directory: folder.directory, name: "readable/events.csv")
    csv.append(Self.columns)
    switch record.scope {
    case .contact, .message, .number:
      evidence = Evidence(org: org, record: record, published: published)
    case .account, .campaign, .period: break
    }
  }

  /// What gets a proof of its own: the events asked for, and of a whole book the last one.
  var proven: [Proven] {
    record.scope == .account ? last.map { [$0] } ?? [] : matching
  }

  mutating func write(_ leaves: [OpenedLeaf], index: UInt64) throws {
    var entries = try HashedFile(
      directory: folder.directory,
      name: TilePath.entries(index: index, width: leaves.count))
    var openings = try HashedFile(
      directory: folder.directory, name: "openings/\(Self.padded(index)).jsonl")
    for leaf in leaves {
      try write(leaf, to: &entries)
      try open(leaf, into: &openings)
    }
    folder.add(try entries.close())
    folder.add(try openings.close())
  }

  private mutating func write(_ leaf: OpenedLeaf, to entries: inout HashedFile) throws {
    precondition(leaf.leaf.count <= Int(UInt16.max), "a leaf fits an entry")
    try entries.write([UInt8(leaf.leaf.count >> 8), UInt8(leaf.leaf.count & 255)] + leaf.leaf)
    var done: [(String, [UInt8])] = []
    try tiles.append(MerkleTree.leafHash(leaf.leaf)) { done.append(($0, $1)) }
    for (name, bytes) in done { try folder.write(name, bytes: bytes) }
    last = Proven(sequence: leaf.orgSequence, bytes: leaf.leaf)
    lastPosition = leaf.event.position
  }

  private mutating func open(_ leaf: OpenedLeaf, into openings: inout HashedFile) throws {
    let isWanted = try filter.matches(leaf.event)
    // Without the erasures nobody could tell what is gone from what is held back, and without the restores what is lost.
    guard isWanted || Self.alwaysOpened.contains(leaf.event.type) else {
      withheldPartCount += UInt64(leaf.event.parts.count)
      return
    }
    openedCount += 1
    if isWanted, record.scope != .account, matching.count < AuditExport.maxProofCount {
      matching.append(Proven(sequence: leaf.orgSequence, bytes: leaf.leaf))
    }
    let hidesSubjects =
      !record.opensCredentials && EventJSON.hidesSubjectParts(leaf.event.type)
    for case .erased in leaf.event.parts { erasedPartCount += 1 }
    for opening in leaf.openings {
      if hidesSubjects, opening.part > 0 {
        withheldPartCount += 1
      } else {
        try openings.write(Self.line(opening, leaf.orgSequence))
      }
    }
    try show(leaf.event)
  }

  private static func line(_ opening: OpenedLeaf.Opening, _ sequence: UInt64) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("seq", Int64(sequence))
    writer.field("part", Int64(opening.part))
    writer.field("salt", Base64.encode(opening.salt))
    writer.field("payload", Base64.encode(opening.payload))
    writer.endObject()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private mutating func show(_ event: RecordedEvent) throws {
    let object =
      EventCodec.knows(event.type) ? try EventJSON.object(event) : Self.unknown(event)
    try evidence?.add(event, object)
    try lines.write(object.bytes() + [UInt8(ascii: "\n")])
    csv.append([
      "\(event.orgSequence)", "\(event.position)", object["id"]?.string ?? "", event.type,
      Timestamp.text(event.recordedAtMicros), Timestamp.text(event.context.occurredAtMicros),
      object["subject"]?["type"]?.string ?? "", object["subject"]?["id"]?.string ?? "",
      "\(event.streamVersion)", event.context.actor, event.context.origin,
      event.context.correlation, object["data"]?.text ?? "",
    ])
    try table.write(csv.take())
  }

  /// An event of a type that another program wrote: what the leaf says of it. What it holds is in the openings.
  private static func unknown(_ event: RecordedEvent) -> JSON {
    [
      "object": "event", "type": .string(event.type), "position": .int(Int64(event.position)),
      "sequence": .int(Int64(event.orgSequence)),
      "recorded_at": .string(Timestamp.text(event.recordedAtMicros)), "data": nil,
    ]
  }

  /// The rest of the hash tiles and the readable files. Returns the folder with everything in it.
  mutating func finish() throws -> BundleFolder {
    var done: [(String, [UInt8])] = []
    try tiles.finish { done.append(($0, $1)) }
    for (name, bytes) in done { try folder.write(name, bytes: bytes) }
    try table.write(csv.take())
    folder.add(try lines.close())
    folder.add(try table.close())
    return folder
  }

  private static func padded(_ number: UInt64) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, 3 - text.count)) + text
  }
}
