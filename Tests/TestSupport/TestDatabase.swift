import Foundation
import Glibc
import Postgres
import Synchronization

/// Calls `body` with the connection string of a new, empty database, and drops it after.
///
/// All tests of a run share one server: the one that `DAYBOOK_TEST_DATABASE_URL` names, or one that is
/// started for this process and ends with it. Roles belong to the server, not to a database: create
/// them so that a second test may do it too.
package func withTestDatabase<Result>(
  isolation: isolated (any Actor)? = #isolation,
  _ body: (_ connectionString: String) async throws -> Result
) async throws -> Result {
  let server = try TestServer.shared.get()
  let name = "test_\(getpid())_\(TestServer.nextNumber())"
  try TestServer.execute(
    "CREATE DATABASE \(name) TEMPLATE template0 STRATEGY file_copy", on: server)
  do {
    let result = try await body(try TestServer.connectionString(server, database: name))
    try TestServer.execute("DROP DATABASE \(name) WITH (FORCE)", on: server)
    return result
  } catch {
    // The test's own error says more than one of the cleaning up.
    try? TestServer.execute("DROP DATABASE \(name) WITH (FORCE)", on: server)
    throw error
  }
}

private enum TestServer {
  private static let numbers = Atomic(0)
  private static let directoryPrefix = "daybook-test-postgres-"

  static func nextNumber() -> Int { numbers.add(1, ordering: .relaxed).newValue }

  /// The connection string of the server's own database.
  static let shared: Result<String, any Error> = Result {
    if let url = ProcessInfo.processInfo.environment["DAYBOOK_TEST_DATABASE_URL"] { return url }
    removeLeftovers()
    let directory = "/tmp/\(directoryPrefix)\(getpid())"
    var options = PostgresCluster.Options()
    options.durability = .unsafeForTests
    options.lifetime = .thisProcess
    options.maxConnections = 400
    let cluster = try PostgresCluster.start(in: directory, options: options)
    atexit { TestServer.removeOwn() }
    return cluster.connectionString()
  }

  static func connectionString(_ server: String, database: String) throws -> String {
    var settings = try PostgresConnectionString(server)
    settings["dbname"] = database
    return settings.text
  }

  static func execute(_ sql: String, on server: String) throws {
    try PostgresConnection(server).execute(sql)
  }

  /// The server itself ends with the process; its files are of no use to anybody.
  private static func removeOwn() {
    let directory = "/tmp/\(directoryPrefix)\(getpid())"
    if let text = try? String(contentsOfFile: directory + "/data/postmaster.pid", encoding: .utf8),
      let processID = text.split(separator: "\n").first.flatMap({ Int32($0) })
    {
      kill(processID, SIGQUIT)
      // It ends within milliseconds; while it lives it writes into what is removed here.
      let deadline = Date(timeIntervalSinceNow: 5)
      while kill(processID, 0) == 0 && Date() < deadline { usleep(5000) }
    }
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// What a test process that was killed has left.
  private static func removeLeftovers() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? []
    for name in names where name.hasPrefix(directoryPrefix) {
      guard let owner = Int32(name.dropFirst(directoryPrefix.count)), owner != getpid() else {
        continue
      }
      if kill(owner, 0) != 0 && errno == ESRCH {
        try? FileManager.default.removeItem(atPath: "/tmp/\(name)")
      }
    }
  }
}
