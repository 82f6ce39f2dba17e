internal import Foundation

/// A Postgres server of our own, for development and for tests.
///
///     let cluster = try PostgresCluster.start(in: "var/postgres")
///     let connection = try PostgresConnection(cluster.connectionString())
///
/// It listens on a unix socket within its directory and, unless it is for this process alone, on
/// loopback with passwords. It never runs as root. Layout of the directory: `data/` the cluster, `socket/`, `postgres.log`, `setup.log`, `lock`.
package final class PostgresCluster: Sendable {
  package enum Durability: Sendable {
    /// Commits are flushed to disk.
    case durable
    /// Nothing is flushed: fast, and worthless after a power loss.
    case unsafeForTests
  }

  package enum Lifetime: Sendable {
    /// Runs on when this process ends; the next `start` adopts it.
    case untilStopped
    /// Ends with this process, however that ends.
    case thisProcess
  }

  package struct Options: Sendable {
    package var durability = Durability.durable
    package var lifetime = Lifetime.untilStopped
    /// The port to try first; the next free one is taken where it is in use. For `.thisProcess` it is the port in any case:
    /// nothing listens there.
    package var preferredPort = 54_320
    package var maxConnections = 100

    package init() {}
  }

  /// The superuser that owns the cluster.
  package static let superuser = "daybook"

  package let directory: String
  package let port: Int
  package let socketDirectory: String
  /// Whether the server was running already.
  package let wasAdopted: Bool
  /// The system user that it runs as, where that is another than ours.
  package let systemUserName: String?
  package let processID: Int32
  private let installation: PostgresInstallation
  private let account: UnprivilegedAccount

  fileprivate init(
    starter: ClusterStarter, running: RunningServer, wasAdopted: Bool
  ) {
    directory = starter.directory
    port = running.port
    socketDirectory = running.socketDirectory
    processID = running.processID
    self.wasAdopted = wasAdopted
    systemUserName = starter.account.switchesUser ? starter.account.name : nil
    installation = starter.installation
    account = starter.account
  }

  /// Starts the cluster in `directory`, making it where there is none, and waits until it accepts
  /// connections. One that runs there already is adopted; what a crash left behind is put right.
  ///
  /// Where we are root and the unprivileged user cannot reach `directory` (it is under /root), the
  /// files lie under /var/lib/daybook instead, and `directory`/location says where.
  ///
  /// Blocks: a new cluster takes about two seconds, recovery after a crash as long as its log.
  package static func start(
    in directory: String, options: Options = Options()
  ) throws(PostgresClusterError) -> PostgresCluster {
    let account = try UnprivilegedAccount.current()
    let place = try ClusterPlace.resolve(directory, account: account)
    let lock = try FileLock(path: place + "/lock")
    defer { lock.unlock() }
    let starter = try ClusterStarter(directory: place, account: account, options: options)
    if let running = RunningServer(dataDirectory: starter.dataDirectory),
      try starter.isReadyBeforeItEnds(running)
    {
      return PostgresCluster(starter: starter, running: running, wasAdopted: true)
    }
    let running = try starter.start()
    return PostgresCluster(starter: starter, running: running, wasAdopted: false)
  }

  /// The cluster in `directory` where it runs now, else nil. Starts and makes nothing.
  package static func running(
    in directory: String
  ) throws(PostgresClusterError) -> PostgresCluster? {
    guard let place = ClusterPlace.existing(directory),
      let running = RunningServer(dataDirectory: place + "/data")
    else { return nil }
    let starter = try ClusterStarter(
      directory: place, account: try UnprivilegedAccount.current(), options: Options())
    return PostgresCluster(starter: starter, running: running, wasAdopted: true)
  }

  /// How to connect as the superuser, or as another role, over the unix socket.
  package func connectionString(
    database: String = "postgres", user: String = PostgresCluster.superuser
  ) -> String {
    clusterConnectionString(
      socketDirectory: socketDirectory, port: port, database: database, user: user)
  }

  package var isRunning: Bool {
    RunningServer(dataDirectory: directory + "/data") != nil
  }

  /// Ends it: open transactions are undone, sessions closed, everything flushed. Returns when the
  /// server has gone; does nothing where it is not running.
  package func stop() throws(PostgresClusterError) {
    try stop(mode: "fast")
  }

  /// Ends it without flushing: the next start recovers from the log. For tests.
  package func stopImmediately() throws(PostgresClusterError) {
    try stop(mode: "immediate")
  }

  private func stop(mode: String) throws(PostgresClusterError) {
    guard isRunning else { return }
    try installation.run(
      "pg_ctl", ["stop", "-D", directory + "/data", "-m", mode, "-w", "-t", "60"], as: account,
      logPath: directory + "/setup.log")
  }
}

