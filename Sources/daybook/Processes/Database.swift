import CLI
import Postgres

/// Calls `body` with the connection string of the database that the settings name, or of our own: the
/// one that runs in the home, else one that is started for as long as this takes.
func withDatabase<Result>(
  _ settings: Settings, _ body: (String) async throws -> Result
) async throws -> Result {
  if let url = settings.databaseURL { return try await body(url) }
  var options = PostgresCluster.Options()
  options.lifetime = .thisProcess
  let cluster = try PostgresCluster.start(in: settings.home.postgres, options: options)
  guard !cluster.wasAdopted else { return try await body(cluster.connectionString()) }
  do {
    let result = try await body(cluster.connectionString())
    try cluster.stop()
    return result
  } catch {
    // The command's own error says more than one of the cleaning up; the server ends with us anyway.
    try? cluster.stop()
    throw error
  }
}
