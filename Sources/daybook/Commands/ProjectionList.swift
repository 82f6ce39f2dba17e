import CLI
import EventLog
import JSON

let projectionListCommand = Command(
  "projection list", "show each read model: where it is, how far behind, when it was checked",
  options: [.json]
) { invocation in
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let head = try reader.head()
  let states = try await withDatabase(invocation.settings) { try readProjectionStates($0) }
  for state in states {
    Output.line(
      invocation.has(Option.json.flag) ? state.json(head: head).text : state.text(head: head))
  }
  return .success
}
