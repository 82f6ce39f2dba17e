import CLI
import EventLog
import JSON
import ProjectionRuntime

let projectionListCommand = Command(
  "projection list", "show each read model: where it is, how far behind, when it was checked",
  options: [.json]
) { invocation in
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let statuses = try await withDatabase(invocation.settings) { try readProjections($0) }
  for status in statuses {
    let line = try ProjectionLine(status, reader)
    Output.line(invocation.has(Option.json.flag) ? line.json.text : line.text)
  }
  return .success
}
