internal import Foundation

/// Makes and starts a cluster in a directory that is ours alone while we do (see `FileLock`).
struct ClusterStarter {
  let directory: String
  let account: UnprivilegedAccount
  let installation: PostgresInstallation
  let options: PostgresCluster.Options

  var dataDirectory: String { directory + "/data" }
  private var logPath: String { directory + "/postgres.log" }
  private var setupLogPath: String { directory + "/setup.log" }

  /// What a start may take: a crash recovery replays up to `max_wal_size`.
  private static let startSeconds = 60.0
  /// A log beyond this is begun anew at the next start.
  private static let logByteLimit = 16 << 20
  /// A unix socket's path ends within 107 bytes (unix(7)); `/.s.PGSQL.65535` takes 15 of them.
  private static let socketDirectoryByteLimit = 90

  init(
    directory: String, account: UnprivilegedAccount, options: PostgresCluster.Options
  ) throws(PostgresClusterError) {
    self.directory = directory
    self.account = account
    self.options = options
    installation = try PostgresInstallation.find(forDataIn: directory + "/data")
  }

  func start() throws(PostgresClusterError) -> RunningServer {
    try makeDataDirectory()
    try waitForLeftovers()
    let socketDirectory = try makeSocketDirectory()
    let port = try port()
    // Postgres removes what a killed server left, except where its process number has been given to somebody else. No process
    // works in the data directory here, so all of it is stale.
    for path in [dataDirectory + "/postmaster.pid", "\(socketDirectory)/.s.PGSQL.\(port).lock"] {
      try remove(path)
    }
    try writeConfiguration(port: port, socketDirectory: socketDirectory)
    try shortenLog()
    switch options.lifetime {
    case .untilStopped:
      try installation.run(
        "pg_ctl",
        ["start", "-D", dataDirectory, "-l", logPath, "-w", "-t", "\(Int(Self.startSeconds))"],
        as: account, logPath: setupLogPath)
    case .thisProcess:
      try startAsChild()
    }
    let server = RunningServer(
      processID: 0, port: port, socketDirectory: socketDirectory)
    try waitUntilReady(server)
    guard let running = RunningServer(dataDirectory: dataDirectory) else { throw notReady() }
    return running
  }

  /// Of a server for this process the port is but the name of its socket, which nobody else has in this folder: the same at
  /// every start, because processes that know the address outlive the server.
  private func port() throws(PostgresClusterError) -> Int {
    switch options.lifetime {
    case .thisProcess: options.preferredPort
    case .untilStopped: try LoopbackPort.firstFree(from: options.preferredPort)
    }
  }

  func waitUntilReady(_ server: RunningServer) throws(PostgresClusterError) {
    let connectionString = clusterConnectionString(
      socketDirectory: server.socketDirectory, port: server.port, database: "postgres",
      user: PostgresCluster.superuser)
    let deadline = Date(timeIntervalSinceNow: Self.startSeconds)
    while !isAcceptingConnections(connectionString) {
      guard Date() < deadline else { throw notReady() }
      Thread.sleep(forTimeInterval: 0.02)
    }
  }

  /// Waits for a server that runs already. False where it ends instead: whoever ran it was killed, and
  /// it was on its way down.
  func isReadyBeforeItEnds(_ server: RunningServer) throws(PostgresClusterError) -> Bool {
    let connectionString = clusterConnectionString(
      socketDirectory: server.socketDirectory, port: server.port, database: "postgres",
      user: PostgresCluster.superuser)
    let deadline = Date(timeIntervalSinceNow: Self.startSeconds)
    while !isAcceptingConnections(connectionString) {
      guard RunningServer(dataDirectory: dataDirectory)?.processID == server.processID else {
        return false
      }
      guard Date() < deadline else { throw notReady() }
      Thread.sleep(forTimeInterval: 0.02)
    }
    return true
  }

  private func notReady() -> PostgresClusterError {
    .notReady(logPath: logPath, lastLine: lastLine(of: logPath))
  }

  /// initdb into a directory beside, then one rename: half a cluster is never taken for a whole one.
  private func makeDataDirectory() throws(PostgresClusterError) {
    guard !FileManager.default.fileExists(atPath: dataDirectory + "/PG_VERSION") else { return }
    let unfinished = directory + "/data.unfinished"
    try onFile(unfinished) {
      if FileManager.default.fileExists(atPath: unfinished) {
        try FileManager.default.removeItem(atPath: unfinished)
      }
    }
    try installation.run(
      "initdb",
      [
        "--pgdata", unfinished, "--username", PostgresCluster.superuser, "--encoding", "UTF8",
        "--locale", "C.UTF-8", "--auth-local", "trust", "--auth-host", "scram-sha-256",
      ] + (options.durability == .unsafeForTests ? ["--no-sync"] : []),
      as: account, logPath: setupLogPath)
    try onFile(dataDirectory) {
      if FileManager.default.fileExists(atPath: dataDirectory) {
        try FileManager.default.removeItem(atPath: dataDirectory)
      }
      try FileManager.default.moveItem(atPath: unfinished, toPath: dataDirectory)
    }
  }

