import EventLog
import Foundation
import JSON
import LMDB
import Testing
import Vault

/// The commands that look at a log, each on a home of its own that nothing serves.
@Suite struct LogCommandTests {
  /// Runs `body` with the path of a new home with some hundred events, and removes it afterwards.
  private func withHome(_ body: (String) async throws -> Void) async throws {
    let home = FileManager.default.temporaryDirectory
      .appending(path: "daybook-cli-\(UUID().uuidString)").path(percentEncoded: false)
    defer {
      // Left behind in the temporary directory at worst.
      _ = try? FileManager.default.removeItem(atPath: home)
    }
    let seeded = try Program.run(["seed", "--contacts", "10", "--events", "200", "--home", home])
    try #require(seeded.status == 0, "\(seeded.errors)")
    try await body(home)
  }

  /// Flips a bit in the middle of the log's last block, and returns its position.
  private func damageLastBlock(_ home: String) throws -> UInt64 {
    let environment = try Environment.open(
      path: home + "/log/log",
      options: Environment.Options(mapBytes: 1 << 30, tables: ["blocks": .number]))
    defer { environment.close() }
    let blocks = environment.table("blocks")
    var last: (key: UInt64, bytes: [UInt8])?
    try environment.write { transaction throws in
      last = try transaction.reading.withLast(in: blocks) { key, block in
        (key, unsafe block.withUnsafeBytes { unsafe Array($0) })
      }
      guard var block = last else { return }
      block.bytes[block.bytes.count / 2] ^= 1
      try transaction.put(block.bytes, forKey: block.key, in: blocks)
    }
    return try #require(last).key
  }

  @Test func `a damaged block is in the report, and so is what was read before it`() async throws {
    try await withHome { home in
      let position = try damageLastBlock(home)
      let both = try Program.run(["verify", "--home", home])
      #expect(both.status == 2 && both.errors == "")
      #expect(both.output.contains("log    DAMAGED"))
      #expect(both.output.contains("position \(position): the block fails its checksum"))
      #expect(both.output.contains("rules  NOT CHECKED TO THE END"))
      for words in [["verify"], ["verify", "--rules"], ["log", "rehearse"]] {
        let answer = try Program.run(words + ["--json", "--home", home])
        #expect(answer.status == 2 && answer.errors == "")
        let report = try JSON(parsing: answer.output)
        #expect(report["ok"]?.bool == false)
        let unread = report["rules"]?["unread"] ?? report["unread"]
        #expect(unread?["after"]?.int == Int64(position) - 1)
        #expect(unread?["reason"]?.string?.contains("fails its checksum") == true)
      }
    }
  }

  @Test func `a key that does not open is in the report, and so is what came before it`()
    async throws
  {
    try await withHome { home in
      try FileManager.default.removeItem(atPath: home + "/log/vault/data.mdb")
      let key = try FileRootKey(path: home + "/log/root.key", mayCreate: false)
      try Vault(path: home + "/log/vault", rootKey: key).close()
      let answer = try Program.run(["verify", "--json", "--home", home])
      #expect(answer.status == 2 && answer.errors == "")
      let report = try JSON(parsing: answer.output)
      let problem = report["log"]?["problems"]?[0]
      #expect(problem?["position"]?.int == 1)
      #expect(problem?["reason"]?.string?.contains("no key and no tombstone") == true)
      // The first person comes later, and what is the org's alone is in the clear.
      let unread = report["rules"]?["unread"]
      #expect((unread?["after"]?.int ?? 0) > 1)
      #expect(unread?["reason"]?.string?.contains("no key and no tombstone") == true)
    }
  }

