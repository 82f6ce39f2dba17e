import Application
import CLI
import Crypto
import EventLog
import Foundation
import JSON
import Supervisor
import Vault

private let directory = Argument("DIR", .one, "the backup folder")
private let verifyOption = Option(
  "--verify", "check every byte, proof and signed checkpoint of what was restored")
private let snapshotOption = Option("--snapshot", value: "NAME", "an older one; the newest")
private let keyOption = Option(
  "--root-key", value: "FILE", "the root key; log/root.key of the home")
private let reasonOption = Option(
  "--reason", value: "TEXT", "why, for the book of every account")

private let historyOption = Option(
  "--history", value: "N",
  "the number of the new history, where one that the folder does not know has signed: higher than any"
)

private let reasonByteLimit = 500

let restoreCommand = Command(
  "restore", "make the log of this home from a backup, and hold everything that would go out",
  details: """
    The home has no log yet. Everything that the log has recorded is there again, up to
    the moment of the snapshot; the read models are made anew by 'daybook up'. Nothing
    is sent until 'daybook release': what was sent after the backup is not in the log,
    and is looked up at the providers first. Erased people stay erased: the log's other
    backup folders are asked too, as far as they are reached. What signs
    checkpoints, links and sessions is put in its place unless the home has its own.
    At the next start the book of every account says that it was restored: with its last
    signed checkpoint of before, and the reason. Nothing is signed before the release
    either, and no backup folder hears of an erasure: a home that was restored as a
    rehearsal is thrown away, not released. The new
    history has a number that neither the folder, nor the log's other backup folders as far
    as they are reached, nor this home knows. None of them knows what was restored from a
    copy of a folder: look at the origins (…/i2/…) of checkpoints that others hold, and
    give a higher --history. A folder that is mounted read-only cannot be told of the
    number either: it is restored from only with a --history.
    --root-key is the root key of the last backup into the folder, whichever snapshot.
    """,
  arguments: [directory],
  options: [
    verifyOption, snapshotOption, keyOption, reasonOption, historyOption, .json,
  ]
) { invocation in
  let home = invocation.settings.home
  let backup = absolute(invocation.argument(directory.name))
  let reason = invocation.value(reasonOption.flag)
  guard reason.map({ $0.utf8.count <= reasonByteLimit }) ?? true else {
    throw UsageError(
      "--reason has at most \(reasonByteLimit) bytes: every account's book repeats it.",
      command: "restore")
  }
  let history = try invocation.value(historyOption.flag).map { text in
    guard let number = UInt32(text), number > 1 else {
      throw UsageError(
        "--history is '\(text)', but the first history is 1: give a number from 2.",
        command: "restore")
    }
    return number
  }
  // Before anything is made here.
  let snapshots = try LogRestore.snapshots(in: backup)
  if let name = invocation.value(snapshotOption.flag), !snapshots.contains(name) {
    throw UsageError(
      "There is no snapshot \(name) in \(backup). The newest are \(snapshots.prefix(5).joined(separator: ", ")).",
      command: "restore")
  }
  try prepare(home)
  if try FileLock.isHeld(home.upLock) {
    throw CommandError.alreadyRunning(home: home.path, pid: nil)
  }
  // Before anything is written: neither the key nor the hold of a log that is there may change.
  guard !FileManager.default.fileExists(atPath: home.log + "/log/data.mdb") else {
    throw CommandError.logExists(path: home.path)
  }
  let key = try placeRootKey(invocation.value(keyOption.flag).map(absolute), home)
  // Before there is a log: a start in between would send.
  try heldRecord.write(to: home.restored)
  let restore = LogRestore(
    backup: backup, target: home.log, rootKey: key)
  try discardSnapshots(home)
  var record = heldRecord
  var hasSecrets = true
  let known = max(history.map { $0 - 1 } ?? 0, try lastSignedHistory(home))
  let report = try run(restore, after: known, isNumberGiven: history != nil, invocation) { report in
    try placeCursors(report, home)
    record = RestoreRecord(
      // By a clock that is behind, what was sent before would be newer than the restore.
      restoredAtMicros: max(
        EventLog.SystemClock.nowMicros(), report.snapshot.recordedAtMicros), head: report.head,
      dataUpToMicros: report.snapshot.recordedAtMicros, incarnation: report.incarnation,
      reason: reason)
    try record.write(to: home.restored)
    hasSecrets = try HomeSecrets(home, incarnation: report.snapshot.incarnation)
      .place(report.files, rootKey: key)
  }
  if !hasSecrets {
    Output.error(
      "restore: what signs checkpoints, links and sessions is sealed with another root key, and is not here:"
        + " put copies of it into \(home.path) before 'daybook up', which makes new ones")
  }
  for reason in report.untoldFolders {
    Output.error(
      "restore: a backup folder of the log was not told of history \(report.incarnation), or not asked who was erased:"
        + " it may give the number to another one, and somebody whom it alone knows as erased is back: \(reason)"
    )
  }
  if invocation.has(Option.json.flag) {
    Output.json(json(report, record))
  } else {
    show(report, record)
  }
  return .success
}

