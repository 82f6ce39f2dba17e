import CLI
import Foundation
import HTTP
import JSON

private let orgOption = Option(
  "--org", value: "ACCOUNT", isRequired: true, "whose contact it is (acc_…)")
private let reasonOption = Option(
  "--reason", value: "REASON", "on what ground; person_asked")
private let dryRunOption = Option("--dry-run", "only tell what would go and what stays")
private let noWaitOption = Option("--no-wait", "return once it is asked for and on disk")

let eraseCommand = Command(
  "erase", "erase a person: keys, sealed data, rows; there is no way back",
  details: """
    Ends what is pending for the person, destroys the keys that their data is sealed under,
    takes the data out of the files of the log and their rows out of every read model, and
    waits until all of that is on record. Order, proofs and figures stay; an opt-out stays
    as a keyed hash of the address, and an address on the account's own lists stays on them
    (--dry-run names them). Backup folders are told too, and lose the keys: while one cannot
    be reached the erasure waits for it ('daybook doctor' names it). On hold after a restore
    the keys are destroyed, and the rest waits for 'daybook release'. Needs a running system.
    A second call tells how far the first one is.
    """,
  arguments: [Argument("CONTACT", .one, "the person (con_…)")],
  options: [orgOption, reasonOption, dryRunOption, noWaitOption, .json]
) { invocation in
  var body = JSONObject([
    ("account", JSON(invocation.value(orgOption.flag))),
    ("contact", .string(invocation.argument("CONTACT"))),
  ])
  if let reason = invocation.value(reasonOption.flag) { body["reason"] = .string(reason) }
  if invocation.has(dryRunOption.flag) { body["dry_run"] = true }
  let order = ErasureOrder(body: body, invocation: invocation)
  return try await order.carryOut(
    waits: !invocation.has(noWaitOption.flag) && !invocation.has(dryRunOption.flag))
}

/// One order to the running system, repeated until it is carried out.
private struct ErasureOrder {
  /// After so long somebody who waits is told what may be the matter.
  private static let patience = Duration.seconds(15)

  let body: JSONObject
  let invocation: Invocation

  func carryOut(waits: Bool) async throws -> ExitStatus {
    let client = HTTPClient()
    defer { client.close() }
    let start = ContinuousClock.now
    var isToldToWait = false
    while true {
      let (status, answer) = try await place(client)
      guard status == 200 || status == 202 else {
        let message = answer["error"]?["message"]?.string ?? "status \(status)"
        Output.error("erase: \(message)")
        return .failure
      }
      if !waits || answer["status"] == "erased" {
        show(answer)
        return .success
      }
      if !isToldToWait, start.duration(to: .now) > Self.patience {
        isToldToWait = true
        Output.error(
          "erase: still going (\(answer["status"]?.string ?? "asked for")); a full disk, a backup folder that"
            + " cannot be reached, or the hold after a restore keeps it from its end: see 'daybook doctor'"
        )
      }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  private func place(_ client: HTTPClient) async throws -> (Int, JSON) {
    let home = invocation.settings.home
    let token = try String(contentsOfFile: home.operatorToken, encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let url = try invocation.settings.runningURL()
    let response = try await client.send(
      ClientRequest(
        method: "POST", url: url + "/api/operator/erasures",
        headers: ["authorization": "Bearer \(token)", "content-type": "application/json"],
        body: JSON.object(body).bytes(), timeoutMillis: 60_000))
    return (response.status, try JSON(parsing: response.body))
  }

  private func show(_ answer: JSON) {
    if invocation.has(Option.json.flag) { return Output.json(answer) }
    guard answer["dry_run"] == true else {
      Output.line("\(answer["contact"]?.string ?? "") \(answer["status"]?.string ?? "")")
      for key in answer["key_ids"]?.array ?? [] { Output.line("  key \(key.string ?? "")") }
      return
    }
    Output.line("Would go:")
    for (name, count) in answer["goes"]?.object?.fields ?? [] {
      Output.line("  \(count.int ?? 0) \(name)")
    }
    let channels = (answer["stays"]?["opt_outs"]?.array ?? []).compactMap(\.string)
    Output.line(
      "Stays: "
        + (channels.isEmpty ? "nothing" : "opt-outs of \(channels.joined(separator: ", "))"))
    for entry in answer["stays"]?["lists"]?.array ?? [] {
      let (list, channel) = (entry["list"]?.string ?? "", entry["channel"]?.string ?? "")
      Output.line("Stays, readable: an address of theirs on the list \(list) (\(channel))")
    }
  }
}
