import CLI
import EventLog
import Foundation
import HTTP
import JSON
import ProjectionRuntime
import ReadModels
import Supervisor

let doctorCommand = Command(
  "doctor", "say in words what is wrong, and what to do",
  details: """
    Looks at the folder, its secrets, the disk, the clock, the processes, the log and its
    keys, the database, the read models, the accounts' providers and their webhooks. Exit
    code 0 where nothing is wrong (there may be warnings), 2 where something is.
    """,
  options: [.json]
) { invocation in
  var examination = Examination(invocation.settings)
  await examination.run()
  let findings = examination.findings
  if invocation.has(Option.json.flag) {
    Output.json([
      "home": .string(invocation.settings.home.path),
      "ok": .bool(!findings.contains { $0.verdict == .problem }),
      "findings": .array(findings.map(\.json)),
    ])
  } else {
    for finding in findings { Output.text(finding.text) }
  }
  return findings.contains { $0.verdict == .problem } ? .foundWrong : .success
}

/// What was looked at, and how it is.
private struct Finding {
  enum Verdict: String { case ok, warning, problem }

  let subject: String
  let verdict: Verdict
  let words: String
  var advice = ""

  var text: String {
    let mark =
      switch verdict {
      case .ok: "ok      "
      case .warning: "warning "
      case .problem: "PROBLEM "
      }
    let name = subject.padding(toLength: 12, withPad: " ", startingAt: 0)
    return "\(mark)  \(name)  \(words)\n" + (advice.isEmpty ? "" : "            → \(advice)\n")
  }

  var json: JSON {
    [
      "subject": .string(subject), "verdict": .string(verdict.rawValue), "words": .string(words),
      "advice": JSON(advice.isEmpty ? nil : advice),
    ]
  }
}

/// One look at everything. Changes nothing.
private struct Examination {
  private let settings: Settings
  private let home: Home
  private(set) var findings: [Finding] = []

  init(_ settings: Settings) {
    self.settings = settings
    home = settings.home
  }

  private mutating func add(
    _ subject: String, _ verdict: Finding.Verdict, _ words: String, _ advice: String = ""
  ) {
    findings.append(
      Finding(subject: subject, verdict: verdict, words: words, advice: advice))
  }

  mutating func run() async {
    guard FileManager.default.fileExists(atPath: home.path) else {
      return add(
        "home", .problem, "\(home.path) is not there.",
        "Name the folder with --home or DAYBOOK_HOME, or make one with 'daybook up'.")
    }
    add("home", .ok, home.path)
    checkSecrets()
    checkDisks()
    checkEncryption()
    let head = checkLog()
    let status = checkProcesses()
    await checkAPI(status)
    checkReadModels(status, head: head)
    await checkAccounts(status)
  }
}

// MARK: - The folder

extension Examination {
  /// Files that open everything are their owner's alone.
  private mutating func checkSecrets() {
    let files = [
      home.operatorToken, home.sessionSecret, home.linkSecret, home.log + "/root.key",
      home.reactors + "/deliveries.key", home.path + "/checkpoint.key", home.demo,
      home.log(of: "up"),
    ]
    var open: [String] = []
    var count = 0
    for path in files {
      guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
        let mode = attributes[.posixPermissions] as? Int
      else { continue }
      count += 1
      if mode & 0o077 != 0 { open.append(path) }
    }
    guard open.isEmpty else {
      return add(
        "secrets", .problem, "Others may read \(open.joined(separator: ", ")).",
        "chmod 600 \(open.joined(separator: " ")); who read them meanwhile has them: change them.")
    }
    add("secrets", .ok, "\(count) files, for their owner alone.")
  }

