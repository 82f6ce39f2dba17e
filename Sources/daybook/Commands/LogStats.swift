import CLI
import Domain
import EventLog
import Foundation
import JSON

let logStatsCommand = Command(
  "log stats", "show how much the log holds, by org and type, and what it takes on the disk",
  details: """
    'bytes an event' says where the space goes: the blocks by their parts, the index, the
    trees, and the keys. Per org and per type the payloads' bytes are those before the
    blocks are compressed. Reads every block once.
    """,
  options: [.json]
) { invocation in
  let home = invocation.settings.home
  let reader = try openLog(home)
  defer { reader.close() }
  let stats = Stats(
    head: try reader.head(), diskBytes: try bytesOnDisk(home.log),
    vaultBytes: try bytesOnDisk(home.log + "/vault"), tables: try reader.usage(),
    content: try reader.statistics())
  if invocation.has(Option.json.flag) {
    Output.json(stats.json)
  } else {
    Output.text(stats.text)
  }
  return .success
}

private struct Stats {
  let head: UInt64
  let diskBytes: Int
  let vaultBytes: Int
  /// Pages of each LMDB table.
  let tables: [String: Int]
  let content: LogStatistics

  /// Where the bytes are, largest first within each kind.
  var parts: [(name: String, bytes: Int)] {
    [
      ("blocks.directory", Int(content.directoryBytes)),
      ("blocks.payload", Int(content.payloadBytes)),
      ("blocks.commitments", Int(content.commitmentBytes)),
      ("blocks.sealed", Int(content.sealedBytes)),
    ]
      + tables.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
        ("pages.\($0.key)", $0.value)
      }
      + [("vault", vaultBytes)]
  }

  var orgs: [(name: String, count: LogStatistics.Count)] {
    content.byOrg.map { (org($0.key), $0.value) }.sorted {
      $0.count.eventCount > $1.count.eventCount
    }
  }

  var types: [(name: String, count: LogStatistics.Count)] {
    content.byType.map { ($0.key, $0.value) }.sorted { $0.count.eventCount > $1.count.eventCount }
  }

  private func org(_ org: OrgID) -> String { Identifier(.org, org.value).text }

  private func each(_ bytes: Int) -> Double {
    head == 0 ? 0 : (Double(bytes) / Double(head) * 10).rounded() / 10
  }

  var json: JSON {
    [
      "head": JSON(Int64(head)), "bytes": JSON(diskBytes),
      "blocks": .int(Int64(content.blockCount)),
      "bytes_per_event": .object(
        JSONObject(
          [("all", .double(each(diskBytes)))] + parts.map { ($0.name, .double(each($0.bytes))) })),
      "orgs": .array(orgs.map { Self.json("org", $0) }),
      "types": .array(types.map { Self.json("type", $0) }),
    ]
  }

  private static func json(_ key: String, _ row: (name: String, count: LogStatistics.Count)) -> JSON
  {
    .object(
      JSONObject([
        (key, .string(row.name)), ("events", .int(Int64(row.count.eventCount))),
        ("payload_bytes", .int(Int64(row.count.payloadBytes))),
        ("sealed_bytes", .int(Int64(row.count.sealedBytes))),
      ]))
  }

  var text: String {
    var lines = ["\(head) events in \(content.blockCount) blocks, \(diskBytes) bytes on the disk"]
    if head > 0 {
      lines.append("\(each(diskBytes)) bytes an event:")
      lines += parts.map { "  \($0.name)  \(each($0.bytes))" }
    }
    lines += Self.rows("by org", orgs) + Self.rows("by type", types)
    return lines.joined(separator: "\n") + "\n"
  }

  private static func rows(
    _ title: String, _ rows: [(name: String, count: LogStatistics.Count)]
  ) -> [String] {
    guard !rows.isEmpty else { return [] }
    return ["\(title): events, payload bytes, sealed bytes"]
      + rows.map {
        "  \($0.name)  \($0.count.eventCount)  \($0.count.payloadBytes)  \($0.count.sealedBytes)"
      }
  }
}

/// What the files of a folder take: blocks, not lengths, for LMDB's file is as long as its map.
private func bytesOnDisk(_ folder: String) throws -> Int {
  let keys: Set<URLResourceKey> = [.totalFileAllocatedSizeKey]
  guard
    let files = FileManager.default.enumerator(
      at: URL(filePath: folder), includingPropertiesForKeys: Array(keys))
  else { return 0 }
  return try files.reduce(0) { sum, file in
    guard let url = file as? URL else { return sum }
    return sum + (try url.resourceValues(forKeys: keys).totalFileAllocatedSize ?? 0)
  }
}
