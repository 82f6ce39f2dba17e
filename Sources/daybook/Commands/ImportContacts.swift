import CLI
import Crypto
import Foundation
import HTTP
import JSON

private let file = Argument("FILE", .one, "a CSV with a header line")
private let mapOption = Option(
  "--map", value: "COLUMN=FIELD", isRepeatable: true,
  "take a column as this field; an empty field leaves it out")
private let tagOption = Option(
  "--tag", value: "TAG", isRepeatable: true, "tag everybody in the file")
private let sourceOption = Option("--source", value: "TEXT", "where these people come from; import")
private let consentOption = Option(
  "--consent", value: "JSON", "what they agreed to, as in POST /api/contacts")
private let dryRunOption = Option("--dry-run", "say what would happen; write nothing")
private let errorsOption = Option(
  "--errors", value: "FILE", "write the rows that failed here, to be put right")
private let keyOption = Option("--api-key", value: "KEY", "whose contacts; the demo's")
private let urlOption = Option("--url", value: "URL", "a Daybook elsewhere; the one of this home")

let importContactsCommand = Command(
  "import contacts", "take in a CSV of contacts",
  details: """
    Columns are guessed from the header; --map overrides: --map 'Cell=phone' --map 'Notes='.
    Phones become E.164. A contact with the same phone or email is filled up, never
    overwritten, so the same file again changes nothing. Rows that cannot be taken are
    listed with line and column. Needs a running system.
    """,
  arguments: [file],
  options: [
    mapOption, tagOption, sourceOption, consentOption, dryRunOption, errorsOption, keyOption,
    urlOption, .json,
  ]
) { invocation in
  let path = invocation.argument(file.name)
  guard let content = FileManager.default.contents(atPath: path) else {
    throw ImportCommandError.unreadable(path)
  }
  let demo = readDemo(invocation.settings.home)
  guard let key = invocation.value(keyOption.flag) ?? demo?["api_key"]?.string else {
    throw ImportCommandError.noKey
  }
  let base =
    invocation.value(urlOption.flag) ?? demo?["base_url"]?.string ?? invocation.settings.localURL
  let body = Multipart.encode(
    try parts(invocation, [UInt8](content)), boundary: boundary)
  let asJSON = invocation.has(Option.json.flag)
  let answer = try await send(
    body, to: base + "/api/contacts/import", key: key, showsProgress: !asJSON)
  if let message = answer["error"]?["message"]?.string {
    throw ImportCommandError.refused(message)
  }
  try writeErrors(answer, invocation.value(errorsOption.flag))
  if asJSON { Output.json(answer) } else { show(answer) }
  return answer["failed"]?.int == 0 ? .success : .foundWrong
}

private let boundary = "daybook-" + Hex.encode(Random.bytes(16))

private func parts(
  _ invocation: Invocation, _ content: [UInt8]
) throws(UsageError) -> [MultipartPart] {
  var parts = [
    MultipartPart(
      name: "file", filename: "contacts.csv", contentType: "text/csv", body: content)
  ]
  func add(_ name: String, _ text: String) {
    parts.append(
      MultipartPart(name: name, filename: nil, contentType: nil, body: Array(text.utf8)))
  }
  var map = JSONObject()
  for text in invocation.values(mapOption.flag) {
    guard let equals = text.lastIndex(of: "=") else {
      throw UsageError(
        "--map is '\(text)', but must be COLUMN=FIELD.", command: "import contacts")
    }
    map[String(text[..<equals])] = .string(String(text[text.index(after: equals)...]))
  }
  if !map.isEmpty { add("map", JSON.object(map).text) }
  let tags = invocation.values(tagOption.flag)
  if !tags.isEmpty { add("tags", tags.joined(separator: ",")) }
  if let source = invocation.value(sourceOption.flag) { add("source", source) }
  if let consent = invocation.value(consentOption.flag) { add("consent", consent) }
  if invocation.has(dryRunOption.flag) { add("dry_run", "true") }
  return parts
}

/// Sends the file and returns the last line of the answer; lines before it are progress.
private func send(
  _ body: [UInt8], to url: String, key: String, showsProgress: Bool
) async throws -> JSON {
  let client = HTTPClient()
  defer { client.close() }
  let stream = try await client.stream(
    ClientRequest(
      method: "POST", url: url,
      headers: [
        "authorization": "Bearer \(key)", "accept": "application/x-ndjson",
        "content-type": "multipart/form-data; boundary=\(boundary)",
        "idempotency-key": Hex.encode(Random.bytes(16)),
      ], body: body, timeoutMillis: 600_000))
  let isTerminal = isatty(2) == 1
  var buffer: [UInt8] = []
  var last = JSON.null
  func take(_ line: [UInt8]) throws {
    last = try JSON(parsing: line)
    guard showsProgress, isTerminal, let done = last["done"]?.int, let rows = last["rows"]?.int
    else { return }
    let share = rows == 0 ? 30 : Int(done * 30 / rows)
    let bar = String(repeating: "#", count: share) + String(repeating: ".", count: 30 - share)
    Output.progress("[\(bar)] \(done) of \(rows)")
  }
  for try await chunk in stream.body {
    buffer += chunk
    while let end = buffer.firstIndex(of: 10) {
      if end > 0 { try take(Array(buffer[..<end])) }
      buffer.removeSubrange(...end)
    }
  }
  if !buffer.isEmpty { try take(buffer) }
  if showsProgress, isTerminal { Output.progress("") }
  return last
}

private func writeErrors(_ answer: JSON, _ path: String?) throws {
  guard let path, let text = answer["errors_csv"]?.string, answer["failed"]?.int != 0 else {
    return
  }
  try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
}

private func show(_ answer: JSON) {
  func count(_ name: String) -> Int64 { answer[name]?.int ?? 0 }
  Output.line(
    "\(count("rows")) rows: \(count("created")) created, \(count("updated")) updated,"
      + " \(count("unchanged")) unchanged, \(count("failed")) failed")
  for column in answer["columns"]?.array ?? [] {
    let field = column["field"]?.string ?? ""
    Output.line("  \(column["column"]?.string ?? "") -> \(field.isEmpty ? "left out" : field)")
  }
  for error in answer["errors"]?.array ?? [] {
    let place = "line \(error["line"]?.int ?? 0)"
    let column = error["column"]?.string ?? ""
    Output.line(
      "  \(place)\(column.isEmpty ? "" : ", \(column)"): \(error["message"]?.string ?? "")")
  }
}

private enum ImportCommandError: Error, CustomStringConvertible {
  case unreadable(String)
  case noKey
  case refused(String)

  var description: String {
    switch self {
    case .unreadable(let path): "\(path) can not be read."
    case .noKey:
      "whose contacts are these? Give an account's key with --api-key."
    case .refused(let message): message
    }
  }
}