  /// The log and the database may be on disks of their own.
  private mutating func checkDisks() {
    var seen: Set<Int> = []
    for path in [home.path, home.log, home.log + "/vault", home.postgres]
    where path == home.path || FileManager.default.fileExists(atPath: path) {
      let attributes = try? FileManager.default.attributesOfFileSystem(
        forPath: URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false))
      if let number = attributes?[.systemNumber] as? Int, !seen.insert(number).inserted {
        continue
      }
      checkDisk(of: path, attributes ?? [:])
    }
  }

  private mutating func checkDisk(
    of path: String, _ attributes: [FileAttributeKey: Any]
  ) {
    guard let freeBytes = attributes[.systemFreeSize] as? Int,
      let bytes = attributes[.systemSize] as? Int
    else {
      return add("disk", .warning, "Nobody says how full the disk of \(path) is.")
    }
    let freeMiB = freeBytes >> 20
    let words =
      (path == home.path ? "" : "\(path): ") + "\(freeMiB) MiB of \(bytes >> 20) MiB are free."
    let advice = "Free some space, or move \(path): a full disk stops every write."
    if freeMiB < 512 { return add("disk", .problem, words, advice) }
    add("disk", freeMiB < 4_096 ? .warning : .ok, words, freeMiB < 4_096 ? advice : "")
  }

  /// In the log personal data is sealed; the read models have it in the clear, because they are searched. What
  /// keeps those from whoever takes the disk is the disk's own encryption.
  private mutating func checkEncryption() {
    let advice =
      "Read models hold personal data in the clear: put the database on an encrypted disk (LUKS, or the "
      + "provider's encrypted volumes)."
    guard settings.databaseURL == nil else {
      return add(
        "encryption", .warning,
        "Nobody here can see whether the disk of DATABASE_URL is encrypted.",
        advice)
    }
    switch BlockDevice(holding: home.path)?.isEncrypted {
    case true?: add("encryption", .ok, "The disk of \(home.path) is encrypted.")
    case false?:
      add(
        "encryption", .warning, "The disk of \(home.path) is not encrypted by this system.", advice)
    case nil:
      add(
        "encryption", .warning, "Nobody says whether \(home.path) is on an encrypted disk.", advice)
    }
  }

  /// Where the log ends; nil where it cannot be read.
  private mutating func checkLog() -> UInt64? {
    do {
      let reader = try openLog(home)
      defer { reader.close() }
      let head = try reader.head()
      add("log", .ok, "\(head) events.")
      checkKeys(reader)
      checkClock(try reader.read(after: head > 0 ? head - 1 : 0, limit: 1, filter: .all))
      checkRoomToErase(reader)
      try checkBackups(reader)
      return head
    } catch {
      add(
        "log", .problem, "\(error)",
        "Is it another user's? Else check the disk, and restore the latest backup.")
      return nil
    }
  }

  /// Gigabytes may be free, and a copy of the log may take more.
  private mutating func checkRoomToErase(_ reader: LMDBLogReader) {
    do {
      try reader.requireRoomToErase()
      add("erasures", .ok, "There is room for the copies that one makes.")
    } catch {
      add(
        "erasures", .problem, "No erasure comes to its end: \(error).",
        "Free so much on the disk of \(home.log), or move it to a larger one.")
    }
  }

  /// Erasures wait for every folder that has a backup.
  private mutating func checkBackups(_ reader: LMDBLogReader) throws {
    let known = try reader.backups()
    guard !known.isEmpty else { return }
    for folder in known where !folder.knowsHistory {
      add(
        "backups", .warning,
        "\(folder.directory) does not know of history \(reader.identity.incarnation): who restores from it would sign as the"
          + " same one.", "daybook backup \(folder.directory)")
    }
    let away = known.filter { $0.problem != nil }
    guard !away.isEmpty else {
      return add("backups", .ok, "\(known.count) folders that hear of erasures.")
    }
    add(
      "backups", .problem,
      "No erasure comes to its end: " + away.compactMap(\.problem).joined(separator: "; ") + ".",
      "Mount the folder again; if it is gone for good: daybook backup \(away[0].directory) --forget"
    )
  }

  private mutating func checkKeys(_ reader: LMDBLogReader) {
    do {
      add("keys", .ok, "Those of \(try reader.requireOrgKeys()) accounts open.")
      if FileManager.default.fileExists(atPath: home.log + "/root.key.next") {
        add(
          "keys", .problem,
          "The root key was to be replaced, and that was interrupted, or goes on: no backup is made meanwhile.",
          "Stop the system, daybook keys rotate --root, keep a copy of the new root.key, and make a backup."
        )
      }
    } catch {
      add(
        "keys", .problem, "\(error)",
        "Put the root.key in its place that \(home.log)/vault was wrapped with, or restore the latest "
          + "backup: without its key nobody reads an account's people.")
    }
  }

  /// An event from the future says that this clock went back, or that one was ahead.
  private mutating func checkClock(_ last: Page) {
    let nowMicros = Int64(Date.now.timeIntervalSince1970 * 1e6)
    let aheadMicros = (last.events.last?.recordedAtMicros ?? 0) - nowMicros
    guard aheadMicros > 2_000_000 else {
      return add("clock", .ok, "Later than the last event.")
    }
    add(
      "clock", .problem,
      "The last event was recorded \(aheadMicros / 1_000_000) s after what this clock says.",
      "Set the clock by NTP (timedatectl set-ntp true): quiet hours and signatures go by it.")
  }
}

// MARK: - What runs

extension Examination {
  private mutating func checkProcesses() -> SystemStatus? {
    guard let status = try? home.runningStatus() else {
      add(
        "processes", .warning, "'daybook up' does not run here.",
        "Start it, unless the processes are run by other means.")
      return nil
    }
    let restless = status.processes.filter { $0.restartCount > 0 }
    for process in restless {
      add(
        "processes", .warning, "\(process.name) was started again \(process.restartCount) times.",
        "Why is at the end of \(home.log(of: process.name)) and \(home.errors(of: process.name)).")
    }
    if restless.isEmpty {
      add("processes", .ok, "\(status.processes.count) run, none was started again.")
    }
    return status
  }

