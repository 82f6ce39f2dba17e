import CLI
import EventLog
import JSON

let logCompactCommand = Command(
  "log compact", "make the log as small as it gets, while nothing else writes it",
  details: """
    Makes large blocks out of small ones, with a dictionary learnt from the log itself, and
    gives what is free back to the disk. A running system does the first by itself, little
    by little; for the rest, stop it first. Positions, events and proofs stay the same.
    """,
  options: [.json]
) { invocation in
  let log = try openLogForWriting(invocation.settings.home)
  let report: CompactionReport
  do {
    report = try await log.compact()
  } catch {
    await log.close()
    throw error
  }
  await log.close()
  if invocation.has(Option.json.flag) {
    Output.json([
      "events": JSON(Int64(report.eventCount)), "blocks_before": JSON(report.blocksBefore),
      "blocks_after": JSON(report.blocksAfter), "bytes_before": JSON(report.bytesBefore),
      "bytes_after": JSON(report.bytesAfter),
    ])
  } else {
    Output.line(
      "\(report.eventCount) events: \(report.blocksBefore) blocks of \(report.bytesBefore) bytes"
        + " became \(report.blocksAfter) of \(report.bytesAfter)")
  }
  return .success
}
