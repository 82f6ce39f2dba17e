import Crypto
import Foundation
import JSON
import Merkle

/// Checks an exported book offline: every file's hash, every event's place, the tree's root, and that
/// each opening is what its leaf committed to.
package struct AuditBundle {
  package struct Report: Sendable, Equatable {
    package var eventCount = 0
    package var openingCount = 0
    /// At most 100.
    package var problems: [String] = []

    package var isSound: Bool { problems.isEmpty }
  }

  private let directory: String
  private var report = Report()

  package init(directory: String) { self.directory = directory }

  /// - Throws: `AuditError.unreadable` where a file is missing or no manifest is there.
  package mutating func verify() throws -> Report {
    let manifest = try JSON(parsing: try bytes("manifest.json"))
    let files = manifest["files"]?.array ?? []
    for file in files { try checkFile(file) }
    try checkEvents(manifest)
    try checkTree(manifest, files.compactMap { $0["name"]?.string })
    return report
  }

  private mutating func note(_ problem: String) {
    if report.problems.count < 100 { report.problems.append(problem) }
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    guard !name.contains("..") else {
      throw AuditError.unreadable(file: name, reason: "leaves the folder")
    }
    guard let data = FileManager.default.contents(atPath: directory + "/" + name) else {
      throw AuditError.unreadable(file: name, reason: "is missing")
    }
    return [UInt8](data)
  }

  private mutating func checkFile(_ file: JSON) throws {
    guard let name = file["name"]?.string else { return note("the manifest names no file") }
    let content = try bytes(name)
    if Hex.encode(SHA256.hash(content)) != file["sha256"]?.string {
      note("\(name): is not what the manifest says")
    }
  }

  /// Complete, in order, each stream's versions without a gap.
  private mutating func checkEvents(_ manifest: JSON) throws {
    var versions: [String: Int64] = [:]
    var sequence: Int64 = 0
    for line in try bytes("events.jsonl").split(separator: UInt8(ascii: "\n")) {
      let event = try JSON(parsing: Array(line))
      if event["sequence"]?.int != sequence { note("event \(sequence): is missing or moved") }
      if event["account"] != manifest["account"] { note("event \(sequence): of another account") }
      let subject = event["subject"]?["id"]?.string ?? ""
      let version = event["subject"]?["version"]?.int ?? 0
      if version != (versions[subject] ?? 0) + 1 { note("event \(sequence): a version is missing") }
      versions[subject] = version
      sequence += 1
    }
    report.eventCount = Int(sequence)
    if manifest["events"]?.int != sequence { note("the manifest counts other events") }
  }

  private mutating func checkTree(_ manifest: JSON, _ names: [String]) throws {
    var leaves: [[UInt8]] = []
    for name in names where name.hasPrefix("tile/entries/") {
      leaves += try Self.entries(try bytes(name))
    }
    if manifest["tree"]?["size"]?.int != Int64(leaves.count) { note("the tree has another size") }
    let root = Self.root(of: leaves.map { MerkleTree.leafHash($0) })
    if manifest["tree"]?["root"]?.string != Base64.encode(root.bytes) {
      note("the leaves have another root")
    }
    for name in names where name.hasPrefix("openings/") {
      for line in try bytes(name).split(separator: UInt8(ascii: "\n")) {
        try checkOpening(try JSON(parsing: Array(line)), leaves)
      }
    }
  }

  /// A C2SP entry bundle: each entry behind its length in two bytes.
  private static func entries(_ bundle: [UInt8]) throws -> [[UInt8]] {
    var entries: [[UInt8]] = []
    var index = 0
    while index < bundle.count {
      guard index + 2 <= bundle.count else { throw truncated }
      let length = Int(bundle[index]) << 8 | Int(bundle[index + 1])
      guard index + 2 + length <= bundle.count else { throw truncated }
      entries.append(Array(bundle[index + 2..<index + 2 + length]))
      index += 2 + length
    }
    return entries
  }

  private static let truncated = AuditError.unreadable(
    file: "tile/entries", reason: "an entry is cut off")

  /// RFC 6962 section 2.1, level by level.
  private static func root(of leaves: [Digest]) -> Digest {
    guard var level = leaves.isEmpty ? nil : leaves else { return MerkleTree.emptyRoot }
    while level.count > 1 {
      var next: [Digest] = []
      for index in stride(from: 0, to: level.count, by: 2) {
        next.append(
          index + 1 < level.count
            ? MerkleTree.nodeHash(level[index], level[index + 1]) : level[index])
      }
      level = next
    }
    return level[0]
  }

  /// The commitment of a part: HMAC-SHA-256 under its salt of where it stands and what it says.
  private mutating func checkOpening(_ opening: JSON, _ leaves: [[UInt8]]) throws {
    report.openingCount += 1
    guard let sequence = opening["seq"]?.int, let part = opening["part"]?.int,
      leaves.indices.contains(Int(sequence)),
      let commitment = Self.commitment(Int(part), in: leaves[Int(sequence)]),
      let salt = opening["salt"]?.string, let payload = opening["payload"]?.string
    else { return note("an opening has no leaf or part") }
    let leaf = leaves[Int(sequence)]
    // Org id and sequence stand at fixed places of every leaf.
    let place = Array(leaf[5..<29]) + [UInt8(part)]
    let message = Array("daybook/part/v1\0".utf8) + place + (try Base64.decode(payload))
    let expected = HMACSHA256.authenticate(message, key: try Base64.decode(salt))
    if expected != commitment { note("event \(sequence), part \(part): not what was committed to") }
  }

  /// The 32 bytes of a part's commitment: parts stand at the end of a leaf, 49 bytes each.
  private static func commitment(_ part: Int, in leaf: [UInt8]) -> [UInt8]? {
    // "DAYB" 1, org 16, seq 8, time 8, stream 16, version 8, then the type behind its length.
    let typeAt = 5 + 16 + 8 + 8 + 16 + 8
    guard leaf.count > typeAt else { return nil }
    let countAt = typeAt + 1 + Int(leaf[typeAt]) + 2 + 2
    guard leaf.count > countAt, part < Int(leaf[countAt]) else { return nil }
    let start = countAt + 1 + part * 49 + 17
    guard start + 32 <= leaf.count else { return nil }
    return Array(leaf[start..<start + 32])
  }
}
