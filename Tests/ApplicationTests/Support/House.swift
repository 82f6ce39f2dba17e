import Application
import Domain
import EventCodec
import EventLog
import Foundation
import HTTP
import JSON
import Sandbox
import Synchronization
import Testing
import TwilioProvider

/// The write side as `daybook serve` runs it: engine, reactors and the real Twilio adapter, with the
/// sandbox for the world outside and routes for its callbacks. May be crashed and started again.
final class House: Sendable {
  let directory: String
  let clock: TestClock
  let sandbox: SandboxServer
  let client: HTTPClient
  let webhookClient: HTTPClient
  let snapshots: SnapshotFolder
  let erasures = ErasureProbe()
  private let tools: Tools
  private let settings: ReactorSettings
  private let callbacks: HTTPServer
  private let inside: Inside

  /// What a crash throws away.
  private final class Inside: Sendable {
    struct State {
      var log: any EventLogWriter
      var engine: Engine?
      var host: ReactorHost?
      var reports: [String] = []
      /// Callbacks that are being answered.
      var callbackCount = 0
    }

    let state: Mutex<State>

    init(log: any EventLogWriter) { state = Mutex(State(log: log)) }
  }

  /// Stopped, and not started again yet.
  struct IsDown: Error {}

  var engine: Engine {
    get throws {
      guard let engine = inside.state.withLock({ $0.engine }) else { throw IsDown() }
      return engine
    }
  }

  var log: any EventLogWriter { inside.state.withLock { $0.log } }

  /// What reactors reported, one line each.
  var reports: [String] { inside.state.withLock { $0.reports } }

  var cursorDirectory: String { directory + "/cursors" }

