import Application
import CLI
import EventLog
import Foundation
import JSON

private let directory = Argument("DIR", .one, "the backup folder; made where it is missing")
private let keepOption = Option(
  "--keep", value: "N", "delete all but the newest N snapshots; all stay")

private let checkOption = Option(
  "--check", "read all of the backup instead, and compare it with its checksums")
private let forgetOption = Option(
  "--forget", "the folder is gone for good: erasures do not wait for it any more")

let backupCommand = Command(
  "backup", "copy the log and the keys into a folder while the system goes on",
  details: """
    The first backup copies everything, the next ones only what is new. Each is a
    snapshot of its own that can be restored. A folder holds the backups of one log. A log
    with a damaged block is not copied: 'daybook verify' tells more.
    Whoever is erased is erased in every backup too, keys first: a folder that cannot be
    reached keeps an erasure from its end, see 'daybook doctor'. On hold after a restore a
    backup tells of no erasure in this home: the first one after 'daybook release' does.
    The keys in it are wrapped: the root key (log/root.key) is NOT in the backup.
    Keep it apart from it, or nothing of the backup can ever be read. What signs
    checkpoints, links and sessions is in it, sealed under the root key.
    """,
  arguments: [directory], options: [keepOption, checkOption, forgetOption, .json]
) { invocation in
  let path = absolute(invocation.argument(directory.name))
  if invocation.has(checkOption.flag) { return try check(path, invocation) }
  let home = invocation.settings.home
  let reader = try openLog(home)
  defer { reader.close() }
  if invocation.has(forgetOption.flag) { return try forget(path, reader, invocation) }
  let keeping = try invocation.value(keepOption.flag).map {
    Int(clamping: try wholeNumber($0, keepOption.flag, in: "backup"))
  }
  guard keeping != 0 else {
    throw UsageError("--keep is a number from 1: what was just made stays.", command: "backup")
  }
  // The cursors first: none may be ahead of the log that it is restored with.
  let files = try cursors(home).merging(
    try HomeSecrets(home, incarnation: reader.identity.incarnation).sealed()
  ) { $1 }
  // On hold this may be a rehearsal, and the folder is the real log's.
  let isHeld = try RestoreRecord.read(home.restored)?.isHeld == true
  let report = try reader.backUp(
    to: path, files: files, keeping: keeping, tellsErasures: !isHeld)
  if invocation.has(Option.json.flag) {
    Output.json(json(report))
  } else {
    Output.line(
      "snapshot \(report.snapshot.name): \(report.snapshot.head) events, \(report.byteCount) bytes,"
        + " \(report.newByteCount) of them new, in \(report.tookMillis) ms")
    Output.line("The root key is not in it: keep \(home.log)/root.key apart from the backup.")
    if isHeld {
      Output.line("On hold: of erasures here the first backup after 'daybook release' tells.")
    }
  }
  return .success
}

private func check(_ path: String, _ invocation: Invocation) throws -> ExitStatus {
  let content: BackupContent
  do throws(EventLogError) {
    content = try BackupContent(checking: path)
  } catch {
    if invocation.has(Option.json.flag) {
      Output.json(["ok": false, "problem": .string(error.description)])
    } else {
      Output.error("backup: \(error)")
    }
    return .foundWrong
  }
  if invocation.has(Option.json.flag) {
    Output.json([
      "ok": true, "snapshots": JSON(content.snapshotCount),
      "newest": .string(content.newestSnapshot), "head": .int(Int64(content.head)),
      "files": JSON(content.fileCount), "bytes": JSON(content.byteCount),
    ])
  } else {
    Output.line(
      "sound: \(content.snapshotCount) snapshots, the newest \(content.newestSnapshot) of"
        + " \(content.head) events; \(content.fileCount) files, \(content.byteCount) bytes")
  }
  return .success
}

private func forget(
  _ path: String, _ reader: LMDBLogReader, _ invocation: Invocation
) throws -> ExitStatus {
  let isForgotten = try reader.forgetBackup(path)
  if invocation.has(Option.json.flag) {
    Output.json(["forgotten": .bool(isForgotten)])
  } else {
    Output.line(
      isForgotten
        ? "Forgotten. Whoever restores from \(path) brings back people who were erased since."
        : "The log does not know \(path); nothing has changed.")
  }
  return isForgotten ? .success : .foundWrong
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
  var files: [String: [UInt8]] = [:]
  for name in try cursorNames(home) {
    files[name] = [UInt8](try Data(contentsOf: URL(filePath: "\(home.reactors)/\(name)")))
  }
  return files
}

/// None where nothing has run here yet.
func cursorNames(_ home: Home) throws -> [String] {
  guard FileManager.default.fileExists(atPath: home.reactors) else { return [] }
  return try FileManager.default.contentsOfDirectory(atPath: home.reactors)
    .filter { $0.hasSuffix(".json") }
}

/// A path that another process, started elsewhere, finds too.
func absolute(_ path: String) -> String {
  Home(path: path, relativeTo: FileManager.default.currentDirectoryPath).path
}