  /// The children of a server that was killed see it and end; until then a new one must not start.
  private func waitForLeftovers() throws(PostgresClusterError) {
    let deadline = Date(timeIntervalSinceNow: 10)
    while !RunningServer.processIDs(workingIn: dataDirectory).isEmpty {
      guard Date() < deadline else { throw notReady() }
      Thread.sleep(forTimeInterval: 0.05)
    }
  }

  private func remove(_ path: String) throws(PostgresClusterError) {
    try onFile(path) {
      if FileManager.default.fileExists(atPath: path) {
        try FileManager.default.removeItem(atPath: path)
      }
    }
  }

  /// No other cluster's: its sockets may have the same names.
  private func makeSocketDirectory() throws(PostgresClusterError) -> String {
    var path = directory + "/socket"
    if path.utf8.count > Self.socketDirectoryByteLimit {
      path = "/tmp/daybook-socket-\(account.userID)-\(fileNumbers(of: dataDirectory))"
    }
    try account.makeDirectory(path)
    return path
  }

  /// That of its file system, and its own there.
  private func fileNumbers(of path: String) -> String {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    let numbers = [FileAttributeKey.systemNumber, .systemFileNumber].map {
      attributes?[$0] as? Int ?? 0
    }
    return numbers.map(String.init).joined(separator: "-")
  }

  private func writeConfiguration(
    port: Int, socketDirectory: String
  ) throws(PostgresClusterError) {
    let path = dataDirectory + "/postgresql.conf"
    let isDurable = options.durability == .durable
    let text = """
      # Written at every start. What is not here has the server's default.
      port = \(port)
      listen_addresses = '\(options.lifetime == .thisProcess ? "" : "127.0.0.1")'
      unix_socket_directories = '\(socketDirectory.replacing("'", with: "''"))'
      unix_socket_permissions = 0700
      max_connections = \(options.maxConnections)
      fsync = \(isDurable ? "on" : "off")
      full_page_writes = \(isDurable ? "on" : "off")
      # One server: no replication, so a COPY into a new table needs no log.
      wal_level = minimal
      max_wal_senders = 0
      max_wal_size = 2GB
      checkpoint_timeout = 15min
      shared_buffers = \(isDurable ? "256MB" : "64MB")
      work_mem = 16MB
      maintenance_work_mem = 128MB
      jit = off
      dynamic_shared_memory_type = posix
      timezone = 'UTC'
      log_timezone = 'UTC'
      # DETAIL and statements hold rows and values: personal data, which no log may hold.
      log_error_verbosity = terse
      log_min_error_statement = panic
      log_checkpoints = off
      lc_messages = 'C'

      """
    try onFile(path) { try text.write(toFile: path, atomically: true, encoding: .utf8) }
    try account.own(path)
  }

  private func shortenLog() throws(PostgresClusterError) {
    try onFile(logPath) {
      let attributes = try? FileManager.default.attributesOfItem(atPath: logPath)
      if let size = attributes?[.size] as? Int, size > Self.logByteLimit {
        try FileManager.default.removeItem(atPath: logPath)
      }
      if !FileManager.default.fileExists(atPath: logPath) {
        try Data().write(to: URL(filePath: logPath))
      }
    }
    try account.own(logPath)
  }

  /// Runs the server as a child that the kernel ends together with the thread that made it, and keeps
  /// that thread for as long as this process lives. Source: prctl(2), PR_SET_PDEATHSIG.
  private func startAsChild() throws(PostgresClusterError) {
    let command = account.command(
      [installation.program("postgres"), "-D", dataDirectory], parentDeathSignal: "INT")
    let logPath = logPath
    let thread = Thread {
      // A failure to start shows as a server that is not ready, with the log's last line.
      _ = try? Program.run(command, logPath: logPath)
    }
    thread.name = "postgres-server"
    thread.start()
  }
}

func onFile<Result>(
  _ path: String, _ body: () throws -> Result
) throws(PostgresClusterError) -> Result {
  do {
    return try body()
  } catch {
    throw .file(path: path, reason: (error as NSError).localizedDescription)
  }
}

/// The last line of a log, for an error message.
func lastLine(of path: String) -> String {
  let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  return text.split(separator: "\n").last.map(String.init) ?? "(nothing)"
}
