import Application
import Foundation
import HTTP
import JSON
import Sandbox
import Synchronization
import Testing
import TwilioProvider

/// A sandbox with one account, an application that its webhooks reach, and our adapter.
final class SandboxFixture: Sendable {
  static let account = "AC" + String(repeating: "0a", count: 16)
  static let token = "token-1"
  static let number = "+15551230001"
  static let otherNumber = "+15551230002"
  static let person = "+15557650001"

  let directory: String
  let sandbox: SandboxServer
  let application: WebhookRecorder
  let client: HTTPClient
  let provider: TwilioProvider

  var credentials: SMSCredentials {
    SMSCredentials(accountSID: Self.account, authToken: Self.token, baseURL: sandbox.url)
  }

  private init(directory: String, application: WebhookRecorder) throws {
    self.directory = directory
    self.application = application
    sandbox = try SandboxServer(port: 0, dataDirectory: directory)
    client = HTTPClient()
    provider = TwilioProvider(client: client, timeoutMillis: 20_000)
  }

  /// Runs `body` with a sandbox whose callbacks follow each other at once.
  static func with(_ body: (SandboxFixture) async throws -> Void) async throws {
    let directory = NSTemporaryDirectory() + "sandbox-\(UUID().uuidString)"
    let application = try WebhookRecorder()
    let fixture = try SandboxFixture(directory: directory, application: application)
    let result: Result<Void, any Error>
    do {
      try await fixture.register()
      _ = try await fixture.control("POST", "/sandbox/faults", ["callback_delay_ms": 0])
      try await body(fixture)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await fixture.sandbox.stop()
    await application.stop()
    fixture.client.close()
    try FileManager.default.removeItem(atPath: directory)
    try result.get()
  }

  /// A second sandbox on the data that the first, which must have stopped, left behind.
  func restarted() throws -> SandboxFixture {
    try SandboxFixture(directory: directory, application: application)
  }

  func register() async throws {
    let numbers: [JSON] = [Self.number, Self.otherNumber].map {
      ["phone": .string($0), "inbound_url": .string(application.url("/inbound"))]
    }
    let answer = try await control(
      "POST", "/sandbox/accounts",
      [
        "account_sid": .string(Self.account), "auth_token": .string(Self.token),
        "numbers": .array(numbers),
      ])
    try #require(answer.status == 200)
  }

  func sms(
    to: String = person, from: String = number, _ body: String = "hello", callback: Bool = true
  ) -> OutboundSMS {
    OutboundSMS(
      credentials: credentials, from: from, to: to, body: body,
      statusCallbackURL: callback ? application.url("/status?org=1") : nil)
  }

  func control(
    _ method: String, _ path: String, _ body: JSON? = nil
  ) async throws -> (status: Int, json: JSON) {
    let request = ClientRequest(
      method: method, url: sandbox.url + path,
      headers: ["Content-Type": "application/json"], body: body?.bytes() ?? [])
    let answer = try await client.send(request)
    return (answer.status, try JSON(parsing: answer.body))
  }

  func stat(_ name: String) async throws -> Int64? {
    try await control("GET", "/sandbox/stats").json[name]?.int
  }

  /// Expects the count `name` in the sandbox's statistics to be `expected`.
  func expect(
    _ name: String, _ expected: Int64, at location: SourceLocation = #_sourceLocation
  ) async throws {
    let count = try await stat(name)
    #expect(count == expected, "\(name)", sourceLocation: location)
  }

  /// Waits until `condition` holds; a minute is far more than any of them takes.
  static func wait(
    _ comment: String, at location: SourceLocation = #_sourceLocation,
    until condition: () async throws -> Bool
  ) async throws {
    for _ in 0..<6000 {
      if try await condition() { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    try #require(Bool(false), "never happened: \(comment)", sourceLocation: location)
  }
}

/// An application's webhook endpoint: keeps what arrives, and whether our validator accepts it.
final class WebhookRecorder: Sendable {
  struct Call: Sendable {
    let path: String
    let form: [String: String]
    let isValid: Bool

    var status: String? { form["MessageStatus"] }
  }

  private final class Log: Sendable {
    let calls = Mutex<[Call]>([])
    let statuses = Mutex<[Int]>([])
  }

  private let log: Log
  private let server: HTTPServer

  init() throws {
    let log = Log()
    self.log = log
    server = try HTTPServer(host: "127.0.0.1", port: 0) { request in
      let call = Self.call(request)
      log.calls.withLock { $0.append(call) }
      let status = log.statuses.withLock { $0.isEmpty ? 204 : $0.removeFirst() }
      return HTTPResponse(status: status)
    }
  }

  func url(_ path: String) -> String { "http://127.0.0.1:\(server.port)\(path)" }

  var calls: [Call] { log.calls.withLock { $0 } }

  /// The statuses that arrived for `sid`, in the order of their arrival.
  func statuses(of sid: String) -> [String] {
    calls.filter { $0.form["MessageSid"] == sid }.compactMap(\.status)
  }

  /// Answers the next calls with these statuses, then with 204 again.
  func answerNext(with statuses: [Int]) { log.statuses.withLock { $0 = statuses } }

  func stop() async { await server.stop(graceMillis: 1000) }

  private static func call(_ request: HTTPRequest) -> Call {
    let form = FormCoding.decode(bytes: request.body)
    let keys = TwilioSignature.Keys(authTokens: [SandboxFixture.token])
    let url = "http://\(request.headers["Host"] ?? "")\(request.rawTarget)"
    return Call(
      path: request.path,
      form: Dictionary(form.map { ($0.name, $0.value) }) { first, _ in first },
      isValid: TwilioSignature.isValid(request, url: url, keys: keys))
  }
}