  /// One code and one report for all that cannot be opened: damage is what is asked about.
  @Test(arguments: [
    "log/data.mdb 5000", "vault/data.mdb 5000", "vault/data.mdb 0", "vault/data.mdb", "wake",
    "log/data.mdb zero", "vault/data.mdb zero",
  ])
  func `a log that is too damaged to be opened is found wrong, and nothing is made in its place`(
    damage: String
  ) async throws {
    try await withHome { home in
      let words = damage.split(separator: " ")
      let path = "\(home)/log/\(words[0])"
      if words.last == "zero" {
        let file = try FileHandle(forUpdating: URL(filePath: path))
        try file.write(contentsOf: Data(count: 8192))
        try file.close()
      } else if words.count > 1 {
        let file = try FileHandle(forUpdating: URL(filePath: path))
        try file.truncate(atOffset: try #require(UInt64(words[1])))
        try file.close()
      } else {
        try FileManager.default.removeItem(atPath: path)
      }
      for command in [
        ["verify"], ["verify", "--rules"], ["verify", "--log"], ["log", "rehearse"],
      ] {
        let answer = try Program.run(command + ["--json", "--home", home])
        #expect(answer.status == 2 && answer.errors == "", "\(command): \(answer.errors)")
        let report = try JSON(parsing: answer.output)
        #expect(report["ok"]?.bool == false)
        let reason =
          report["log"]?["problems"]?[0]?["reason"] ?? report["rules"]?["unread"]?["reason"]
          ?? report["unread"]?["reason"]
        #expect(reason?.string?.contains("/\(words[0]) is ") == true)
      }
      let text = try Program.run(["verify", "--home", home])
      #expect(text.status == 2 && text.output.contains("log    DAMAGED"))
      let stats = try Program.run(["log", "stats", "--home", home])
      #expect(stats.status == 1 && stats.errors.contains("is damaged"))
      if words.count == 1 { #expect(!FileManager.default.fileExists(atPath: path)) }
    }
  }

  @Test func `where there is no log nothing is verified, and none is made`() async throws {
    try await withHome { home in
      try FileManager.default.removeItem(atPath: home + "/log/log/data.mdb")
      let answer = try Program.run(["verify", "--json", "--home", home])
      #expect(answer.status == 1 && answer.output == "" && answer.errors.contains("no log in"))
      #expect(!FileManager.default.fileExists(atPath: home + "/log/log/data.mdb"))
    }
  }

  @Test func `a verification that would check less than it seems is refused, or says so`()
    async throws
  {
    try await withHome { home in
      for flag in ["--log", "--deep"] {
        let neither = try Program.run(["verify", flag, "--rules", "--home", home])
        #expect(neither.status == 64 && neither.output == "")
        #expect(neither.errors.contains("--rules leaves out the check of the log, which \(flag)"))
      }
      let behind = try Program.run(["verify", "--from", "999999", "--home", home])
      #expect(behind.status == 64 && behind.output == "")
      #expect(behind.errors.contains("--from is 999999, but the log ends at "))

      let whole = try Program.run(["verify", "--log", "--home", home])
      #expect(whole.status == 0 && whole.output.contains(" bytes, 1 trees\n"))
      let part = try Program.run(["verify", "--from", "100", "--home", home])
      #expect(part.status == 0)
      #expect(part.output.contains("from position 100 on; no tree was compared"))
      #expect(part.output.contains("events from the first one on"))
    }
  }

  /// Goal: the total is what the disk says, and the parts add up to it. Method: `du` counts blocks too.
  @Test func `the parts of the log's bytes add up to what the disk has of it`() async throws {
    try await withHome { home in
      let stats = try JSON(
        parsing: try Program.run(["log", "stats", "--json", "--home", home]).output)
      guard case .object(let parts)? = stats["parts"] else {
        Issue.record("the parts are missing")
        return
      }
      let bytes = parts.fields.compactMap(\.value.int)
      #expect(bytes.count == parts.fields.count && bytes.allSatisfy { $0 >= 0 })
      #expect(bytes.reduce(0, +) == stats["bytes"]?.int)
      let du = try Program.output(
        of: "/usr/bin/du", ["--summarize", "--block-size=1", home + "/log"])
      #expect(
        du.split(separator: "\t").first.map(String.init) == stats["bytes"]?.int.map { "\($0)" })
    }
  }

  @Test func `what needs the log for itself says that a system runs, and who stops it`()
    async throws
  {
    try await withHome { home in
      let log = try LMDBEventLog(directory: home + "/log")
      for words in [["keys", "rotate"], ["log", "compact"]] {
        let answer = try Program.run(words + ["--home", home])
        #expect(answer.status == 1 && answer.output == "")
        #expect(
          answer.errors
            == "daybook \(words.joined(separator: " ")): a running system writes the log in"
            + " \(home)/log, and nothing else can meanwhile. Stop it with 'daybook down' first.\n")
      }
      await log.close()
      #expect(try Program.run(["keys", "rotate", "--home", home]).status == 0)
    }
  }

  @Test func `a command that looks for a log makes none`() throws {
    let home = FileManager.default.temporaryDirectory
      .appending(path: "daybook-cli-\(UUID().uuidString)").path(percentEncoded: false)
    try FileManager.default.createDirectory(
      atPath: home + "/log", withIntermediateDirectories: true)
    defer {
      // Left behind in the temporary directory at worst.
      _ = try? FileManager.default.removeItem(atPath: home)
    }
    for words in [
      ["log", "compact"], ["keys", "rotate"], ["verify"], ["log", "stats"], ["log", "rehearse"],
    ] {
      let answer = try Program.run(words + ["--home", home])
      #expect(answer.status == 1 && answer.output == "")
      #expect(answer.errors.contains("there is no log in \(home)/log."))
    }
    #expect(try FileManager.default.subpathsOfDirectory(atPath: home) == ["log"])
  }

