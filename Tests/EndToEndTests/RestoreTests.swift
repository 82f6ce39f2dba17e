import Foundation
import HTTP
import JSON
import Supervisor
import Testing

extension EndToEnd {
  @Suite struct Restores {
    @Test
    func
      `after a restore nothing goes out until released, and nothing that was sent goes out again`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let people = try await Self.people(account)
        let delivered = try await account.send("Before", to: people[0])
        try await account.wait(forMessage: delivered, toBe: "delivered")
        // The provider is away: this one waits in the log, and in the backup.
        try await system.setFaults(["error_rate": 1, "status": 503])
        let waiting = try await account.send("Waiting", to: people[1])
        let unsent = try await account.send("Unsent", to: people[2])
        let backup = system.home + "-backup"
        defer { HomeFolders.remove(backup) }
        let before = system.home + "/before"
        let exported = try await system.daybook(
          "export", "audit", "--org", account.id, "--out", before)
        #expect(exported.succeeded, "\(exported.errors)")
        let first = try await system.daybook("backup", backup, "--json").json()
        #expect(first["holds_root_key"]?.bool == false)
        // Sent after the backup, and lost with the home; the other one is cancelled by the disaster.
        try await system.setFaults(["error_rate": 0])
        try await account.wait(forMessage: waiting, toBe: "delivered")
        try await account.wait(forMessage: unsent, toBe: "delivered")
        let key = try await Self.loseLog(of: system)

        for arguments in [[], ["--root-key", key + "-not-there"]] {
          let keyless = try await system.daybook(["restore", backup] + arguments)
          #expect(keyless.exit == .code(1) && keyless.errors.contains("--root-key"))
          #expect(!FileManager.default.fileExists(atPath: system.home + "/log/root.key"))
          #expect(!FileManager.default.fileExists(atPath: system.home + "/restored.json"))
        }
        let restored = try await system.daybook(
          "restore", backup, "--verify", "--root-key", key, "--reason", "the disk was lost",
          "--json")
        try #require(restored.succeeded, "\(restored.errors)")
        #expect(try restored.json()["state"]?.string == "held")
        #expect(try restored.json()["incarnation"]?.int == 2)
        #expect((try restored.json()["verified_events"]?.int ?? 0) > 0)
        // Once more, onto the log that is there now: refused, and neither key nor hold changes.
        let record = system.home + "/restored.json"
        let hold = try #require(FileManager.default.contents(atPath: record))
        let other = system.home + "/other.key"
        try Data(repeating: 7, count: 32).write(to: URL(filePath: other))
        let again = try await system.daybook("restore", backup, "--root-key", other)
        #expect(again.exit == .code(2) && again.errors.contains("replaces none"))
        #expect(FileManager.default.contents(atPath: record) == hold)
        #expect(
          FileManager.default.contentsEqual(
            atPath: key, andPath: system.home + "/log/root.key"))
        try await system.start("serve")

        let late = try await account.send("Late", to: people[0])
        let ready = try await API(baseURL: account.api.baseURL, token: nil).send("GET", "/readyz")
        #expect(ready.json["checks"]?["hold"]?["state"]?.string == "held")
        try await Self.checkNothingIsSigned(system, account)
        // Long enough for a dispatcher that ran to have sent it.
        try await Task.sleep(for: .seconds(2))
        #expect(try await account.received(by: people[0]) == ["Before" + Account.optOutNotice])

