import Foundation
import Glibc
import HTTP
import JSON
import Supervisor
import Testing

extension EndToEnd {
  @Suite struct Up {
    @Test func `up runs everything, starts again what dies, and down leaves nothing`() async throws
    {
      let machine = try Machine()
      defer { machine.remove() }
      do {
        try await machine.expectLifeOfASystem()
      } catch {
        print("The system's logs, \(error):\n\(HomeFolders.lastLogLines(machine.home))")
        _ = try await machine.daybook("down")
        throw error
      }
    }
  }
}

/// A machine on which somebody types `daybook up`: an embedded database, free ports, no demo data.
struct Machine {
  let home: String
  private let executable: String
  private let publicURL: String?

  init(publicURL: String? = nil) throws {
    executable = try Program.executable()
    home = try HomeFolders.make()
    self.publicURL = publicURL
  }

  func remove() { HomeFolders.remove(home) }

  func daybook(_ arguments: String...) async throws -> CommandResult {
    try await daybook(arguments)
  }

  func daybook(_ arguments: [String]) async throws -> CommandResult {
    try await Program.run(executable, arguments, environment: environment, scratch: home)
  }

  /// Starts a command line, and does not wait for its end.
  func begin(_ arguments: String...) throws -> ChildProcess { try start(executable, arguments) }

  /// Starts another program.
  func start(_ program: String, _ arguments: String...) throws -> ChildProcess {
    try start(program, arguments)
  }

  private func start(_ program: String, _ arguments: [String]) throws -> ChildProcess {
    let nothing = try Descriptor.open("/dev/null", flags: O_RDWR)
    return try ChildProcess(
      Launch(executable: program, arguments: arguments, environment: environment),
      input: nothing, output: nothing, errors: nothing)
  }

  /// `body`, then `down` whatever happens.
  func thenDown(_ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch {
      print("The system's logs, \(error):\n\(HomeFolders.lastLogLines(home))")
      _ = try await daybook("down")
      throw error
    }
    let down = try await daybook("down")
    #expect(down.succeeded, "\(down.output)\(down.errors)")
  }

  private var environment: [String: String] {
    var environment = Program.cleanEnvironment
    environment["DAYBOOK_HOME"] = home
    environment["DAYBOOK_PORT"] = "0"
    environment["DAYBOOK_SANDBOX_PORT"] = "0"
    environment["DAYBOOK_DEMO"] = "no"
    environment["DAYBOOK_PUBLIC_URL"] = publicURL
    return environment
  }

  /// Nobody said that accounts may have things sent to this machine. Its simulated providers they may have.
  private func expectNoWayIn(_ url: String) async throws {
    let token = try String(contentsOfFile: home + "/operator.token", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let account = try await API(baseURL: url, token: token)
      .post("/api/operator/accounts", ["name": "Lakeside", "test": true])
    let api = API(baseURL: url, token: account["api_key"]?.string)
    let endpoint = try await api.send(
      "POST", "/api/webhook-endpoints", ["url": "http://127.0.0.1:9/hook", "types": ["*"]])
    #expect(endpoint.errorCode == "https_required")
    let sandbox = try #require(try await status()["sandbox_url"]?.string)
    for (base, code) in [(sandbox, nil), ("http://127.0.0.1:9", "https_required")] {
      let provider = try await api.send(
        "PUT", "/api/providers/email",
        [
          "provider": "sendgrid", "base_url": .string(base),
          "options": ["from": "hello@example.com"], "secrets": ["api_key": "SG.1"],
        ])
      #expect(provider.errorCode == code)
    }
  }

  func expectLifeOfASystem() async throws {
    let up = try await daybook("up", "--detach")
    #expect(up.succeeded, "\(up.output)\(up.errors)")
    let first = try await status()
    #expect(first["state"]?.string == "ready")
    #expect(Set(first.processNames) == ["postgres", "sandbox", "project", "serve"])

    let again = try await daybook("up", "--detach")
    #expect(again.exit == .code(1))
    #expect(again.errors.contains("already"), "\(again.errors)")

    let pids = first.pids
    for name in ["serve", "project", "sandbox"] {
      try send(SIGKILL, to: #require(pids[name]))
    }
    let second = try await eventually("what was killed to run again") {
      try await status()
    } until: { now in
      let areNew = ["serve", "project", "sandbox"].allSatisfy { name in
        now.pids[name].map { $0 != pids[name] } ?? false
      }
      return areNew && now["state"]?.string == "ready" && now.areAllReady
    }
    let url = try #require(second["base_url"]?.string)
    try await eventually("the API") {
      try await API(baseURL: url, token: nil).send("GET", "/readyz").status == 200
    }

    try await expectNoWayIn(url)

    let down = try await daybook("down")
    #expect(down.succeeded, "\(down.output)\(down.errors)")
    for pid in [Int32](second.pids.values) + [Int32](pids.values) {
      #expect(ProcessIdentity(pid: pid) == nil, "process \(pid) is left")
    }
    let last = try await daybook("status", "--json")
    #expect(last.exit == .code(1))
    #expect(try JSON(parsing: Array(last.output.utf8))["state"]?.string == "stopped")
    try await expectEndAfterAKill()
  }

  /// `up` is killed, and has written down nothing of what it has started.
  private func expectEndAfterAKill() async throws {
    let up = try await daybook("up", "--detach")
    #expect(up.succeeded, "\(up.output)\(up.errors)")
    let running = try await status()
    try send(SIGKILL, to: Int32(try #require(running["pid"]?.int)))
    try FileManager.default.removeItem(atPath: home + "/run/status.json")
    let down = try await daybook("down")
    #expect(down.succeeded, "\(down.output)\(down.errors)")
    for pid in running.pids.values {
      #expect(ProcessIdentity(pid: pid) == nil, "process \(pid) is left")
    }
    let compacted = try await daybook("log", "compact")
    #expect(compacted.succeeded, "\(compacted.errors)")
  }

  private func status() async throws -> JSON {
    try JSON(parsing: Array(try await daybook("status", "--json").output.utf8))
  }
}

extension JSON {
  var processNames: [String] {
    (self["processes"]?.array ?? []).compactMap { $0["name"]?.string }
  }

  /// Of the processes that `status --json` tells of.
  var pids: [String: Int32] {
    var pids: [String: Int32] = [:]
    for process in self["processes"]?.array ?? [] {
      guard let name = process["name"]?.string, let pid = process["pid"]?.int else { continue }
      pids[name] = Int32(pid)
    }
    return pids
  }

  var areAllReady: Bool {
    (self["processes"]?.array ?? []).allSatisfy { $0["state"]?.string == "ready" }
  }
}