let releaseCommand = Command(
  "release", "let go out what a restore holds back",
  details: """
    Messages, webhooks, campaigns and workflows go on. What was waiting when the backup
    was made, or belongs to an older campaign or workflow run, may have been sent since:
    the provider is asked about each before it is sent. Checkpoints are signed again, as
    those of a new history. Not for a rehearsal of a restore: throw that home away. Works
    with and without a running system; a running one goes on within a second.
    """,
  options: [.json]
) { invocation in
  let hold = SendingHold(path: invocation.settings.home.restored) {
    EventLog.SystemClock.nowMicros()
  }
  let isReleased = try hold.release()
  if invocation.has(Option.json.flag) {
    Output.json(["released": .bool(isReleased)])
  } else {
    Output.line(isReleased ? "Released: what waits goes out." : "Nothing was on hold.")
  }
  return .success
}

private func run(
  _ restore: LogRestore, after known: UInt32, isNumberGiven: Bool, _ invocation: Invocation,
  beforeLast: (RestoreReport) throws -> Void
) throws -> RestoreReport {
  do {
    return try restore.run(
      snapshot: invocation.value(snapshotOption.flag),
      verifies: invocation.has(verifyOption.flag), after: known, isNumberGiven: isNumberGiven,
      beforeLast: beforeLast)
  } catch EventLogError.wrongRootKey {
    throw CommandError.otherRootKey(
      path: invocation.value(keyOption.flag) ?? invocation.settings.home.log + "/root.key")
  }
}

/// The last history that has signed in this home, and remembers it: 0 where none has.
private func lastSignedHistory(_ home: Home) throws -> UInt32 {
  guard FileManager.default.fileExists(atPath: home.checkpoints) else { return 0 }
  return try FileManager.default.contentsOfDirectory(atPath: home.checkpoints)
    .compactMap { $0.hasPrefix("i") ? UInt32($0.dropFirst()) : nil }.max() ?? 0
}

/// Of a log that was here before, which the restored one is not.
private func discardSnapshots(_ home: Home) throws {
  guard FileManager.default.fileExists(atPath: home.snapshots) else { return }
  try FileManager.default.removeItem(atPath: home.snapshots)
}

/// The key where the log looks for it.
private func placeRootKey(_ given: String?, _ home: Home) throws -> any RootKey {
  let own = home.log + "/root.key"
  guard FileManager.default.fileExists(atPath: given ?? own) else {
    throw CommandError.rootKeyMissing(path: given ?? own)
  }
  try makeFolder(home.log)
  if let given, given != own {
    _ = try FileRootKey(path: given, mayCreate: false)
    try SecretFile.write([UInt8](try Data(contentsOf: URL(filePath: given))), to: own)
  }
  return try FileRootKey(path: own, mayCreate: false)
}

/// Of a restore that is not done: holds everything.
private var heldRecord: RestoreRecord {
  RestoreRecord(
    restoredAtMicros: EventLog.SystemClock.nowMicros(), head: 0, dataUpToMicros: 0, incarnation: 0)
}

/// The cursors of the reactors, and none of a log that was here before, or of a restore that was ended: it would be ahead of
/// this one.
private func placeCursors(_ report: RestoreReport, _ home: Home) throws {
  try makeFolder(home.reactors)
  for name in try cursorNames(home) {
    try FileManager.default.removeItem(atPath: "\(home.reactors)/\(name)")
  }
  for (name, bytes) in report.snapshot.files {
    guard !name.contains("/"), !HomeSecrets.isSecret(name) else { continue }
    try Data(bytes).write(to: URL(filePath: "\(home.reactors)/\(name)"), options: .atomic)
  }
}

/// What may be lost: from the moment of the snapshot to now. None where the clock was put back since.
private func lostSeconds(_ report: RestoreReport, _ record: RestoreRecord) -> Int64 {
  max(0, record.restoredAtMicros - report.snapshot.createdAtMicros) / 1_000_000
}

private func json(_ report: RestoreReport, _ record: RestoreRecord) -> JSON {
  [
    "snapshot": .string(report.snapshot.name), "head": .int(Int64(report.head)),
    "incarnation": JSON(Int(report.incarnation)), "state": "held",
    "untold_backups": .array(report.untoldFolders.map(JSON.string)),
    "erased_again": JSON(report.tombstoneCount),
    "rpo_seconds": .int(lostSeconds(report, record)), "milliseconds": JSON(report.tookMillis),
    "verified_events": JSON(report.verification.map { Int64($0.eventCount) }),
  ]
}

private func show(_ report: RestoreReport, _ record: RestoreRecord) {
  Output.line(
    "restored \(report.head) events of snapshot \(report.snapshot.name) in \(report.tookMillis) ms")
  if let verification = report.verification {
    Output.line(
      "verified \(verification.eventCount) events in \(verification.blockCount) blocks,"
        + " \(verification.treeHeads.count) trees: sound")
  }
  Output.line(
    "RPO      \(lostSeconds(report, record)) s: what happened since the snapshot is not in it")
  Output.line(
    "history  \(report.incarnation), no higher one is known here; its checkpoints are signed as …/i\(report.incarnation)/…"
  )
  if report.tombstoneCount > 0 {
    Output.line("erased   \(report.tombstoneCount) people again, erased after the keys were copied")
  }
  Output.line("ON HOLD: nothing is sent or signed until 'daybook release'.")
}
