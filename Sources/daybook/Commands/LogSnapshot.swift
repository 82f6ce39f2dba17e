import Application
import CLI
import Domain
import EventLog
import Glibc
import JSON

let logSnapshotCommand = Command(
  "log snapshot", "make the next start fast: keep what the books add up to as this program sees it",
  details: """
    For before a deployment: run the new program's 'daybook log snapshot' over the log of
    the one in use, and the switch takes seconds however long the log is. A snapshot counts
    for the very program that made it; another one folds the books from their beginning. A
    running system makes its own once in a while. Works beside a running system, at low
    priority; writes nothing but the folder 'snapshots' of the home, which may be deleted
    at any time. Whatever is in it is sealed under keys of the vault.
    """,
  options: [.json]
) { invocation in
  let home = invocation.settings.home
  let reader = try openLog(home)
  defer { reader.close() }
  // Whoever waits for an answer of the running system comes first.
  _ = nice(10)
  let isJSON = invocation.has(Option.json.flag)
  let folder = try snapshotFolder(home) { Output.error("log snapshot: not usable any more: \($0)") }
  let start = EventLog.SystemClock.monotonicNanos()
  let made = try SnapshotMaker(
    log: reader, folder: folder,
    contacts: ContactMemory(folder: home.path) { Output.error("log snapshot: \($0)") }
  ).run { one in
    if !isJSON {
      Output.line("\(one.org.text): \(one.eventCount) events, \(one.foldedCount) of them new")
    }
  }
  guard let made else {
    Output.error("log snapshot: another process is making snapshots in this home.")
    return .failure
  }
  let milliseconds = (EventLog.SystemClock.monotonicNanos() - start) / 1_000_000
  if isJSON {
    Output.json(json(made, milliseconds: milliseconds))
  } else {
    Output.line("snapshots made: \(made.count), in \(milliseconds) ms")
  }
  return .success
}

private func json(_ made: [SnapshotMaker.Made], milliseconds: Int64) -> JSON {
  [
    "milliseconds": .int(milliseconds),
    "snapshots": .array(
      made.map {
        [
          "account": .string($0.org.text), "events": .int(Int64($0.eventCount)),
          "new_events": .int(Int64($0.foldedCount)),
        ]
      }),
  ]
}

/// The home's snapshots, as this program makes and reads them.
func snapshotFolder(
  _ home: Home, report: @escaping @Sendable (String) -> Void
) throws -> SnapshotFolder {
  try SnapshotFolder(
    path: home.snapshots, build: try SnapshotFolder.ownBuild(), report: report)
}
