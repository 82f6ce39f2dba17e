import Foundation
import Testing

/// The built program, as a shell sees it.
@Suite struct ProgramTests {
  private static let docs = URL(filePath: #filePath)
    .deletingLastPathComponent().appending(path: "../../docs/commands.txt")

  private func run(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Answer {
    try Program.run(arguments, environment)
  }

  @Test func `the help of every command is the stored one`() throws {
    let stored = try String(contentsOf: Self.docs, encoding: .utf8)
    #expect(
      try run(["help", "--all"]).output == stored,
      "when it is meant: .build/debug/daybook help --all >docs/commands.txt")
  }

  @Test func `no words are answered with the help, and success`() throws {
    let answer = try run([])
    #expect(answer.status == 0)
    #expect(answer.output.hasPrefix("Daybook: "))
    #expect(answer.errors == "")
  }

  @Test func `a command that is not there is a usage error with a suggestion`() throws {
    #expect(
      try run(["stauts"])
        == Answer(
          status: 64, output: "",
          errors: "daybook: There is no command 'stauts'. Did you mean 'status'?\n"
            + "See 'daybook --help'.\n"))
  }

  @Test func `an unknown setting is a usage error for every command`() throws {
    #expect(
      try run(["version"], ["DAYBOOK_HOEM": "/x"])
        == Answer(
          status: 64, output: "",
          errors: "daybook: There is no setting 'DAYBOOK_HOEM'. Did you mean 'DAYBOOK_HOME'?\n"
            + "See 'daybook --help'.\n"))
  }

  @Test func `the status of nothing is a failure, for scripts in JSON`() throws {
    let home = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path(
      percentEncoded: false)
    #expect(
      try run(["status", "--json", "--home", home])
        == Answer(
          status: 1, output: "{\"state\":\"stopped\",\"home\":\"\(home)\",\"processes\":[]}\n",
          errors: ""))
    #expect(!FileManager.default.fileExists(atPath: home), "asking leaves nothing behind")
  }

  @Test func `an empty home is a usage error, and not another one`() throws {
    #expect(
      try run(["up", "--home", ""])
        == Answer(
          status: 64, output: "",
          errors: "daybook: --home is empty: give it a value, or leave it out.\n"
            + "See 'daybook --help'.\n"))
  }

  @Test func `a home that can not be made is named with the reason`() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path(
      percentEncoded: false)
    try Data().write(to: URL(filePath: file))
    defer { try? FileManager.default.removeItem(atPath: file) }
    let answer = try run(["up"], ["DAYBOOK_HOME": file + "/var"])
    #expect(answer.status == 1)
    #expect(
      answer.errors == "daybook up: \(file)/var can not be used: Not a directory."
        + " Make it writable, or choose another folder with --home or DAYBOOK_HOME.\n")
  }
}
