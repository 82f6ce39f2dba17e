import Application
import CLI
import Domain
import EventLog
import Foundation
import JSON

private let orgOption = Option("--org", value: "ORG", isRequired: true, "the account: acc_…")
private let outOption = Option(
  "--out", value: "DIR", isRequired: true, "a folder that is empty or does not exist yet")
private let contactOption = Option("--contact", value: "ID", "open what concerns this contact")
private let messageOption = Option("--message", value: "ID", "open what concerns this message")
private let campaignOption = Option("--campaign", value: "ID", "open what concerns this campaign")
private let numberOption = Option(
  "--number", value: "PHONE", "open what concerns everybody who has or had this number")
private let fromOption = Option("--from", value: "TIME", "open what was recorded from this time on")
private let untilOption = Option("--until", value: "TIME", "… until before this time")
private let withholdOption = Option(
  "--withhold-credentials", "keep tokens, secrets and password hashes closed")

let exportAuditCommand = Command(
  "export audit", "write an account's book into a folder that anybody can check",
  details: """
    The folder holds the signed head of the account's Merkle tree, all its leaves, and what
    opens those that were asked for: everything, or one contact, message, campaign, number or
    period. 'daybook verify bundle DIR' checks it offline, and so does the stand-alone
    tools/verify/verify_bundle.py. The export is itself recorded in the book. Works beside a
    running system, and without one.
    """,
  options: [
    orgOption, outOption, contactOption, messageOption, campaignOption, numberOption, fromOption,
    untilOption, withholdOption, .json,
  ]
) { invocation in
  let id = Identifier(.org, try org(invocation.required(orgOption.flag), in: "export audit").value)
  let out = invocation.required(outOption.flag)
  try AuditExport.requireEmpty(out)
  let request = try request(invocation)
  let order = try await ExportOrder(org: id, request: request, settings: invocation.settings)
    .place()
  let reader = try openLog(invocation.settings.home)
  defer { reader.close() }
  let key = try Notary.key(reader.identity, directory: invocation.settings.home.path)
  var export = AuditExport(
    reader: reader, org: id, record: order.record, number: request["number"]?.string,
    published: order.published,
    signer: key.signer(of: OrgID(id.value), incarnation: reader.identity.incarnation),
    directory: out)
  let summary = try export.run(nowMicros: SystemClock().nowMicros())
  if invocation.has(Option.json.flag) {
    Output.json([
      "account": .string(id.text), "directory": .string(out),
      "events": .int(Int64(summary.eventCount)), "root": .string(summary.rootBase64),
      "opened": .int(Int64(summary.openedCount)),
      "erased_parts": .int(Int64(summary.erasedPartCount)),
      "withheld_parts": .int(Int64(summary.withheldPartCount)),
      "verifier_key": .string(order.published.verifierKey),
    ])
  } else {
    Output.line(
      "\(summary.eventCount) events of \(id) are in \(out), \(summary.openedCount) opened")
    Output.line("Root of its tree: \(summary.rootBase64)")
    Output.line("Verifier key, to be handed over by another road than the folder:")
    Output.line("  \(order.published.verifierKey)")
  }
  return .success
}

/// The fields of `POST /api/operator/audit-exports` that the options ask for.
private func request(_ invocation: Invocation) throws(UsageError) -> JSONObject {
  var request = JSONObject()
  for (option, name) in [
    (contactOption, "contact"), (messageOption, "message"), (campaignOption, "campaign"),
    (numberOption, "number"),
  ] {
    guard let value = invocation.value(option.flag) else { continue }
    guard request.isEmpty else { throw severalScopes }
    request["scope"] = .string(name)
    request[name] = .string(option.flag == numberOption.flag ? try e164(value) : value)
  }
  let from = invocation.value(fromOption.flag)
  let until = invocation.value(untilOption.flag)
  if from != nil || until != nil {
    guard request.isEmpty else { throw severalScopes }
    request["scope"] = "period"
    request["from"] = JSON.string(from ?? "1970-01-01T00:00:00Z")
    request["until"] = JSON.string(until ?? "2262-01-01T00:00:00Z")
  }
  if request.isEmpty { request["scope"] = "account" }
  request["open_credentials"] = .bool(!invocation.has(withholdOption.flag))
  return request
}

