import Application
import CLI
import Domain
import EventLog
import JSON

private let orgOption = Option("--org", value: "ORG", isRequired: true, "the account: acc_…")
private let outOption = Option(
  "--out", value: "DIR", isRequired: true, "a folder that is empty or does not exist yet")

let exportAuditCommand = Command(
  "export audit", "write an account's complete book into a folder that anybody can check",
  details: """
    The folder holds every event in order, readable, with the leaves of the account's
    Merkle tree, what opens their commitments, and a manifest. 'daybook verify bundle DIR'
    checks it offline. Works beside a running system.
    """,
  options: [orgOption, outOption, .json]
) { invocation in
  guard let orgText = invocation.value(orgOption.flag), let out = invocation.value(outOption.flag)
  else { preconditionFailure("required options have a value") }
  let id = Identifier(.org, try org(orgText, in: "export audit").value)
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  var export = AuditExport(reader: reader, org: id, directory: out)
  let summary = try export.run(nowMicros: SystemClock().nowMicros())
  if invocation.has(Option.json.flag) {
    Output.json([
      "account": .string(id.text), "directory": .string(out),
      "events": .int(Int64(summary.eventCount)), "root": .string(summary.rootBase64),
      "erased_parts": .int(Int64(summary.erasedPartCount)),
    ])
  } else {
    Output.line("\(summary.eventCount) events of \(id) are in \(out)")
    Output.line("Root of its tree: \(summary.rootBase64)")
  }
  return .success
}

private let folder = Argument("DIR", .one, "an exported folder")

let verifyBundleCommand = Command(
  "verify bundle", "check an exported book offline",
  details: """
    Checks every file's hash, that no event is missing or moved, the root of the Merkle
    tree, and that each opened payload is what its leaf committed to. Needs no log.
    """,
  arguments: [folder], options: [.json]
) { invocation in
  var bundle = AuditBundle(directory: invocation.argument(folder.name))
  let report = try bundle.verify()
  if invocation.has(Option.json.flag) {
    Output.json([
      "ok": .bool(report.isSound), "events": JSON(report.eventCount),
      "openings": JSON(report.openingCount),
      "problems": .array(report.problems.map(JSON.string)),
    ])
  } else {
    Output.line(
      "\(report.isSound ? "sound" : "WRONG"): \(report.eventCount) events,"
        + " \(report.openingCount) openings")
    for problem in report.problems { Output.line("  \(problem)") }
  }
  return report.isSound ? .success : .foundWrong
}
