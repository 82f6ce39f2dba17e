import CLI
import Domain
import EventLog
import Foundation
import JSON

let logStatsCommand = Command(
  "log stats", "show how much the log holds, by org and type, and what it takes on the disk",
  details: """
    'bytes an event' says where the space goes, part by part: the blocks, with what their
    pages have left over (blocks.slack); the pages of the index (runs), the trees (nodes)
    and the rest; free pages and room for the next ones (pages.free, pages.ahead); the
    vault with the keys; and the files beside. Per org and per type the payloads' bytes
    are those before the blocks are compressed. Reads every block once.
    """,
  options: [.json]
) { invocation in
  let home = invocation.settings.home
  let reader = try openLog(home)
  defer { reader.close() }
  let files = try files(of: home.log)
  let stats = Stats(
    head: try reader.head(), vaultBytes: files.vault, otherBytes: files.other,
    file: try reader.fileUsage(), content: try reader.statistics())
  if invocation.has(Option.json.flag) {
    Output.json(stats.json)
  } else {
    Output.text(stats.text)
  }
  return .success
}

private struct Stats {
  let head: UInt64
  let vaultBytes: Int
  let otherBytes: Int
  let file: FileUsage
  let content: LogStatistics

  /// Where the bytes are: in all, `diskBytes`.
  var parts: [(name: String, bytes: Int)] {
    let blockPages = file.tables["blocks"] ?? 0
    return [
      ("blocks.headers", Int(content.headerBytes)),
      ("blocks.directory", Int(content.directoryBytes)),
      ("blocks.payload", Int(content.payloadBytes)), ("blocks.ids", Int(content.idBytes)),
      ("blocks.commitments", Int(content.commitmentBytes)),
      ("blocks.sealed", Int(content.sealedBytes)),
      ("blocks.slack", blockPages - Int(content.blockBytes)),
    ]
      + file.tables.filter { $0.key != "blocks" }
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ("pages.\($0.key)", $0.value) }
      + [
        ("pages.free", file.freeBytes), ("pages.ahead", file.aheadBytes), ("vault", vaultBytes),
        ("other", otherBytes),
      ]
  }

  var diskBytes: Int { file.byteCount + vaultBytes + otherBytes }

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
      "parts": .object(JSONObject(parts.map { ($0.name, JSON($0.bytes)) })),
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

/// What the log's folder takes beside the log's own file, in blocks of the disk. Folders take some too.
private func files(of folder: String) throws -> (vault: Int, other: Int) {
  var bytes = (vault: 0, other: try StoredFile.allocatedBytes(folder) ?? 0)
  for name in try FileManager.default.subpathsOfDirectory(atPath: folder)
  where name != "log/data.mdb" {
    // What a running system has removed since takes nothing.
    let fileBytes = try StoredFile.allocatedBytes(folder + "/" + name) ?? 0
    if name.hasPrefix("vault") { bytes.vault += fileBytes } else { bytes.other += fileBytes }
  }
  return bytes
}