        #expect(try await system.daybook("release", "--json").json()["released"]?.bool == true)
        try await eventually("what waited to be settled") {
          try await account.received(by: people[0]).count == 2
        }
        for id in [waiting, unsent, late] {
          try await eventually("\(id) to be told delivered") {
            let types = try await account.events(types: "message.*")
            return types.contains {
              $0["subject"]?["id"]?.string == id && $0["type"]?.string == "message.delivered"
            }
          }
        }
        #expect(try await account.received(by: people[1]) == ["Waiting" + Account.optOutNotice])
        #expect(try await account.received(by: people[2]) == ["Unsent" + Account.optOutNotice])
        #expect(try await system.daybook("verify").succeeded)
        try await Self.checkHistories(system, account, before: before)
      }
    }

    /// A head that a rehearsal has signed would contradict one that is signed after the next restore.
    private static func checkNothingIsSigned(
      _ system: RunningSystem, _ account: Account
    ) async throws {
      let api = API(baseURL: account.api.baseURL, token: nil)
      let base = "/.well-known/daybook"
      for path in ["", "/instance/checkpoint", "/accounts/\(account.id)/checkpoint"] {
        let refused = try await api.send("GET", base + path)
        #expect(refused.status == 503)
        #expect(refused.json["error"]?["code"]?.string == "signing_on_hold")
      }
      let count = try await account.events(types: "org.audit_exported").count
      let exported = try await system.daybook(
        "export", "audit", "--org", account.id, "--out", system.home + "/held")
      #expect(!exported.succeeded && exported.errors.contains("released"), "\(exported.errors)")
      #expect(try await account.events(types: "org.audit_exported").count == count)
      #expect(!FileManager.default.fileExists(atPath: system.home + "/checkpoints/i2"))
    }

    /// Goal: a home has its log and what signs for it, or no log yet. Method: a file in the place of the folder that the
    /// cursors go to.
    @Test
    func `a restore that could not put everything in its place has made no log, and is done again`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        _ = try await account.newPerson(0)
        let backup = system.home + "-backup"
        defer { HomeFolders.remove(backup) }
        try #require(try await system.daybook("backup", backup).succeeded)
        let signing = try #require(
          FileManager.default.contents(atPath: system.home + "/checkpoint.key"))
        let key = try await Self.loseLog(of: system)
        let obstacle = system.home + "/reactors"
        try Data().write(to: URL(filePath: obstacle))
        let arguments = ["restore", backup, "--verify", "--root-key", key]
        #expect(try await !system.daybook(arguments).succeeded)
        #expect(!FileManager.default.fileExists(atPath: system.home + "/log/log/data.mdb"))
        try FileManager.default.removeItem(atPath: obstacle)
        // Of a log that was here before: it would be ahead of the one that is restored.
        try FileManager.default.createDirectory(
          atPath: obstacle, withIntermediateDirectories: false)
        try Data("{}".utf8).write(to: URL(filePath: obstacle + "/unheard-of.json"))
        let again = try await system.daybook(arguments)
        try #require(again.succeeded, "\(again.errors)")
        #expect(FileManager.default.contents(atPath: system.home + "/checkpoint.key") == signing)
        #expect(!FileManager.default.fileExists(atPath: obstacle + "/unheard-of.json"))
        #expect(try await system.daybook("verify", "--log").succeeded)
      }
    }

    /// The book after the restore goes on from the checkpoint before it, signed by the same key.
    private static func checkHistories(
      _ system: RunningSystem, _ account: Account, before: String
    ) async throws {
      let after = system.home + "/after"
      let exported = try await system.daybook(
        "export", "audit", "--org", account.id, "--out", after, "--json")
      let key = try #require(try exported.json()["verifier_key"]?.string)
      #expect(key.contains("/i2/"))
      let kept = before + "/checkpoint"
      #expect(
        try String(contentsOfFile: kept, encoding: .utf8).split(separator: "\n")[0].contains("/i1/")
      )
      let checked = try await system.daybook(
        "verify", "bundle", after, "--key", key, "--kept", kept)
      #expect(checked.succeeded, "\(checked.output)\(checked.errors)")
      #expect(checked.output.contains("as history 2: the disk was lost; "), "\(checked.output)")
      let told = try await account.events(types: "org.history_restored")
      #expect(told.count == 1)
      let quoted = try #require(told.first?["data"]?["last_checkpoint"]?.string)
      #expect(try String(contentsOfFile: kept, encoding: .utf8).hasPrefix(quoted))
      // Not the other way round: the earlier history knows nothing of the later one.
      let earlier = try #require(
        try String(contentsOfFile: before + "/policy", encoding: .utf8)
          .split(whereSeparator: \.isWhitespace).first { $0.contains("/i1/org/") })
      let reversed = try await system.daybook(
        "verify", "bundle", before, "--key", String(earlier), "--kept", after + "/checkpoint")
      #expect(reversed.exit == .code(2))
    }

    private static func people(_ account: Account) async throws -> [Account.Person] {
      var people: [Account.Person] = []
      for index in 0..<3 { people.append(try await account.newPerson(index)) }
      return people
    }

    /// Kills the writer, and takes the log away but for the root key, which somebody has kept elsewhere, and with it what
    /// signs checkpoints and links: those come back from the backup.
    private static func loseLog(of system: RunningSystem) async throws -> String {
      try await system.kill("serve")
      let key = system.home + "/kept.key"
      try FileManager.default.moveItem(atPath: system.home + "/log/root.key", toPath: key)
      for lost in ["log", "checkpoint.key", "link.secret"] {
        try FileManager.default.removeItem(atPath: "\(system.home)/\(lost)")
      }
      try FileManager.default.removeItem(atPath: system.home + "/reactors")
      return key
    }
  }
}