  private func base(_ status: SystemStatus?) -> String {
    status?.localURL ?? settings.localURL
  }

  private func ask(_ path: String, _ status: SystemStatus?, token: String? = nil) async -> JSON? {
    let client = HTTPClient()
    defer { client.close() }
    var request = ClientRequest(url: base(status) + path, timeoutMillis: 10_000)
    if let token { request.headers.set("authorization", "Bearer \(token)") }
    guard let answer = try? await client.send(request) else { return nil }
    return try? JSON(parsing: answer.body)
  }

  private mutating func checkAPI(_ status: SystemStatus?) async {
    guard let checks = await ask("/readyz", status)?["checks"] else {
      return add(
        "api", .problem, "Nobody answers at \(base(status)).",
        "Start it with 'daybook up'; why it ended is at the end of \(home.log(of: "serve")).")
    }
    if let log = checks["log"]?.string, log != "ok" {
      add(
        "api", .problem,
        "Nothing is written: \(log), since \(checks["read_only_since"]?.string ?? "?").",
        "Free the disk or mend it; it goes on by itself then.")
    } else {
      add("api", .ok, "\(base(status)) takes commands.")
    }
    if checks["postgres"]?.string == "ok" {
      add("postgres", .ok, "Answers.")
    } else {
      add(
        "postgres", .problem, "The database does not answer; commands still work, lists do not.",
        "Look into \(home.log(of: "postgres")), or whether DATABASE_URL is reached from here.")
    }
    if checks["hold"] != nil {
      add(
        "hold", .problem,
        "After a restore nothing is sent or signed, and no erasure comes to its end.",
        "Check what was restored ('daybook status'), then 'daybook release'; a rehearsal is thrown away."
      )
    } else {
      add("hold", .ok, "Nothing is held back.")
    }
  }

  private mutating func checkReadModels(_ status: SystemStatus?, head: UInt64?) {
    let own = status?.processes.first { $0.name == "postgres" }?.details["url"]?.string
    guard let url = settings.databaseURL ?? own, let models = try? readProjections(url) else {
      return add(
        "read models", .warning, "They were not looked at: the database is not reached from here.",
        "Name it with DATABASE_URL.")
    }
    var count = 0
    for model in ReadModels.present(models) {
      count += 1
      let line = ProjectionLine(model, head: head)
      if model.state == .live, let position = model.failedPosition {
        add(
          "read models", .problem,
          "\(model.name) hangs at event \(position), and what stands beside it waits: \(model.failedReason ?? "").",
          "It goes on by itself if the time suffices: is the database slow, or a table locked? The event: 'daybook events tail --after \(position - 1)'."
        )
      } else if let reason = model.failedReason {
        add(
          "read models", .problem, "\(model.name) stopped: \(reason).",
          "'daybook projection parked' shows the events, 'drain' applies them once it is mended.")
      } else if model.parkedCount > 0 {
        add(
          "read models", .problem, "\(model.name) has \(model.parkedCount) parked events.",
          "'daybook projection parked' says why; 'daybook projection drain \(model.name)' then.")
      } else if model.check?.isEqual == false {
        add(
          "read models", .problem, "\(model.name) has other rows than the log gives.",
          "'daybook projection check \(model.name)' names the first; 'daybook rebuild' mends it.")
      } else if let lag = line.lagEvents, lag > 10_000 {
        add(
          "read models", .warning, "\(model.name) is \(lag) events behind.",
          "Is 'daybook project' running? Its log is \(home.log(of: "project")).")
      }
    }
    guard !findings.contains(where: { $0.subject == "read models" }) else { return }
    add("read models", .ok, "\(count) keep up with the log.")
  }

  /// What only the server knows, told to the operator.
  private mutating func checkAccounts(_ status: SystemStatus?) async {
    guard
      let token = try? String(contentsOfFile: home.operatorToken, encoding: .utf8),
      let answer = await ask(
        "/api/operator/checks", status,
        token: token.trimmingCharacters(in: .whitespacesAndNewlines)),
      let problems = answer["problems"]?.array
    else {
      return add(
        "accounts", .warning, "Providers and webhooks were not looked at: the API says nothing.")
    }
    for problem in problems {
      add(
        problem["subject"]?.string ?? "accounts",
        problem["severity"]?.string == "problem" ? .problem : .warning,
        problem["words"]?.string ?? "", problem["advice"]?.string ?? "")
    }
    if problems.isEmpty {
      add("accounts", .ok, "Providers have their credentials, webhooks are delivered.")
    }
  }
}