  @Test func `the doctor looks whether the accounts' keys open`() async throws {
    try await withHome { home in
      func keys() throws -> JSON? {
        let report = try JSON(
          parsing: try Program.run(["doctor", "--json", "--home", home]).output)
        return report["findings"]?.array?.first { $0["subject"]?.string == "keys" }
      }
      #expect(try keys()?["verdict"]?.string == "ok")
      let key = URL(filePath: home + "/log/root.key")
      let other = Data(try Data(contentsOf: key).reversed())
      try other.write(to: key)
      let spoiled = try keys()
      #expect(spoiled?["verdict"]?.string == "problem")
      #expect(spoiled?["words"]?.string?.contains("wrong_root_key") == true)
    }
  }

  @Test(arguments: ["log/root.key", "checkpoint.key", "demo.json", "logs/up.log"])
  func `the doctor looks whether others may read a secret`(name: String) async throws {
    try await withHome { home in
      func secrets() throws -> JSON? {
        let report = try JSON(
          parsing: try Program.run(["doctor", "--json", "--home", home]).output)
        return report["findings"]?.array?.first { $0["subject"]?.string == "secrets" }
      }
      let path = "\(home)/\(name)"
      try FileManager.default.createDirectory(
        atPath: home + "/logs", withIntermediateDirectories: true)
      if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(filePath: path)) }
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
      #expect(try secrets()?["verdict"]?.string == "ok")
      try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
      let open = try secrets()
      #expect(open?["verdict"]?.string == "problem")
      #expect(open?["words"]?.string == "Others may read \(path).")
    }
  }

  /// Goal: a log on a disk of its own is looked after too. Method: it is put into the machine's memory.
  @Test func `the doctor looks at the log's own disk`() async throws {
    try await withHome { home in
      func disks() throws -> [String] {
        let report = try JSON(
          parsing: try Program.run(["doctor", "--json", "--home", home]).output)
        return (report["findings"]?.array ?? []).filter { $0["subject"]?.string == "disk" }
          .compactMap { $0["words"]?.string }
      }
      #expect(try disks().count == 1)
      let other = "/dev/shm/daybook-\(UUID().uuidString)"
      try FileManager.default.moveItem(atPath: home + "/log", toPath: other)
      defer { _ = try? FileManager.default.removeItem(atPath: other) }
      try FileManager.default.createSymbolicLink(
        atPath: home + "/log", withDestinationPath: other)
      let found = try disks()
      #expect(found.count == 2 && found.last?.hasPrefix("\(home)/log: ") == true)
    }
  }

  /// Goal: nobody takes free gigabytes for enough. Method: a disk with less room left than a copy of its log needs.
  @Test(.enabled(if: canMount, "nothing can be mounted here"))
  func `the doctor says where no erasure has room`() async throws {
    try await withHome { home in
      func erasures() throws -> JSON? {
        let report = try JSON(
          parsing: try Program.run(["doctor", "--json", "--home", home]).output)
        return report["findings"]?.array?.first { $0["subject"]?.string == "erasures" }
      }
      let disk = home + "/disk"
      try withSmallDisk(at: disk, mebibytes: 96) { freeBytes in
        try FileManager.default.moveItem(atPath: home + "/log", toPath: disk + "/log")
        try FileManager.default.createSymbolicLink(
          atPath: home + "/log", withDestinationPath: disk + "/log")
        #expect(try erasures()?["verdict"]?.string == "ok")
        // As much as stays free for those who write.
        try Data(count: freeBytes() - 4 << 20).write(to: URL(filePath: disk + "/filler"))
        let found = try erasures()
        #expect(found?["verdict"]?.string == "problem")
        #expect(found?["words"]?.string?.hasPrefix("No erasure comes to its end: ") == true)
      }
    }
  }

  @Test func `a log whose file was cut off is called damaged`() async throws {
    try await withHome { home in
      let file = try FileHandle(forUpdating: URL(filePath: home + "/log/vault/data.mdb"))
      try file.truncate(atOffset: 3 * 4096)
      try file.close()
      let answer = try Program.run(["log", "compact", "--home", home])
      #expect(answer.status == 1 && answer.output == "")
      #expect(answer.errors.contains("/log is damaged: log_corrupted: "))
      #expect(answer.errors.contains("/log/vault/data.mdb is cut off: it has 12288 bytes"))
    }
  }

  @Test func `who rotates the root key is told which key the backups need`() async throws {
    try await withHome { home in
      let orgs = try Program.run(["keys", "rotate", "--home", home])
      #expect(orgs.status == 0 && orgs.output == "The keys are rotated.\n")
      let root = try Program.run(["keys", "rotate", "--root", "--home", home])
      #expect(root.status == 0)
      #expect(root.output.contains("keep a copy of the new \(home)/log/root.key"))
      #expect(root.output.contains("needs the old key"))
    }
  }

  @Test
  func `a restore from nothing says so, and makes nothing`() throws {
    let base = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path(
      percentEncoded: false)
    defer { _ = try? FileManager.default.removeItem(atPath: base) }
    let refused = try Program.run(["restore", base + "/backup", "--home", base + "/home"])
    #expect(refused.status == 1)
    #expect(refused.errors.contains("there is no snapshot in \(base)/backup"))
    #expect(!FileManager.default.fileExists(atPath: base))
  }

  @Test
  func `a restore names the snapshots that there are, and takes no endless reason`() async throws {
    try await withHome { home in
      let (backup, other) = (home + "/backup", home + "/other")
      #expect(try Program.run(["backup", backup, "--home", home]).status == 0)
      let name = try #require(
        try FileManager.default.contentsOfDirectory(atPath: backup + "/snapshots").first)
      func refusal(_ words: String...) throws -> String {
        let answer = try Program.run(["restore", backup, "--home", other] + words)
        #expect(answer.status == 64)
        return answer.errors
      }
      #expect(try refusal("--snapshot", "none").contains(name.dropLast(".json".count)))
      #expect(
        try refusal("--reason", String(repeating: "r", count: 501)).contains("at most 500 bytes"))
      #expect(!FileManager.default.fileExists(atPath: other))
    }
  }

  @Test
  func `a bundle that is not there is no wrong bundle`() throws {
    let refused = try Program.run(["verify", "bundle", "/nonexistent/bundle"])
    #expect(refused.status == 64)
    #expect(refused.errors.contains("There is no folder /nonexistent/bundle"))
  }

  @Test
  func `after a rotation and a backup the new root key opens every snapshot, and the old one none`()
    async throws
  {
    try await withHome { home in
      try Data("link".utf8).write(to: URL(filePath: home + "/link.secret"))
      let backup = home + "/../" + UUID().uuidString
      let other = backup + ".home"
      defer {
        for path in [backup, other] { _ = try? FileManager.default.removeItem(atPath: path) }
      }
      func run(_ words: String...) throws -> Int32 { try Program.run(words).status }
      let key = home + "/log/root.key"
      try FileManager.default.copyItem(atPath: key, toPath: home + "/old.key")
      #expect(try run("backup", backup, "--home", home) == 0)
      let names = try FileManager.default.contentsOfDirectory(atPath: backup + "/snapshots")
      let first = String(try #require(names.first).dropLast(".json".count))
      #expect(try run("keys", "rotate", "--root", "--home", home) == 0)
      #expect(try run("backup", backup, "--home", home) == 0)
      let restore = [
        "restore", backup, "--snapshot", first, "--verify", "--home", other, "--root-key",
      ]
      let refused = try Program.run(restore + [home + "/old.key"])
      #expect(refused.status == 1)
      #expect(refused.errors.contains("Name the root key of the last backup into the folder"))
      #expect(try Program.run(restore + [key]).status == 0)
      #expect(try Data(contentsOf: URL(filePath: other + "/link.secret")) == Data("link".utf8))
      #expect(try run("verify", "--home", other) == 0)
    }
  }
}

/// Whether this process may mount something.
private let canMount: Bool = {
  let path = FileManager.default.temporaryDirectory
    .appending(path: "daybook-mount-\(UUID().uuidString)").path(percentEncoded: false)
  defer { _ = try? FileManager.default.removeItem(atPath: path) }
  do {
    try withSmallDisk(at: path, mebibytes: 1) { _ in }
    return true
  } catch {
    return false
  }
}()

private struct NotMounted: Error {}

/// Runs `body`, which is told how much is free, with a file system of so many mebibytes at `path`, and removes it.
private func withSmallDisk(
  at path: String, mebibytes: Int, _ body: (_ freeBytes: () throws -> Int) throws -> Void
) throws {
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  _ = try Program.output(
    of: "/usr/bin/mount", ["-t", "tmpfs", "-o", "size=\(mebibytes)m", "tmpfs", path])
  func bytes(_ key: FileAttributeKey) throws -> Int? {
    try FileManager.default.attributesOfFileSystem(forPath: path)[key] as? Int
  }
  guard try bytes(.systemSize) == mebibytes << 20 else { throw NotMounted() }
  defer { _ = try? Program.output(of: "/usr/bin/umount", ["--lazy", path]) }
  try body { try #require(try bytes(.systemFreeSize)) }
}
