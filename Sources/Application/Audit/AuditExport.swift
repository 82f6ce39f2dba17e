import Crypto
import Domain
import EventCodec
import EventLog
import Foundation
import JSON
import Merkle

/// Writes an org's complete book into a folder that anybody can check without us.
///
///     manifest.json        counts, the tree's size and root, and the SHA-256 of every file
///     events.jsonl         every event in order, readable, one JSON object a line
///     tile/entries/000.p/7 the leaves of the org's Merkle tree (C2SP tlog-tiles entry bundles)
///     openings/000.jsonl   for each leaf what its commitments stand for: {"seq","part","salt","payload"}
package struct AuditExport {
  package struct Summary: Sendable, Equatable {
    package let eventCount: UInt64
    package let erasedPartCount: UInt64
    package let rootBase64: String
    package let directory: String
  }

  /// Leaves in a C2SP tile.
  static let tileWidth: UInt64 = 256

  private let reader: any EventReader & LogProver
  private let org: Identifier
  private let directory: String
  private var files: [(name: String, byteCount: Int, digest: String)] = []

  package init(reader: any EventReader & LogProver, org: Identifier, directory: String) {
    self.reader = reader
    self.org = org
    self.directory = directory
  }

  /// Everything up to now. The folder must be empty or missing.
  package mutating func run(nowMicros: Micros) throws -> Summary {
    try prepare()
    let head = try reader.treeHead(of: OrgID(org.value))
    let erasedPartCount = try writeEvents(upTo: head.size)
    try writeLeaves(upTo: head.size)
    let root = Base64.encode(head.root.bytes)
    try writeManifest(head.size, root, nowMicros)
    return Summary(
      eventCount: head.size, erasedPartCount: erasedPartCount, rootBase64: root,
      directory: directory)
  }

  private func prepare() throws {
    let existing = try? FileManager.default.contentsOfDirectory(atPath: directory)
    guard existing?.isEmpty != false else { throw AuditError.notEmpty(directory) }
    for folder in ["", "/tile/entries", "/openings"] {
      try FileManager.default.createDirectory(
        atPath: directory + folder, withIntermediateDirectories: true)
    }
  }

  private mutating func writeEvents(upTo size: UInt64) throws -> UInt64 {
    var erasedPartCount: UInt64 = 0
    var sink = try HashedFile(directory: directory, name: "events.jsonl")
    var sequence: UInt64 = 0
    while sequence < size {
      let page = try reader.readOrg(OrgID(org.value), from: sequence, limit: 1_000)
      guard !page.isEmpty else { throw AuditError.incomplete(sequence: sequence) }
      for event in page where event.orgSequence < size {
        guard event.orgSequence == sequence else {
          throw AuditError.incomplete(sequence: sequence)
        }
        for case .erased in event.parts { erasedPartCount += 1 }
        try sink.write(try EventJSON.object(event).bytes() + [UInt8(ascii: "\n")])
        sequence += 1
      }
    }
    files.append(try sink.close())
    return erasedPartCount
  }

  private mutating func writeLeaves(upTo size: UInt64) throws {
    var first: UInt64 = 0
    while first < size {
      let count = min(Self.tileWidth, size - first)
      let leaves = try reader.leaves(of: OrgID(org.value), from: first, limit: Int(count))
      guard leaves.count == Int(count) else { throw AuditError.incomplete(sequence: first) }
      let index = first / Self.tileWidth
      try writeTile(leaves, index: index)
      try writeOpenings(leaves, index: index)
      first += count
    }
  }

  private mutating func writeTile(_ leaves: [OpenedLeaf], index: UInt64) throws {
    var name = "tile/entries/" + Self.tilePath(index)
    if leaves.count < Int(Self.tileWidth) { name += ".p/\(leaves.count)" }
    let folder = directory + "/" + name.split(separator: "/").dropLast().joined(separator: "/")
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    var sink = try HashedFile(directory: directory, name: name)
    for leaf in leaves {
      precondition(leaf.leaf.count <= Int(UInt16.max), "a leaf fits an entry")
      try sink.write([UInt8(leaf.leaf.count >> 8), UInt8(leaf.leaf.count & 255)] + leaf.leaf)
    }
    files.append(try sink.close())
  }

  private mutating func writeOpenings(_ leaves: [OpenedLeaf], index: UInt64) throws {
    var sink = try HashedFile(directory: directory, name: "openings/\(Self.padded(index)).jsonl")
    for leaf in leaves {
      for opening in leaf.openings {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("seq", Int64(leaf.orgSequence))
        writer.field("part", Int64(opening.part))
        writer.field("salt", Base64.encode(opening.salt))
        writer.field("payload", Base64.encode(opening.payload))
        writer.endObject()
        try sink.write(writer.bytes + [UInt8(ascii: "\n")])
      }
    }
    files.append(try sink.close())
  }

  private func writeManifest(_ size: UInt64, _ root: String, _ nowMicros: Micros) throws {
    let manifest: JSON = [
      "format": "daybook-audit-1", "account": .string(org.text),
      "exported_at": .string(Timestamp.text(nowMicros)), "events": .int(Int64(size)),
      "tree": ["size": .int(Int64(size)), "root": .string(root)],
      "files": .array(
        files.map {
          [
            "name": .string($0.name), "bytes": JSON($0.byteCount), "sha256": .string($0.digest),
          ]
        }),
    ]
    try Data(manifest.bytes() + [UInt8(ascii: "\n")]).write(
      to: URL(filePath: directory + "/manifest.json"), options: .atomic)
  }

  /// C2SP tlog-tiles: groups of three digits, all but the last with an `x` in front.
  static func tilePath(_ index: UInt64) -> String {
    var groups = [padded(index % 1_000)]
    var rest = index / 1_000
    while rest > 0 {
      groups.append("x" + padded(rest % 1_000))
      rest /= 1_000
    }
    return groups.reversed().joined(separator: "/")
  }

  private static func padded(_ number: UInt64) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, 3 - text.count)) + text
  }
}

package enum AuditError: Error, Equatable, CustomStringConvertible {
  case notEmpty(String)
  case incomplete(sequence: UInt64)
  case unreadable(file: String, reason: String)

  package var description: String {
    switch self {
    case .notEmpty(let directory):
      "\(directory) is not empty: an export goes into a new folder"
    case .incomplete(let sequence): "the org's event \(sequence) is missing in the log"
    case .unreadable(let file, let reason): "\(file): \(reason)"
    }
  }
}

/// A file and the hash of what was written to it.
private struct HashedFile {
  private let name: String
  private let handle: FileHandle
  private var hash = SHA256()
  private var byteCount = 0
  private var buffer: [UInt8] = []

  init(directory: String, name: String) throws {
    self.name = name
    let path = directory + "/" + name
    guard FileManager.default.createFile(atPath: path, contents: nil) else {
      throw AuditError.unreadable(file: path, reason: "cannot be created")
    }
    handle = try FileHandle(forWritingTo: URL(filePath: path))
  }

  mutating func write(_ bytes: [UInt8]) throws {
    buffer += bytes
    if buffer.count > 1 << 18 { try flush() }
  }

  private mutating func flush() throws {
    hash.update(buffer)
    byteCount += buffer.count
    try handle.write(contentsOf: Data(buffer))
    buffer.removeAll(keepingCapacity: true)
  }

  mutating func close() throws -> (name: String, byteCount: Int, digest: String) {
    try flush()
    try handle.synchronize()
    try handle.close()
    return (name, byteCount, Hex.encode(hash.finalize()))
  }
}