/// Why the cluster is not running. Names paths and programs.
package enum PostgresClusterError: Error, Equatable, CustomStringConvertible {
  case notInstalled
  /// The cluster was made by a version that is not installed.
  case versionMissing(major: Int)
  /// We are root, Postgres refuses to be, and no other user could be found or made.
  case noUnprivilegedUser
  case notReachable(path: String, user: String)
  case file(path: String, reason: String)
  case programFailed(name: String, status: Int32, lastLine: String)
  case notReady(logPath: String, lastLine: String)
  case noFreePort

  package var code: String {
    switch self {
    case .notInstalled: "postgres_not_installed"
    case .versionMissing: "postgres_version_missing"
    case .noUnprivilegedUser: "postgres_no_user"
    case .notReachable: "postgres_directory_not_reachable"
    case .file: "postgres_directory_unusable"
    case .programFailed: "postgres_program_failed"
    case .notReady: "postgres_not_ready"
    case .noFreePort: "postgres_no_free_port"
    }
  }

  package var isRetryable: Bool {
    switch self {
    case .notReady, .noFreePort: true
    case .notInstalled, .versionMissing, .noUnprivilegedUser, .notReachable, .file, .programFailed:
      false
    }
  }

  package var description: String {
    switch self {
    case .notInstalled:
      "\(code): no PostgreSQL 15 or later under /usr/lib/postgresql; install postgresql-15"
    case .versionMissing(let major):
      "\(code): the cluster was made by PostgreSQL \(major), which is not installed"
    case .noUnprivilegedUser:
      "\(code): Postgres does not run as root; add a system user named daybook"
    case .notReachable(let path, let user):
      "\(code): the user \(user) cannot reach \(path); use a directory that others may enter"
    case .file(let path, let reason): "\(code): \(path): \(reason)"
    case .programFailed(let name, let status, let lastLine):
      "\(code): \(name) ended with \(status): \(lastLine)"
    case .notReady(let logPath, let lastLine):
      "\(code): it does not accept connections; \(logPath) ends with: \(lastLine)"
    case .noFreePort: "\(code): no free port was found"
    }
  }
}

func clusterConnectionString(
  socketDirectory: String, port: Int, database: String, user: String
) -> String {
  let quotedDirectory = socketDirectory.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
  return "host='\(quotedDirectory)' port=\(port) dbname=\(database) user=\(user)"
}

/// What `data/postmaster.pid` says, where the process that it names is alive and ours.
///
/// Lines: process, data directory, start time, port, socket directory, address, … Source: miscadmin.h,
/// LOCK_FILE_LINE_*.
struct RunningServer {
  let processID: Int32
  let port: Int
  let socketDirectory: String

  init(processID: Int32, port: Int, socketDirectory: String) {
    self.processID = processID
    self.port = port
    self.socketDirectory = socketDirectory
  }

  init?(dataDirectory: String) {
    guard let text = try? String(contentsOfFile: dataDirectory + "/postmaster.pid", encoding: .utf8)
    else { return nil }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 5, let processID = Int32(lines[0]), let port = Int(lines[3]) else {
      return nil
    }
    // A number may have been given to another process since: a server's working directory is its
    // data directory.
    guard Self.processIDs(workingIn: dataDirectory).contains(processID) else { return nil }
    self.init(processID: processID, port: port, socketDirectory: String(lines[4]))
  }

  /// All processes that work in `directory`: the server and its children.
  static func processIDs(workingIn directory: String) -> [Int32] {
    let target = URL(filePath: directory).resolvingSymlinksInPath().path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.filter { processID in
      // A process that ends while we look has no working directory any more.
      let link = try? FileManager.default.destinationOfSymbolicLink(
        atPath: "/proc/\(processID)/cwd")
      return link == target
    }
  }
}