  /// Runs `body` in a house with its reactors running, and takes it down again. `log` nil: one that keeps the house's time.
  static func with(
    at startMicros: Micros = Moment.openMicros, seed: UInt64 = 1,
    log: (any EventLogWriter)? = MemoryEventLog(),
    settings: (inout ReactorSettings) -> Void = { _ in },
    isRunning: Bool = true, _ body: (House) async throws -> Void
  ) async throws {
    let house = try House(at: startMicros, seed: seed, log: log, settings: settings)
    let result: Result<Void, any Error>
    do {
      _ = try await house.control("POST", "/sandbox/faults", ["callback_delay_ms": 0])
      try house.start(reactors: isRunning)
      try await body(house)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await house.close()
    try result.get()
  }

  private init(
    at startMicros: Micros, seed: UInt64, log: (any EventLogWriter)?,
    settings change: (inout ReactorSettings) -> Void
  ) throws {
    directory = NSTemporaryDirectory() + "house-\(UUID().uuidString)"
    let clock = TestClock(startMicros: startMicros)
    self.clock = clock
    snapshots = try SnapshotFolder(
      path: directory + "/snapshots", build: [UInt8](repeating: 1, count: 32))
    tools = Tools(
      clock: clock, random: SeededRandom(seed: seed), numbers: PhoneBook(),
      zones: SystemZoneClock())
    sandbox = try SandboxServer(port: 0, dataDirectory: directory + "/sandbox")
    client = HTTPClient()
    webhookClient = HTTPClient()
    let inside = Inside(log: log ?? MemoryEventLog { clock.nowMicros() })
    self.inside = inside
    callbacks = try HTTPServer(host: "127.0.0.1", port: 0) { request in
      let engine = inside.state.withLock { state in
        state.callbackCount += 1
        return state.engine
      }
      defer { inside.state.withLock { $0.callbackCount -= 1 } }
      return await Self.answer(request, engine: engine)
    }
    var settings = ReactorSettings(
      links: OutboundLinks(
        publicURL: "http://127.0.0.1:\(callbacks.port)", tokens: LinkTokens(secret: [1])))
    settings.doubtGraceMillis = 0
    change(&settings)
    self.settings = settings
  }

  /// Reads the log anew and goes on, as after the start of a process.
  func start(reactors: Bool = true) throws {
    // Room for few, so that contacts are put aside and read back all the time.
    let engine = try Engine(
      log: log, tools: tools, snapshots: snapshots,
      contacts: ContactMemory(hotCount: 8, waitingBytes: 2_000))
    let host = try ReactorHost(
      engine: engine,
      providers: MessageProviders([TwilioProvider(client: client, timeoutMillis: 10_000)]),
      webhookClient: webhookClient, settings: settings, cursorDirectory: cursorDirectory,
      hold: SendingHold(path: restoredPath) { 0 }, erasing: erasing,
      report: { [inside] line in inside.state.withLock { $0.reports.append(line) } })
    inside.state.withLock { state in
      state.engine = engine
      state.host = host
    }
    if reactors { host.start() }
  }

  /// Erasures at once, in a house without read models.
  private var erasing: ErasureTools? {
    guard let eraser = log as? any SubjectEraser else { return nil }
    var tools = ErasureTools(eraser: erasures.probing(eraser), rows: NoRows()) {
      [snapshots, erasures] org in
      erasures.noteDiscarding()
      try snapshots.discard(org)
    }
    tools.collectMillis = 0
    tools.batchLimit = 2
    return tools
  }

  private struct NoRows: ErasedRows {
    func remaining(
      of contacts: [Identifier], in org: Identifier, through position: UInt64
    ) async throws -> Set<Identifier> { [] }
  }

  /// Ends the reactors and forgets everything but the log. Meanwhile callbacks are answered with 503.
  func stop() async {
    let host = inside.state.withLock { state in
      defer { state.host = nil }
      state.engine = nil
      return state.host
    }
    await host?.stop()
    // One that came before still writes by the engine that is going.
    while inside.state.withLock({ $0.callbackCount }) > 0 {
      try? await Task.sleep(for: .milliseconds(1))
    }
  }

  func restart(with log: (any EventLogWriter)? = nil) async throws {
    await stop()
    if let log { inside.state.withLock { $0.log = log } }
    try start()
  }

  private var restoredPath: String { directory + "/restored.json" }

  /// As after `daybook restore`: from the next start on nothing goes out before the release.
  func hold(_ record: RestoreRecord) throws { try record.write(to: restoredPath) }

  func releaseHold() throws -> Bool {
    try SendingHold(path: restoredPath) { [clock] in clock.nowMicros() }.release()
  }

  private func close() async {
    await stop()
    await callbacks.stop(graceMillis: 1_000)
    await sandbox.stop()
    await log.close()
    client.close()
    webhookClient.close()
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// Lets everybody who waits for a moment look at the clock again.
  func advance(byMicros: Int64) throws {
    clock.advance(byMicros: byMicros)
    for executor in try engine.allExecutors {
      executor.work.raise()
      executor.changes.raise()
    }
  }
}

// MARK: - The world outside

extension House {
  func control(
    _ method: String, _ path: String, _ body: JSON? = nil
  ) async throws -> JSON {
    let answer = try await client.send(
      ClientRequest(
        method: method, url: sandbox.url + path, headers: ["Content-Type": "application/json"],
        body: body?.bytes() ?? []))
    try #require((200..<300).contains(answer.status), "\(path)")
    return try JSON(parsing: answer.body)
  }

  func stat(_ name: String) async throws -> Int64? {
    try await control("GET", "/sandbox/stats")[name]?.int
  }

  /// What the sandbox took for this number, by the API.
  func received(by phone: String) async throws -> [JSON] {
    let path = "/sandbox/messages?limit=1000&to=\(PercentCoding.encode(phone))"
    return try await control("GET", path)["data"]?.array?.filter {
      $0["direction"]?.string == "outbound-api"
    } ?? []
  }

  var callbackURL: String { "http://127.0.0.1:\(callbacks.port)" }

  /// The two routes that a provider calls, as the API has them.
  private static func answer(_ request: HTTPRequest, engine: Engine?) async -> HTTPResponse {
    guard let engine, request.pathSegments.count == 4,
      let org = Identifier(request.pathSegments[2], kind: .org)
    else { return HTTPResponse(status: 503) }
    do {
      let executor = try engine.executor(for: org)
      let keys = TwilioSignature.Keys(authTokens: try await executor.providerTokens())
      let url = "http://\(request.headers["Host"] ?? "")\(request.rawTarget)"
      guard TwilioSignature.isValid(request, url: url, keys: keys) else {
        return HTTPResponse(status: 403)
      }
      let form = FormCoding.decode(bytes: request.body)
      if request.pathSegments[3] == "status" {
        try await take(try TwilioStatusCallback(form: form), request, executor)
      } else {
        try await take(try TwilioInboundMessage(form: form), executor)
      }
      return HTTPResponse(status: 204)
    } catch CommandError.notFound {
      // Of a message that a lost log knew: the provider need not try again.
      return HTTPResponse(status: 404)
    } catch {
      return HTTPResponse(status: 503)
    }
  }

  private static func take(
    _ callback: TwilioStatusCallback, _ request: HTTPRequest, _ executor: OrgExecutor
  ) async throws {
    let message = try #require(
      request.queryValue("message").flatMap { Identifier($0, kind: .message) })
    let call = Call(actor: "provider:twilio", origin: "webhook", correlation: "callback")
    _ = try await executor.perform(call) { workspace throws(CommandError) in
      guard let news = callback.providerStatus(atMicros: workspace.nowMicros) else { return }
      try workspace.record(news, for: message)
    }
  }

  private static func take(
    _ message: TwilioInboundMessage, _ executor: OrgExecutor
  ) async throws {
    let call = Call(
      actor: "provider:twilio", origin: "webhook", correlation: "inbound",
      idempotencyKey: IdempotencyName("twilio-inbound:\(message.messageSID)"))
    _ = try await executor.perform(call) { workspace throws(CommandError) in
      try workspace.receive(
        InboundText(
          from: message.from, to: message.to, body: message.body, providerID: message.messageSID,
          segmentCount: message.segmentCount, declared: message.optOutType?.keyword))
    }
  }
}