/// As the book has it, however it was typed.
private func e164(_ text: String) throws(UsageError) -> String {
  guard let number = PhoneBook().e164(text) else {
    throw UsageError(
      "\(numberOption.flag) is a phone number such as +12025550123.", command: "export audit")
  }
  return number
}

private let severalScopes = UsageError(
  "Ask for one thing: a contact, a message, a campaign, a number or a period.",
  command: "export audit")

private let folder = Argument("DIR", .one, "an exported folder")
private let keyOption = Option(
  "--key", value: "VKEY", "the account's verifier key, got by another road than the folder")
private let keptOption = Option(
  "--kept", value: "FILE", isRepeatable: true,
  "a checkpoint that you were given earlier: the book must go on from it")

let verifyBundleCommand = Command(
  "verify bundle", "check an exported book offline",
  details: """
    Checks the signed head, that no event is missing or moved, that each opened payload is
    what its leaf committed to, older heads, single proofs and every file's hash. Needs no
    log. Without --key the key is the one that the folder names: then anybody can have
    made it. The exit code is 2 where something is wrong.
    """,
  arguments: [folder], options: [keyOption, keptOption, .json]
) { invocation in
  let kept = try invocation.values(keptOption.flag).map {
    try String(contentsOfFile: $0, encoding: .utf8)
  }
  let path = invocation.argument(folder.name)
  var isFolder: ObjCBool = false
  guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
    isFolder.boolValue
  else { throw UsageError("There is no folder \(path).", command: "verify bundle") }
  var bundle = AuditBundle(
    directory: path, verifierKey: invocation.value(keyOption.flag),
    olderNotes: kept)
  let report = bundle.verify()
  if invocation.has(Option.json.flag) { Output.json(json(report)) } else { show(report) }
  return report.isSound ? .success : .foundWrong
}

private func json(_ report: AuditBundle.Report) -> JSON {
  [
    "ok": .bool(report.isSound), "authenticated": .bool(report.isAuthenticated),
    "origin": .string(report.origin), "scope": .string(report.scope),
    "events": .int(Int64(clamping: report.size)), "openings": JSON(report.openingCount),
    "erased_parts": JSON(report.erasedPartCount), "withheld_parts": JSON(report.withheldPartCount),
    "proofs": JSON(report.proofCount), "older_heads": JSON(report.olderHeadCount),
    "restores": .array(
      report.restores.map {
        [
          "incarnation": .int($0.incarnation), "sequence": .int(Int64(clamping: $0.sequence)),
          "reason": .string($0.reason), "lost_events": .int(Int64(clamping: $0.lostEventCount)),
        ]
      }),
    "problems": .array(report.problems.map(JSON.string)),
  ]
}

private func show(_ report: AuditBundle.Report) {
  Output.line(
    "\(report.isSound ? "sound" : "WRONG"): \(report.size) events of \(report.origin),"
      + " scope \(report.scope)")
  Output.line(
    "  \(report.openingCount) parts opened, \(report.erasedPartCount) erased,"
      + " \(report.withheldPartCount) withheld; \(report.proofCount) proofs,"
      + " \(report.olderHeadCount) older heads")
  for restore in report.restores {
    Output.line(
      "  restored before event \(restore.sequence), as history \(restore.incarnation):"
        + " \(restore.reason); \(restore.lostEventCount) events known to be lost")
  }
  if !report.isAuthenticated {
    Output.line("  The key is the folder's own: give --key to know whose book this is.")
  }
  for problem in report.problems { Output.line("  \(problem)") }
}
