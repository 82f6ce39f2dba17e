import CLI
import EventCodec
import EventLog
import JSON

let logRehearseCommand = Command(
  "log rehearse", "read the whole log as this program would, and say what it could not read",
  details: """
    For before a deployment: run the new program's 'daybook log rehearse' over the log of
    the one in use. Every event is decoded, old schema versions through their upcasters.
    Writes nothing and works beside a running system. The exit code is 2 where anything
    fails, with type, schema version, first position and reason, and where the log can not
    be read to its end.
    """,
  options: [.json]
) { invocation in
  var rehearsal = Rehearsal()
  let unread = try readAll(invocation.settings.home) { rehearsal.take($0) }
  if invocation.has(Option.json.flag) {
    Output.json(json(rehearsal, unread))
  } else {
    show(rehearsal, unread)
  }
  return isReadable(rehearsal, unread) ? .success : .foundWrong
}

private func isReadable(_ rehearsal: Rehearsal, _ unread: UnreadRest?) -> Bool {
  rehearsal.failures.isEmpty && unread == nil
}

private func show(_ rehearsal: Rehearsal, _ unread: UnreadRest?) {
  Output.line(
    "\(isReadable(rehearsal, unread) ? "readable" : "NOT READABLE"): \(rehearsal.eventCount) events"
      + " of \(rehearsal.counts.count) kinds, \(rehearsal.failedCount) fail")
  if let unread { Output.line("  \(unread.text)") }
  for failure in rehearsal.failures {
    Output.line(
      "  \(failure.type) version \(failure.schemaVersion): \(failure.count) from position"
        + " \(failure.position) on: \(failure.reason)")
  }
}

private func json(_ rehearsal: Rehearsal, _ unread: UnreadRest?) -> JSON {
  [
    "ok": .bool(isReadable(rehearsal, unread)), "events": .int(Int64(rehearsal.eventCount)),
    "unread": unread?.json ?? .null,
    "kinds": .array(
      rehearsal.counts.sorted { $0.key < $1.key }.map {
        [
          "type": .string($0.key.type), "schema_version": .int(Int64($0.key.schemaVersion)),
          "events": .int(Int64($0.value)),
        ]
      }),
    "failures": .array(
      rehearsal.failures.map {
        [
          "type": .string($0.type), "schema_version": .int(Int64($0.schemaVersion)),
          "position": .int(Int64($0.position)), "reason": .string($0.reason),
          "events": .int(Int64($0.count)),
        ]
      }),
  ]
}
