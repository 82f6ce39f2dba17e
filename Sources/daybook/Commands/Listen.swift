import Application
import CLI
import Crypto
import Domain
import Foundation
import HTTP
import JSON

private let forwardOption = Option(
  "--forward", value: "URL", isRequired: true, "where each event is posted to")
private let typesOption = Option(
  "--types", value: "TYPE,…", "these types alone; message.* means all of a kind")
private let afterOption = Option(
  "--after", value: "POSITION", "begin after this log position; with what comes from now on")
private let placeOption = Option(
  "--place", value: "FILE", "keep the place here, and go on there the next time")
private let secretOption = Option(
  "--secret", value: "SECRET", "sign with this secret (whsec_…); one is made and printed")
private let thinOption = Option("--thin", "ids and types alone, as thin endpoints get them")
private let keyOption = Option("--api-key", value: "KEY", "whose events; the demo's")
private let urlOption = Option("--url", value: "URL", "a Daybook elsewhere; the one of this home")

let listenCommand = Command(
  "listen", "forward an account's events to a URL on this machine, signed",
  details: """
    For developing a webhook's receiver: what an endpoint would be sent, as Standard
    Webhooks, with a line for each event. Nothing has to reach this machine from outside.
    After a break it goes on where it was. A receiver that fails gets the event once
    more after a second, and is then passed over: endpoints are more patient.
    """,
  options: [
    forwardOption, typesOption, afterOption, placeOption, secretOption, thinOption, keyOption,
    urlOption, .json,
  ]
) { invocation in
  try await Listening(invocation).run()
}

/// One run of `daybook listen`.
private struct Listening {
  private let base: String
  private let key: String
  private let target: String
  private let types: String?
  private let placePath: String?
  private let start: String
  private let secret: String
  private let style: WebhookEndpoint.Style
  private let printsJSON: Bool

  init(_ invocation: Invocation) throws {
    let demo = readDemo(invocation.settings.home)
    guard let key = invocation.value(keyOption.flag) ?? demo?["api_key"]?.string else {
      throw UsageError("Say whose events: --api-key sk_….", command: "listen")
    }
    self.key = key
    base =
      invocation.value(urlOption.flag) ?? demo?["base_url"]?.string ?? invocation.settings.localURL
    target = invocation.required(forwardOption.flag)
    guard target.hasPrefix("http://") || target.hasPrefix("https://") else {
      throw UsageError("--forward is a URL such as http://localhost:3000/hook.", command: "listen")
    }
    types = invocation.value(typesOption.flag)
    placePath = invocation.value(placeOption.flag)
    if let after = invocation.value(afterOption.flag) {
      start = String(try wholeNumber(after, afterOption.flag, in: "listen"))
    } else {
      start = try placePath.flatMap(Self.place) ?? "now"
    }
    secret = invocation.value(secretOption.flag) ?? WebhookMessage.newSecret()
    style = WebhookEndpoint.Style(payload: invocation.has(thinOption.flag) ? .thin : .full)
    printsJSON = invocation.has(Option.json.flag)
  }

  private static func place(_ path: String) throws -> String? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let text = try String(contentsOfFile: path, encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    return String(try wholeNumber(text, placeOption.flag, in: "listen"))
  }

  func run() async throws -> ExitStatus {
    if !printsJSON {
      Output.line("Forwarding \(types ?? "all events") of \(base) to \(target)")
      Output.line("Signing secret: \(secret)")
    }
    let client = HTTPClient()
    defer { client.close() }
    var position = start
    while true {
      do {
        try await follow(client, &position)
      } catch let error as HTTPClientError {
        Output.error("\(base): \(error); trying again")
      }
      try await Task.sleep(for: .seconds(1))
    }
  }

  /// Reads lines until the connection ends.
  private func follow(_ client: HTTPClient, _ position: inout String) async throws {
    var query = "follow=true&after=\(position)"
    if let types { query += "&types=\(PercentCoding.encode(types))" }
    let stream = try await client.stream(
      ClientRequest(
        url: "\(base)/api/events?\(query)",
        headers: ["authorization": "Bearer \(key)", "accept": "application/x-ndjson"]))
    var lines = LineBuffer()
    guard stream.status == 200 else {
      for try await piece in stream.body { _ = lines.add(piece) }
      throw ListenError.refused(status: stream.status, lines.message)
    }
    for try await piece in stream.body {
      for line in lines.add(piece) where !line.isEmpty {
        let event = try JSON(parsing: line)
        try await forward(event, client)
        guard let reached = event["position"]?.int else { continue }
        position = String(reached)
        try placePath.map { try Data("\(reached)\n".utf8).write(to: URL(filePath: $0)) }
      }
    }
  }

  private func forward(_ event: JSON, _ client: HTTPClient) async throws {
    var outcome = await attempt(event, client)
    if outcome.isFailure {
      try await Task.sleep(for: .seconds(1))
      outcome = await attempt(event, client)
    }
    show(event, outcome)
  }

  private struct Outcome {
    var status: Int?
    var error: String?
    var tookMillis: Int64 = 0
    var isFailure: Bool { !(200..<300).contains(status ?? 0) }
  }

  private func attempt(_ event: JSON, _ client: HTTPClient) async -> Outcome {
    let started = ContinuousClock.now
    var outcome = Outcome()
    do {
      let seconds = Int64(Date.now.timeIntervalSince1970)
      let message = try WebhookMessage.request(
        for: event, style, url: target, timestampSeconds: seconds, secrets: [secret])
      outcome.status = try await client.send(message).status
    } catch {
      outcome.error = (error as? HTTPClientError)?.code ?? "\(error)"
    }
    outcome.tookMillis = Int64((ContinuousClock.now - started) / .milliseconds(1))
    return outcome
  }

  private func show(_ event: JSON, _ outcome: Outcome) {
    if printsJSON {
      return Output.json([
        "event": event["id"] ?? .null, "type": event["type"] ?? .null,
        "position": event["position"] ?? .null, "status": JSON(outcome.status.map { Int64($0) }),
        "error": JSON(outcome.error), "took_millis": .int(outcome.tookMillis),
      ])
    }
    let position = event["position"]?.text ?? "?"
    let type = (event["type"]?.string ?? "?").padding(toLength: 28, withPad: " ", startingAt: 0)
    let result = outcome.status.map { "\($0)" } ?? outcome.error ?? "no answer"
    Output.line(
      "\(position.leftPadded(to: 8))  \(type)  \(event["id"]?.string ?? "")  → \(result) "
        + "(\(outcome.tookMillis) ms)")
  }
}

/// Why listening makes no sense.
private enum ListenError: Error, CustomStringConvertible {
  case refused(status: Int, String)

  var code: String { "listen_refused" }
  var isRetryable: Bool { false }

  var description: String {
    switch self {
    case .refused(let status, let message): "the API answers \(status): \(message)"
    }
  }
}

/// Whole lines out of pieces that are cut anywhere.
private struct LineBuffer {
  private var rest: [UInt8] = []

  mutating func add(_ piece: [UInt8]) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    for part in (rest + piece).split(separator: 10, omittingEmptySubsequences: false) {
      lines.append(Array(part))
    }
    rest = lines.removeLast()
    return lines
  }

  /// The message of an error object, where that is what came.
  var message: String {
    (try? JSON(parsing: rest))?["error"]?["message"]?.string
      ?? String(decoding: rest.prefix(200), as: UTF8.self)
  }
}
