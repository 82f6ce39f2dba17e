import CLI
import EventLog
import JSON

private let rootOption = Option("--root", "the root key too")

let keysRotateCommand = Command(
  "keys rotate", "put new keys in the place of those that wrap the people's keys",
  details: """
    Every account gets a new key, the people's keys are wrapped with it, and the old one is
    destroyed with every copy in the vault. With --root the root key in the log's folder is
    replaced in the same way. No event is touched; readers go on meanwhile. While a system
    runs, only it can write its keys: stop it first. A rotation that was interrupted is
    completed by the next one.

    A backup is restored with a root key, and holds none. After --root make a backup and
    keep a copy of the new one: it opens all snapshots of the folder then. Until that backup
    the folder needs the copy of the old one, which is destroyed here.
    """,
  options: [rootOption, .json]
) { invocation in
  let home = invocation.settings.home
  let log = try openLogForWriting(home)
  let isWithRoot = invocation.has(rootOption.flag)
  do {
    try await log.rotateKeys(includingRoot: isWithRoot)
  } catch {
    await log.close()
    throw error
  }
  await log.close()
  if invocation.has(Option.json.flag) {
    Output.json(["rotated": .bool(true), "root": .bool(isWithRoot)])
  } else {
    Output.line("The keys are rotated\(isWithRoot ? ", the root key too" : "").")
    if isWithRoot {
      Output.line(
        """
        Make a backup now, and keep a copy of the new \(home.log)/root.key: it opens all snapshots of
        the folder then. A folder without a backup from now on needs the old key, which is not here any
        more.
        """)
    }
  }
  return .success
}
