import Foundation
import Glibc
import HTTP
import JSON
import Supervisor
import TestSupport

/// A whole Daybook in a home of its own: `sandbox`, `project` and `serve` as real processes.
///
///     try await withSystem { system in
///       let account = try await system.newAccount("Lakeside")
///       try await system.kill("serve")
///       try await system.start("serve")
///     }
actor RunningSystem {
  nonisolated let home: String
  nonisolated let baseURL: String
  nonisolated let sandbox: API
  private let apiPort: Int
  private let sandboxPort: Int
  private let executable: String
  /// nil until the cluster of our own has said where it is.
  private var databaseURL: String?
  private let ownsDatabase: Bool
  private var processes: [String: ServiceProcess] = [:]
  private var accountCount = 0

  /// `databaseURL` nil: `daybook postgres` runs a cluster in the home.
  fileprivate init(databaseURL: String?) throws {
    executable = try Program.executable()
    home = try HomeFolders.make()
    apiPort = try Port.free(address: "127.0.0.1")
    sandboxPort = try Port.free(address: "127.0.0.1")
    baseURL = "http://127.0.0.1:\(apiPort)"
    sandbox = API(baseURL: "http://127.0.0.1:\(sandboxPort)", token: nil)
    self.databaseURL = databaseURL
    ownsDatabase = databaseURL == nil
  }

  // MARK: Processes

  fileprivate func startAll() async throws {
    if ownsDatabase { try await start("postgres") }
    try launch("sandbox")
    try launch("project")
    try launch("serve")
    for name in ["sandbox", "project", "serve"] { try await waitUntilReady(name) }
    // The projector makes its tables after it has started: until then reads answer 503.
    let api = API(baseURL: baseURL, token: nil)
    try await eventually("the read models") {
      try await api.get("/readyz")
    } until: {
      $0["status"]?.string == "ok"
    }
  }

  /// Returns once the process serves.
  func start(_ name: String, _ arguments: String...) async throws {
    try launch(name, arguments)
    try await waitUntilReady(name)
  }

  /// `serve` as it is run where strangers come.
  func startForStrangers(_ arguments: String...) async throws {
    try launch("serve", arguments, forStrangers: true)
    try await waitUntilReady("serve")
  }

  private func launch(
    _ name: String, _ arguments: [String] = [], forStrangers: Bool = false
  ) throws {
    guard processes[name] == nil else { throw HarnessError("\(name) runs already") }
    // A subscriber of these tests is on loopback.
    let extra = name == "serve" && !forStrangers ? ["--allow-private-webhooks"] : []
    processes[name] = try ServiceProcess(
      name, executable: executable, arguments: extra + arguments, environment: environment,
      errorsPath: "\(home)/logs/\(name).err")
  }

  private func waitUntilReady(_ name: String) async throws {
    let details = try await running(name).waitUntilReady()
    if name == "postgres" {
      guard let url = details["url"]?.string else { throw HarnessError("postgres has no url") }
      databaseURL = url
    }
  }

  /// `kill -9`.
  func kill(_ name: String) async throws {
    let process = try running(name)
    processes[name] = nil
    try await process.kill()
  }

  func stop(_ name: String) async throws {
    let process = try running(name)
    processes[name] = nil
    let exit = try await process.stop()
    guard exit == .code(0) else { throw HarnessError("\(name) did not stop in order: \(exit)") }
  }

  /// `kill -9` and at once a new start.
  func crash(_ name: String) async throws {
    try await kill(name)
    try await start(name)
  }

  func suspend(_ name: String) throws { try running(name).suspend() }

  func resume(_ name: String) throws { try running(name).resume() }

  private func running(_ name: String) throws -> ServiceProcess {
    guard let process = processes[name] else { throw HarnessError("\(name) does not run") }
    return process
  }

  /// What every process and command is told, as a shell would.
  private var environment: [String: String] {
    var environment = Program.cleanEnvironment
    environment["DAYBOOK_HOME"] = home
    environment["DAYBOOK_PORT"] = String(apiPort)
    environment["DAYBOOK_SANDBOX_PORT"] = String(sandboxPort)
    environment["DATABASE_URL"] = databaseURL
    return environment
  }

  /// Where the read models are.
  var database: String { databaseURL ?? "" }

  /// Runs `daybook` with these words, and waits for its end.
  func daybook(_ arguments: String...) async throws -> CommandResult {
    try await daybook(arguments)
  }

  func daybook(_ arguments: [String]) async throws -> CommandResult {
    try await Program.run(executable, arguments, environment: environment, scratch: home)
  }

  // MARK: End

  fileprivate func stopAll() async throws {
    // Whoever depends on another first.
    for name in ["serve", "project", "sandbox", "postgres"] {
      guard let process = processes.removeValue(forKey: name) else { continue }
      try process.resume()
      try await process.stop()
    }
  }

  /// A number for each account of this system, from 1.
  func nextAccountNumber() -> Int {
    accountCount += 1
    return accountCount
  }
}

/// Where the read models of a system are.
enum DatabaseChoice {
  /// A database of its own on the server that all tests share.
  case shared
  /// A server of its own, which the test may stop.
  case own
}

/// Starts a system, and takes it down whatever happens. Where the test fails, the processes' last log
/// lines are printed.
func withSystem(
  database: DatabaseChoice = .shared, isolation: isolated (any Actor)? = #isolation,
  _ body: (RunningSystem) async throws -> Void
) async throws {
  switch database {
  case .own:
    try await run(try RunningSystem(databaseURL: nil), body)
  case .shared:
    try await withTestDatabase { url in
      try await run(try RunningSystem(databaseURL: url), body)
    }
  }
}

private func run(
  _ system: RunningSystem, isolation: isolated (any Actor)? = #isolation,
  _ body: (RunningSystem) async throws -> Void
) async throws {
  defer { HomeFolders.remove(system.home) }
  do {
    try await system.startAll()
    try await body(system)
  } catch {
    print("The system's logs, \(error):\n\(HomeFolders.lastLogLines(system.home))")
    // The test's own error says more than one of the cleaning up.
    try? await system.stopAll()
    throw error
  }
  try await system.stopAll()
}

/// Temporary homes, named after their test process, so that those of a killed one can be found.
enum HomeFolders {
  private static let prefix = "daybook-e2e-"

  static func make() throws -> String {
    removeLeftovers()
    let path = "/tmp/\(prefix)\(getpid())-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(
      atPath: path + "/logs", withIntermediateDirectories: true)
    return path
  }

  static func remove(_ path: String) {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      print("\(path) is left behind: \(error)")
    }
  }

  static func lastLogLines(_ home: String) -> String {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: home + "/logs")) ?? []
    return names.sorted().map { name in
      let text = (try? String(contentsOfFile: "\(home)/logs/\(name)", encoding: .utf8)) ?? ""
      let lines = text.split(separator: "\n").suffix(12)
      return (["== \(name)"] + lines.map(String.init)).joined(separator: "\n")
    }
    .joined(separator: "\n")
  }

  private static func removeLeftovers() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? []
    for name in names where name.hasPrefix(prefix) {
      let owner = name.dropFirst(prefix.count).prefix { $0 != "-" }
      guard let pid = Int32(owner), pid > 1, Glibc.kill(pid, 0) != 0, errno == ESRCH else {
        continue
      }
      remove("/tmp/\(name)")
    }
  }
}
