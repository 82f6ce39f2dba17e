import CLI
import Foundation
import HTTP
import JSON

private let fromOption = Option("--from", value: "TIME", "not before; 30 days ago")
private let toOption = Option("--to", value: "TIME", "before; now")
private let csvOption = Option("--csv", "as CSV")
private let keyOption = Option("--api-key", value: "KEY", "whose wallet; the demo's")
private let urlOption = Option("--url", value: "URL", "a Daybook elsewhere; the one of this home")

let walletStatementCommand = Command(
  "wallet statement", "what moved an account's wallet in a period",
  details: """
    Credits, debits and refunds, oldest first, with the balance after each. Times are
    RFC 3339: 2026-11-01T00:00:00Z. --csv and --json print all lines, else a summary.
    Needs a running system.
    """,
  options: [fromOption, toOption, csvOption, keyOption, urlOption, .json]
) { invocation in
  let demo = readDemo(invocation.settings.home)
  guard let key = invocation.value(keyOption.flag) ?? demo?["api_key"]?.string else {
    throw StatementCommandError.noKey
  }
  let base =
    invocation.value(urlOption.flag) ?? demo?["base_url"]?.string ?? invocation.settings.localURL
  let isCSV = invocation.has(csvOption.flag)
  var query = ["format=\(isCSV ? "csv" : "json")"]
  for (name, option) in [("from", fromOption), ("to", toOption)] {
    guard let text = invocation.value(option.flag) else { continue }
    query.append("\(name)=\(PercentCoding.encode(text))")
  }
  let client = HTTPClient()
  defer { client.close() }
  let answer = try await client.send(
    ClientRequest(
      url: base + "/api/wallet/statement?" + query.joined(separator: "&"),
      headers: ["authorization": "Bearer \(key)"], timeoutMillis: 60_000))
  guard answer.status == 200 else {
    let value = try JSON(parsing: answer.body)
    throw StatementCommandError.refused(value["error"]?["message"]?.string ?? "\(answer.status)")
  }
  if isCSV {
    FileHandle.standardOutput.write(Data(answer.body))
    return .success
  }
  let statement = try JSON(parsing: answer.body)
  if invocation.has(Option.json.flag) { Output.json(statement) } else { show(statement) }
  return .success
}

private func show(_ statement: JSON) {
  func dollars(_ name: String) -> String {
    let micros = statement[name]?["amount"]?.int ?? 0
    let places = String(micros.magnitude % 1_000_000)
    return String(micros / 1_000_000) + "."
      + String(repeating: "0", count: 6 - places.count) + places
  }
  Output.line("From \(statement["from"]?.string ?? "") to \(statement["to"]?.string ?? "")")
  for (title, name) in [
    ("Opening balance", "opening_balance"), ("Credits", "credits"), ("Refunds", "refunds"),
    ("Debits", "debits"), ("Closing balance", "closing_balance"),
  ] {
    Output.line("  \(title): $\(dollars(name))")
  }
  Output.line("  Lines: \(statement["lines"]?.array?.count ?? 0)")
}

private enum StatementCommandError: Error, CustomStringConvertible {
  case noKey
  case refused(String)

  var description: String {
    switch self {
    case .noKey: "whose wallet is it? Give an account's key with --api-key."
    case .refused(let message): message
    }
  }
}
