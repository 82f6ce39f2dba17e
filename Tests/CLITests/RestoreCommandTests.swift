import Crypto
import Foundation
import JSON
import Testing
import Vault

/// Backups and restores of a home that nothing serves, by the command line.
@Suite struct RestoreCommandTests {
  /// A home with a log and its backup, and room for what is restored.
  private struct Place {
    let directory: String

    var home: String { directory + "/home" }
    var backup: String { directory + "/back up" }
    var restored: String { directory + "/restöred/home" }

    func run(_ words: String...) throws -> Answer { try Program.run(words) }

    func restore(_ words: String...) throws -> Answer {
      try Program.run(
        ["restore", backup, "--json", "--home", restored, "--root-key", home + "/log/root.key"]
          + words)
    }

    func removeRestored() throws { try FileManager.default.removeItem(atPath: restored) }
  }

  private func withBackup(_ body: (Place) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory
      .appending(path: "daybook-restore-\(UUID().uuidString)").path(percentEncoded: false)
    defer {
      // Left behind in the temporary directory at worst.
      _ = try? FileManager.default.removeItem(atPath: directory)
    }
    let place = Place(directory: directory)
    let seeded = try place.run(
      "seed", "--contacts", "3", "--events", "50", "--home", place.home)
    try #require(seeded.status == 0, "\(seeded.errors)")
    try Data(repeating: 7, count: 32).write(to: URL(filePath: place.home + "/checkpoint.key"))
    let backup = try place.run("backup", place.backup, "--home", place.home)
    try #require(backup.status == 0, "\(backup.errors)")
    try body(place)
  }

  /// Says of the only snapshot that it was made at `micros`.
  private func date(_ place: Place, micros: Int64) throws {
    let folder = place.backup + "/snapshots"
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
    let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first)
    let made = try #require(try JSON(parsing: String(line))["created_at_micros"]?.int)
    let dated = line.replacingOccurrences(
      of: "\"created_at_micros\":\(made)", with: "\"created_at_micros\":\(micros)")
    try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    let digits = String(micros)
    let padded = String(repeating: "0", count: 20 - digits.count) + digits
    try Data("\(dated)\n\(Hex.encode(SHA256.hash(Array(dated.utf8))))\n".utf8)
      .write(to: URL(filePath: "\(folder)/\(padded).json"))
  }

  @Test func `a restore says in seconds how old its snapshot is, and never less than none`() throws
  {
    try withBackup { place in
      let made = Date.now.addingTimeInterval(-3_600)
      try date(place, micros: Int64(made.timeIntervalSince1970 * 1e6))
      let old = try place.restore()
      try #require(old.status == 0, "\(old.errors)")
      let seconds = try #require(try JSON(parsing: old.output)["rpo_seconds"]?.int)
      #expect(seconds >= 3_599 && seconds <= Int64(Date.now.timeIntervalSince(made)) + 1)
      try place.removeRestored()
      // The clock was ahead when the backup was made.
      try date(place, micros: Int64(Date.now.addingTimeInterval(7_200).timeIntervalSince1970 * 1e6))
      #expect(try JSON(parsing: try place.restore().output)["rpo_seconds"]?.int == 0)
    }
  }

  /// Goal: a home has a secret whole, or not yet. Method: what is written first, under another name, stands in the way.
  @Test func `a secret that could not be written whole is not in its place`() throws {
    try withBackup { place in
      let unfinished = place.restored + "/checkpoint.key.new"
      try FileManager.default.createDirectory(
        atPath: unfinished, withIntermediateDirectories: true)
      let failed = try place.restore()
      #expect(failed.status == 1 && failed.errors.contains("checkpoint.key"))
      #expect(!FileManager.default.fileExists(atPath: place.restored + "/checkpoint.key"))
      #expect(!FileManager.default.fileExists(atPath: place.restored + "/log/log/data.mdb"))
      try FileManager.default.removeItem(atPath: unfinished)
      let restored = try place.restore("--verify")
      #expect(restored.status == 0, "\(restored.errors)")
      #expect(
        FileManager.default.contentsEqual(
          atPath: place.home + "/checkpoint.key", andPath: place.restored + "/checkpoint.key"))
      #expect(!FileManager.default.fileExists(atPath: unfinished))
    }
  }

  @Test func `a history has a number that neither its home nor whoever restores it knows`() throws {
    try withBackup { place in
      func number(_ answer: Answer) throws -> Int64? {
        try JSON(parsing: answer.output)["incarnation"]?.int
      }
      #expect(try number(place.restore()) == 2)
      try place.removeRestored()
      try FileManager.default.createDirectory(
        atPath: place.restored + "/checkpoints/i5", withIntermediateDirectories: true)
      #expect(try number(place.restore()) == 6)
      try place.removeRestored()
      #expect(try number(place.restore("--history", "9")) == 9)
      try place.removeRestored()
      // A lower one than others have would be a fork.
      #expect(try number(place.restore("--history", "4")) == 10)
      for wrong in ["1", "x", "-3"] {
        #expect(try place.restore("--history", wrong).status == 64)
      }
    }
  }

  @Test func `a backup on hold tells the folder of no erasure, and one after the release does`()
    throws
  {
    try withBackup { place in
      let restored = try place.restore()
      try #require(restored.status == 0, "\(restored.errors)")
      let vault = try Vault(
        path: place.restored + "/log/vault",
        rootKey: FileRootKey(path: place.restored + "/log/root.key", mayCreate: false))
      try vault.erase([1], org: 2, atMicros: 3)
      vault.close()
      func tombstones(after words: String...) throws -> String? {
        for command in [words, ["backup", place.backup]] where !command.isEmpty {
          let answer = try Program.run(command + ["--home", place.restored])
          #expect(answer.status == 0, "\(answer.errors)")
        }
        return try? String(contentsOfFile: place.backup + "/tombstones", encoding: .utf8)
      }
      #expect(try tombstones() == nil)
      #expect(try tombstones(after: "release") == "\n2 1 3\n")
    }
  }

  @Test func `a root key that is being replaced is the doctor's first concern`() throws {
    try withBackup { place in
      func keys() throws -> [JSON] {
        let report = try JSON(
          parsing: try place.run("doctor", "--json", "--home", place.home).output)
        return (report["findings"]?.array ?? []).filter { $0["subject"]?.string == "keys" }
      }
      #expect(try keys().allSatisfy { $0["verdict"]?.string == "ok" })
      try Data(repeating: 1, count: 32).write(
        to: URL(filePath: place.home + "/log/root.key.next"))
      let problem = try #require(try keys().first { $0["verdict"]?.string == "problem" })
      #expect(problem["words"]?.string?.contains("interrupted") == true)
      #expect(problem["advice"]?.string?.contains("keys rotate --root") == true)
    }
  }

  @Test func `an export of a home without a log makes none`() throws {
    let home = FileManager.default.temporaryDirectory
      .appending(path: "daybook-none-\(UUID().uuidString)").path(percentEncoded: false)
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    defer { _ = try? FileManager.default.removeItem(atPath: home) }
    let answer = try Program.run(
      [
        "export", "audit", "--org", "acc_01jd3x0000000000000000000a", "--out", home + "/out",
        "--home", home, "--port", "1",
      ])
    #expect(answer.status == 1)
    #expect(answer.errors.contains("there is no log in \(home)/log."), "\(answer.errors)")
    #expect(!FileManager.default.fileExists(atPath: home + "/log"))
  }
}
