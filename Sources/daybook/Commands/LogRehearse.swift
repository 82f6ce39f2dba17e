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
    fails, with type, schema version, first position and reason.
    """,
  options: [.json]
) { invocation in
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let rehearsal = try rehearse(reader)
  if invocation.has(Option.json.flag) { Output.json(json(rehearsal)) } else { show(rehearsal) }
  return rehearsal.failures.isEmpty ? .success : .foundWrong
}

private func rehearse(_ reader: LMDBLogReader) throws -> Rehearsal {
  var rehearsal = Rehearsal()
  var position: UInt64 = 0
  while true {
    let page = try reader.read(after: position, limit: 5_000, filter: .all)
    for event in page.events { rehearsal.take(event) }
    guard page.scannedTo > position else { return rehearsal }
    position = page.scannedTo
  }
}

private func show(_ rehearsal: Rehearsal) {
  Output.line(
    "\(rehearsal.failures.isEmpty ? "readable" : "NOT READABLE"): \(rehearsal.eventCount) events of"
      + " \(rehearsal.counts.count) kinds, \(rehearsal.failedCount) fail")
  for failure in rehearsal.failures {
    Output.line(
      "  \(failure.type) version \(failure.schemaVersion): \(failure.count) from position"
        + " \(failure.position) on: \(failure.reason)")
  }
}

private func json(_ rehearsal: Rehearsal) -> JSON {
  [
    "ok": .bool(rehearsal.failures.isEmpty), "events": .int(Int64(rehearsal.eventCount)),
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
