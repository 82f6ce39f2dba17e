import Foundation
import Postgres
import Testing

/// A directory that the cluster's user can reach, removed after `body` together with the server.
private func withClusterDirectory(_ body: (String) throws -> Void) throws {
  let directory = "/tmp/daybook-cluster-\(getpid())-\(UInt32.random(in: 0 ... .max))"
  defer {
    try? PostgresCluster.running(in: directory)?.stopImmediately()
    try? FileManager.default.removeItem(atPath: directory)
  }
  try body(directory)
}

private func quick(_ preferredPort: Int = 55_320) -> PostgresCluster.Options {
  var options = PostgresCluster.Options()
  options.durability = .unsafeForTests
  options.preferredPort = preferredPort
  return options
}

private func isAlive(_ processID: Int32) -> Bool { kill(processID, 0) == 0 }

private func waitUntilGone(_ processID: Int32) {
  let deadline = Date(timeIntervalSinceNow: 20)
  while isAlive(processID) && Date() < deadline { usleep(10_000) }
  #expect(!isAlive(processID))
}

@Suite(.serialized) struct PostgresClusterTests {
  @Test func `a cluster is made, adopted while it runs, stopped, and goes on where it was`() throws
  {
    try withClusterDirectory { directory in
      let first = try PostgresCluster.start(in: directory, options: quick())
      #expect(!first.wasAdopted)
      #expect(first.isRunning)
      let connection = try PostgresConnection(first.connectionString())
      #expect(connection.serverVersion >= 150_000)
      try connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")

      let second = try PostgresCluster.start(in: directory, options: quick())
      #expect(second.wasAdopted)
      #expect(second.processID == first.processID)
      #expect(second.connectionString() == first.connectionString())

      #expect(try PostgresCluster.running(in: directory)?.processID == first.processID)
      try second.stop()
      #expect(!first.isRunning)
      #expect(try PostgresCluster.running(in: directory) == nil)
      try second.stop()

      let third = try PostgresCluster.start(in: directory, options: quick())
      #expect(!third.wasAdopted)
      let kept = try PostgresConnection(third.connectionString()).query("SELECT n FROM kept")
      #expect(try kept[0].int64("n") == 7)
    }
  }

