import CLI
import EventLog
import Foundation
import JSON
import Logging
import ProjectionRuntime
import ReadModels

let projectCommand = Command(
  "project", "keep the read models up with the log",
  details: "Part of 'daybook up'. Needs a database: DATABASE_URL, or the one that 'up' runs.",
  options: [supervisedOption], isLongRunning: true
) { invocation in
  try await runService("project", invocation) { context in
    guard let databaseURL = context.settings.databaseURL else {
      throw UsageError("DATABASE_URL is missing: where are the read models?", command: "project")
    }
    // Read models catch up; a command that waits for the processor does not come back.
    Priority.giveWay()
    let work = Task {
      do {
        try await project(await logOnceMade(context), databaseURL, context.log)
      } catch is CancellationError {
        return
      } catch {
        context.fail(error)
      }
    }
    return Service(details: ["read_models": JSON(ReadModels.all.count)]) {
      work.cancel()
      await work.value
    }
  }
}

private func project(
  _ reader: LMDBLogReader, _ databaseURL: String, _ log: Logger
) async throws {
  defer { reader.close() }
  var options = LiveProjector.Options()
  options.news = { tell($0, log) }
  let projector = LiveProjector(
    reader: reader, connectionString: databaseURL, projections: ReadModels.all, options: options)
  let keeper = Priority.giveWayInBursts(options.standby) {
    // Where the log cannot be read, whoever projects says so.
    guard let head = try? reader.head() else { return nil }
    return (head, projector.slowestPosition)
  }
  defer { keeper?.cancel() }
  try await projector.run()
}

/// The log of this home, as soon as there is one: `serve` makes it at its first start.
private func logOnceMade(_ context: ServiceContext) async throws -> LMDBLogReader {
  var hasTold = false
  while true {
    do throws(EventLogError) {
      return try LMDBLogReader(directory: context.settings.home.log)
    } catch {
      guard case .storage = error else { throw error }
      if !hasTold { context.log.info("waiting for the log", ["reason": .string("\(error)")]) }
      hasTold = true
    }
    try await Task.sleep(for: .milliseconds(100))
  }
}

private func tell(_ news: ProjectorNews, _ log: Logger) {
  switch news {
  case .started(let positions):
    let fields = positions.sorted { $0.key < $1.key }
      .map { (key: $0.key, value: JSON(Int64($0.value))) }
    log.info("projecting", ["positions": .object(JSONObject(fields))])
  case .stopped(let projection, let position):
    log.error(
      "a projection stopped",
      ["projection": .string(projection), "position": JSON(Int64(position))])
  case .parked(let projection, let count):
    log.error(
      "events are parked", ["projection": .string(projection), "parked": JSON(count)])
  case .diverged(let projection, let table, let position):
    log.error(
      "rows are not what the log says",
      [
        "projection": .string(projection), "table": .string(table),
        "position": JSON(position.map(Int64.init)),
      ])
  case .waiting(let reason, let retryMillis):
    log.warning(
      "waiting", ["reason": .string(reason), "retry_millis": JSON(retryMillis)])
  case .recovered: log.info("going on")
  case .rebuilding(let projection): log.info("rebuilding", ["projection": .string(projection)])
  case .rebuilt(let projection): log.info("rebuilt", ["projection": .string(projection)])
  case .rebuildFailed(let projection, let reason):
    log.error(
      "a rebuild failed", ["projection": .string(projection), "reason": .string(reason)])
  }
}
