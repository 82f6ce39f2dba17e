import CLI
import Domain
import EventLog
import Foundation
import JSON

let logStatsCommand = Command(
  "log stats", "show how much the log holds, by org, and what it takes on the disk",
  options: [.json]
) { invocation in
  let home = invocation.settings.home
  let reader = try openLog(home)
  defer { reader.close() }
  let head = try reader.head()
  let orgs = try reader.orgs().sorted { ($1.value, $0.key) < ($0.value, $1.key) }
  let diskBytes = try bytesOnDisk(home.log)
  if invocation.has(Option.json.flag) {
    Output.json([
      "head": JSON(Int64(head)), "bytes": JSON(diskBytes),
      "orgs": .array(
        orgs.map { ["org": .string(text($0.key)), "events": JSON(Int64($0.value))] }),
    ])
  } else {
    let each = head == 0 ? "" : ", \(diskBytes / Int(head)) an event"
    Output.line("\(head) events, \(diskBytes) bytes on the disk\(each)")
    for (org, count) in orgs { Output.line("  \(text(org))  \(count)") }
  }
  return .success
}

private func text(_ org: OrgID) -> String { Identifier(.org, org.value).text }

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