  @Test func `it does not run as root, and lets nobody in over the network without a password`()
    throws
  {
    try withClusterDirectory { directory in
      var options = quick()
      options.durability = .durable
      let cluster = try PostgresCluster.start(in: directory, options: options)
      let status = try String(contentsOfFile: "/proc/\(cluster.processID)/status", encoding: .utf8)
      let user = try #require(status.split(separator: "\n").first { $0.hasPrefix("Uid:") })
      #expect(user.split(separator: "\t").dropFirst().allSatisfy { $0 != "0" })
      let connection = try PostgresConnection(cluster.connectionString())
      #expect(try connection.query("SHOW listen_addresses")[0].text(0) == "127.0.0.1")
      #expect(try connection.query("SHOW fsync")[0].text(0) == "on")
      #expect(
        postgresError {
          _ = try PostgresConnection(
            "host=127.0.0.1 port=\(cluster.port) user=\(PostgresCluster.superuser) dbname=postgres")
        }?.code == "postgres_unavailable")
    }
  }

  @Test func `a server on its way down is waited for and replaced`() throws {
    try withClusterDirectory { directory in
      let first = try PostgresCluster.start(in: directory, options: quick())
      let session = try PostgresConnection(first.connectionString())
      // No new sessions, and the end once the last one has gone; SIGINT does not wait for that.
      kill(first.processID, SIGTERM)
      Thread.detachNewThread { [processID = first.processID] in
        usleep(300_000)
        kill(processID, SIGINT)
      }
      let second = try PostgresCluster.start(in: directory, options: quick())
      #expect(!second.wasAdopted)
      #expect(second.processID != first.processID)
      withExtendedLifetime(session) {}
    }
  }

  @Test func `a killed server recovers, also where its process number went to another`() throws {
    try withClusterDirectory { directory in
      let first = try PostgresCluster.start(in: directory, options: quick())
      let connection = try PostgresConnection(first.connectionString())
      try connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
      kill(first.processID, SIGKILL)
      waitUntilGone(first.processID)

      let second = try PostgresCluster.start(in: directory, options: quick())
      #expect(!second.wasAdopted)
      let kept = try PostgresConnection(second.connectionString()).query("SELECT n FROM kept")
      #expect(try kept[0].int64("n") == 7)

      // The same file, but its first line names a process that is alive and no Postgres: ourselves.
      let path = directory + "/data/postmaster.pid"
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      try second.stopImmediately()
      let stale = (["\(getpid())"] + lines.dropFirst().map(String.init)).joined(separator: "\n")
      try (stale + "\n").write(toFile: path, atomically: true, encoding: .utf8)
      let third = try PostgresCluster.start(in: directory, options: quick())
      #expect(!third.wasAdopted)
      #expect(third.isRunning)
    }
  }

  @Test func `what a start that was cut short has left is put right`() throws {
    try withClusterDirectory { directory in
      let half = directory + "/data.unfinished"
      try FileManager.default.createDirectory(atPath: half, withIntermediateDirectories: true)
      try "15\n".write(toFile: half + "/PG_VERSION", atomically: true, encoding: .utf8)
      let cluster = try PostgresCluster.start(in: directory, options: quick())
      #expect(cluster.isRunning)
      #expect(!FileManager.default.fileExists(atPath: half))
    }
  }

  @Test func `two that start at once get one server, and a port in use is passed over`()
    async throws
  {
    let directory = "/tmp/daybook-cluster-\(getpid())-both"
    async let one = Task.detached { try PostgresCluster.start(in: directory, options: quick()) }
      .value
    async let two = Task.detached { try PostgresCluster.start(in: directory, options: quick()) }
      .value
    let (first, second) = (try await one, try await two)
    #expect(first.processID == second.processID)
    #expect([first.wasAdopted, second.wasAdopted].filter { $0 }.count == 1)
    try first.stopImmediately()
    try FileManager.default.removeItem(atPath: directory)

    try withClusterDirectory { directory in
      let holder = try PostgresCluster.start(in: directory, options: quick(56_420))
      try withClusterDirectory { other in
        let cluster = try PostgresCluster.start(in: other, options: quick(holder.port))
        #expect(cluster.port > holder.port)
        #expect(cluster.isRunning)
      }
    }
  }

  @Test func `a server for this process has one address, whoever listens on its port`() throws {
    try withClusterDirectory { directory in
      let stranger = try PostgresCluster.start(in: directory, options: quick(56_520))
      try withClusterDirectory { own in
        var options = quick(stranger.port)
        options.lifetime = .thisProcess
        let first = try PostgresCluster.start(in: own, options: options)
        let connection = try PostgresConnection(first.connectionString())
        try connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        kill(first.processID, SIGKILL)
        waitUntilGone(first.processID)

        try stranger.stop()
        let second = try PostgresCluster.start(in: own, options: options)
        #expect(!second.wasAdopted)
        #expect(second.connectionString() == first.connectionString())
        kill(second.processID, SIGKILL)
        waitUntilGone(second.processID)

        // The killed server left its socket's lock; its process number went to another of the same user.
        let another = try PostgresCluster.start(in: directory, options: quick(56_520))
        try "\(another.processID)\n".write(
          toFile: "\(first.socketDirectory)/.s.PGSQL.\(first.port).lock", atomically: false,
          encoding: .utf8)
        let third = try PostgresCluster.start(in: own, options: options)
        let kept = try PostgresConnection(first.connectionString()).query("SELECT n FROM kept")
        #expect(try kept[0].int64("n") == 7)
        try third.stop()
      }
    }
  }

  @Test(
    .enabled(if: geteuid() == 0, "only root can make a directory that its Postgres cannot reach"))
  func `a directory out of the user's reach gets a place elsewhere, anew for a new directory`()
    throws
  {
    let closed = "/tmp/daybook-closed-\(getpid())"
    try FileManager.default.createDirectory(
      atPath: closed, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let place = "/var/lib/daybook/tmp-daybook-closed-\(getpid())-postgres"
    defer {
      for path in [closed, place, place + ".previous"] {
        try? FileManager.default.removeItem(atPath: path)
      }
    }
    let directory = closed + "/postgres"
    let first = try PostgresCluster.start(in: directory, options: quick())
    #expect(first.directory == place)
    try PostgresConnection(first.connectionString()).execute("CREATE TABLE old (n int)")
    let again = try PostgresCluster.start(in: directory, options: quick())
    #expect(again.wasAdopted)
    try first.stopImmediately()

    try FileManager.default.removeItem(atPath: directory)
    let second = try PostgresCluster.start(in: directory, options: quick())
    let tables = try PostgresConnection(second.connectionString())
      .query("SELECT 1 FROM pg_tables WHERE tablename = 'old'")
    #expect(tables.isEmpty)
    try second.stopImmediately()
  }

  @Test func `a server for this process ends with it, however it ends`() async throws {
    let directory = "/tmp/daybook-cluster-\(getpid())-tied"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    await #expect(processExitsWith: .signal(SIGKILL)) { [directory = directory as String] in
      var options = PostgresCluster.Options()
      options.durability = .unsafeForTests
      options.lifetime = .thisProcess
      let cluster = try PostgresCluster.start(in: directory, options: options)
      try "\(cluster.processID)".write(
        toFile: directory + "/pid", atomically: true, encoding: .utf8)
      kill(getpid(), SIGKILL)
    }
    let text = try String(contentsOfFile: directory + "/pid", encoding: .utf8)
    waitUntilGone(try #require(Int32(text)))
  }
}
