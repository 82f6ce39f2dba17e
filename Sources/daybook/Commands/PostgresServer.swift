import CLI
import JSON
import Postgres
import Supervisor

let postgresCommand = Command(
  "postgres", "run the database of our own",
  details: "Part of 'daybook up'. The server ends together with this process, however that ends.",
  options: [supervisedOption], isLongRunning: true, isInternal: true
) { invocation in
  try await runService("postgres", invocation) { context in
    var options = PostgresCluster.Options()
    options.lifetime = .thisProcess
    let cluster = try PostgresCluster.start(
      in: context.settings.home.postgres, options: options)
    let watch = Task { try await failWhenGone(cluster, context) }
    return Service(details: ["url": .string(cluster.connectionString())]) {
      watch.cancel()
      try cluster.stop()
    }
  }
}

/// The server is a child of this process and not its thread: it may end alone.
private func failWhenGone(_ cluster: PostgresCluster, _ context: ServiceContext) async throws {
  while ProcessIdentity(pid: cluster.processID) != nil {
    try await Task.sleep(for: .milliseconds(500))
  }
  context.fail(CommandError.databaseEnded(logPath: cluster.directory + "/postgres.log"))
}
