import CLI
import Domain
import EventLog
import JSON
import Postgres
import ProjectionRuntime
import ReadModels
import Spelling

let projectionParkedCommand = Command(
  "projection parked", "show the events that a read model could not apply",
  details: """
    An event that cannot be applied waits, with everything later of the same key (its
    stream); the rest goes on. Exit code 2 where anything waits.
    """,
  options: [.json]
) { invocation in
  let parked = try await withDatabase(invocation.settings) {
    try ProjectionAdmin.parked(PostgresConnection($0))
  }
  for event in parked {
    Output.line(invocation.has(Option.json.flag) ? json(event).text : text(event))
  }
  return parked.isEmpty ? .success : .foundWrong
}

let projectionDrainCommand = Command(
  "projection drain", "apply what is parked, in order, once it can be",
  details: """
    For after the fold or the event's reader was mended. What still cannot be applied
    stays parked: exit code 2.
    """,
  arguments: [oneReadModel], options: [.json]
) { invocation in
  let projection = try readModel(invocation, in: "projection drain")
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let report = try await withDatabase(invocation.settings) {
    try Drain.run(projection, reader, PostgresConnection($0))
  }
  let object: JSON = [
    "projection": .string(report.projection), "applied": JSON(report.appliedCount),
    "remaining": JSON(report.remainingCount),
  ]
  Output.line(
    invocation.has(Option.json.flag)
      ? object.text
      : "\(report.projection): \(report.appliedCount) events applied,"
        + " \(report.remainingCount) still parked")
  return report.remainingCount == 0 ? .success : .foundWrong
}

let projectionRollbackCommand = Command(
  "projection rollback", "put back the rows that a rebuild or a new version took the place of",
  details: """
    The rows before the last rebuild are kept for a day; the projector brings them up to
    date. Without them the rows of the version before serve, as they stand, until the
    next rebuild.
    """,
  arguments: [oneReadModel]
) { invocation in
  let projection = try readModel(invocation, in: "projection rollback")
  try await withDatabase(invocation.settings) {
    try ProjectionAdmin.rollBack(projection, PostgresConnection($0))
  }
  Output.line("\(projection.name): rolled back")
  return .success
}

let oneReadModel = Argument(
  "NAME", .one, "a read model, as 'daybook projection list' names it")

/// The read model that the command's argument names.
func readModel(
  _ invocation: Invocation, in command: String
) throws(UsageError) -> any Projection.Type {
  try readModel(named: invocation.argument(oneReadModel.name), in: command)
}

func readModel(
  named name: String, in command: String
) throws(UsageError) -> any Projection.Type {
  let known = ReadModels.all.map { $0.name }
  guard let found = ReadModels.all.first(where: { $0.name == name }) else {
    throw UsageError(
      "There is no read model '\(name)'. There is \(known.joined(separator: ", ")).",
      suggestion: nearest(to: name, among: known), command: command)
  }
  return found
}

private func text(_ event: ParkedStatus) -> String {
  let why = event.code.map { "\($0): \(event.reason ?? "")" } ?? "behind another one"
  return "\(event.projection)  position \(event.position)  \(event.type)  \(event.org.text)"
    + " \(event.key)  \(why)"
}

private func json(_ event: ParkedStatus) -> JSON {
  [
    "projection": .string(event.projection), "position": JSON(Int64(event.position)),
    "type": .string(event.type), "account": .string(event.org.text), "key": .string(event.key),
    "code": JSON(event.code), "reason": JSON(event.reason),
    "parked_at": .string(isoTime(event.parkedAtMicros)),
  ]
}
