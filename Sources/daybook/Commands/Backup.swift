import CLI
import EventLog
import Foundation
import JSON

private let directory = Argument("DIR", .one, "the backup folder; made where it is missing")
private let keepOption = Option(
  "--keep", value: "N", "delete all but the newest N snapshots; all stay")

let backupCommand = Command(
  "backup", "copy the log and the keys into a folder while the system goes on",
  details: """
    The first backup copies everything, the next ones only what is new. Each is a
    snapshot of its own that can be restored. Keys of erased people are in none of them.
    The keys in it are wrapped: the root key (log/root.key) is NOT in the backup.
    Keep it apart from it, or nothing of the backup can ever be read.
    """,
  arguments: [directory], options: [keepOption, .json]
) { invocation in
  let home = invocation.settings.home
  let reader = try openLog(home)
  defer { reader.close() }
  let keeping = try invocation.value(keepOption.flag).map {
    Int(clamping: try wholeNumber($0, keepOption.flag, in: "backup"))
  }
  // The cursors first: none may be ahead of the log that it is restored with.
  let files = try cursors(home)
  let path = absolute(invocation.argument(directory.name))
  let report = try reader.backUp(to: path, files: files, keeping: keeping)
  if invocation.has(Option.json.flag) {
    Output.json(json(report))
  } else {
    Output.line(
      "snapshot \(report.snapshot.name): \(report.snapshot.head) events, \(report.byteCount) bytes,"
        + " \(report.newByteCount) of them new, in \(report.tookMillis) ms")
    Output.line("The root key is not in it: keep \(home.log)/root.key apart from the backup.")
  }
  return .success
}

private func json(_ report: BackupReport) -> JSON {
  [
    "snapshot": .string(report.snapshot.name), "head": .int(Int64(report.snapshot.head)),
    "bytes": JSON(report.byteCount), "new_bytes": JSON(report.newByteCount),
    "erased_subjects": JSON(report.tombstoneCount), "milliseconds": JSON(report.tookMillis),
    "holds_root_key": false,
  ]
}

/// How far each reactor has come, by the file's name.
private func cursors(_ home: Home) throws -> [String: [UInt8]] {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: home.reactors)) ?? []
  var files: [String: [UInt8]] = [:]
  for name in names where name.hasSuffix(".json") {
    files[name] = [UInt8](try Data(contentsOf: URL(filePath: "\(home.reactors)/\(name)")))
  }
  return files
}

/// A path that another process, started elsewhere, finds too.
func absolute(_ path: String) -> String {
  Home(path: path, relativeTo: FileManager.default.currentDirectoryPath).path
}
