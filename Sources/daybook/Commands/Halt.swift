import CLI
import Foundation
import HTTP
import JSON

private let reasonOption = Option("--reason", value: "TEXT", "why, for the audit")
private let orgOption = Option("--org", value: "ACCOUNT", "one account (acc_…); all of them")
private let scopeOption = Option(
  "--scope", value: "SCOPE", "whose stop: all or org; all")

private let skipOption = Option("--skip", "what waits is skipped, and never goes out")

let haltCommand = Command(
  "halt", "stop the sending of all accounts, or of one, at once",
  details: """
    The kill switch. Nothing is handed to a provider after the commit that says so; calls
    that are under way end, and what is queued waits. With --skip it is skipped instead,
    and so is what comes until the stop is lifted. Recorded in the book of every account.
    Needs a running system. 'daybook resume' lifts it.
    """,
  options: [reasonOption, orgOption, skipOption, .json]
) { invocation in
  var body = JSONObject([("halted", true)])
  if let reason = invocation.value(reasonOption.flag) { body["reason"] = .string(reason) }
  if invocation.has(skipOption.flag) { body["waiting"] = .string("skip") }
  return try await setSending(body, invocation, done: "Sending is stopped for")
}

let resumeCommand = Command(
  "resume", "let the sending of all accounts, or of one, go on",
  details: """
    Lifts the operator's stop. What waited goes out, oldest first, after every rule was
    checked again. A stop that an account made itself stays, unless --scope org says so;
    what waits after a restore is released by 'daybook release'.
    """,
  options: [orgOption, scopeOption, .json]
) { invocation in
  var body = JSONObject([("halted", false)])
  if let scope = invocation.value(scopeOption.flag) { body["scope"] = .string(scope) }
  return try await setSending(body, invocation, done: "The operator's stop is lifted for")
}

private func setSending(
  _ body: JSONObject, _ invocation: Invocation, done: String
) async throws -> ExitStatus {
  var body = body
  if let org = invocation.value(orgOption.flag) { body["account"] = .string(org) }
  let url = try invocation.settings.runningURL()
  let token = try String(
    contentsOfFile: invocation.settings.home.operatorToken, encoding: .utf8
  ).trimmingCharacters(in: .whitespacesAndNewlines)
  let client = HTTPClient()
  defer { client.close() }
  let answer = try await client.send(
    ClientRequest(
      method: "POST", url: url + "/api/operator/sending",
      headers: ["authorization": "Bearer \(token)", "content-type": "application/json"],
      body: JSON.object(body).bytes(), timeoutMillis: 30_000))
  let value = try JSON(parsing: answer.body)
  if invocation.has(Option.json.flag) { Output.json(value) }
  guard answer.status == 200 else {
    if let message = value["error"]?["message"]?.string { Output.line(message) }
    return .failure
  }
  if !invocation.has(Option.json.flag) {
    let count = value["accounts"]?.int ?? 0
    Output.line("\(done) \(count) \(count == 1 ? "account" : "accounts").")
  }
  return .success
}
