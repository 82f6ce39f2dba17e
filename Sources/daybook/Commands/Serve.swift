import API
import Application
import CLI
import Crypto
import EventLog
import Foundation
import HTTP
import JSON
import Logging
import Postgres
import SendGridProvider
import StripeProvider
import TwilioProvider

let serveCommand = Command(
  "serve", "run the API, the console and the reactors; the only writer of the log",
  details: """
    With --tls-cert and --tls-key it speaks HTTPS, and TLS 1.3 alone.
    """,
  options: [
    supervisedOption, privateWebhooksOption, withSandboxOption, certificateOption, keyOption,
    snapshotOption,
    proxiesOption, connectionsOption,
  ],
  isLongRunning: true
) { invocation in
  let reach = Reach(
    allowsPrivateWebhooks: invocation.has(privateWebhooksOption.flag),
    sandboxURL: invocation.has(withSandboxOption.flag) ? invocation.settings.sandboxURL : nil,
    sandboxPort: invocation.settings.sandboxPort)
  let tls = try tlsFiles(invocation)
  let snapshotEvents = try snapshotEventCount(invocation)
  let limits = try httpLimits(invocation)
  return try await runService("serve", invocation) { context in
    try await startServe(
      context, tls: tls, limits: limits, reach: reach, snapshotEvents: snapshotEvents)
  }
}

private let certificateOption = Option(
  "--tls-cert", value: "FILE", "the certificate chain as PEM; makes the API HTTPS")
private let keyOption = Option("--tls-key", value: "FILE", "the certificate's private key as PEM")

private func tlsFiles(_ invocation: Invocation) throws(UsageError) -> HTTPTLS? {
  switch (invocation.value(certificateOption.flag), invocation.value(keyOption.flag)) {
  case (nil, nil): return nil
  case (let certificate?, let key?): return HTTPTLS(certificatePath: certificate, keyPath: key)
  default:
    throw UsageError("--tls-cert and --tls-key belong together: give both.", command: "serve")
  }
}

private let proxiesOption = Option(
  "--proxies", value: "NETWORKS",
  "proxies before the API, as 10.0.0.7,10.1.0.0/16: any number of connections comes from them")
private let connectionsOption = Option(
  "--connections-per-address", value: "COUNT",
  "connections of one address at most, but for this machine's and the proxies' (1000)")

private func httpLimits(_ invocation: Invocation) throws(UsageError) -> HTTPLimits {
  var limits = HTTPLimits()
  limits.essentialPaths = ["/livez", "/readyz", "/metrics"]
  if let text = invocation.value(connectionsOption.flag) {
    guard let count = Int(text), (1...limits.maxConnections).contains(count) else {
      throw UsageError(
        "--connections-per-address takes a number from 1 to \(limits.maxConnections).",
        command: "serve")
    }
    limits.maxConnectionsPerAddress = count
  }
  for text in invocation.value(proxiesOption.flag)?.split(separator: ",") ?? [] {
    guard let network = IPNetwork(String(text)) else {
      throw UsageError(
        "--proxies takes addresses and networks such as 10.0.0.7,10.1.0.0/16, not '\(text)'.",
        command: "serve")
    }
    limits.uncountedNetworks.append(network)
  }
  return limits
}

private let snapshotOption = Option(
  "--snapshot-every", value: "EVENTS",
  "make new snapshots after so many events: what the next start has to fold at most (200000)")

private func snapshotEventCount(_ invocation: Invocation) throws(UsageError) -> UInt64 {
  guard let text = invocation.value(snapshotOption.flag) else {
    return SnapshotKeeper.defaultEventCount
  }
  guard let count = UInt64(text), (1...1_000_000_000).contains(count) else {
    throw UsageError("--snapshot-every takes a number from 1 to 1000000000.", command: "serve")
  }
  return count
}

/// For development: subscribers on this machine.
let privateWebhooksOption = Option(
  "--allow-private-webhooks",
  "let webhooks and providers be at private and loopback addresses")

/// For `up`, which runs it.
let withSandboxOption = Option(
  "--with-sandbox", "let accounts have the simulated providers of this machine")

/// Where accounts may have requests sent to: they choose the addresses of webhooks and providers.
private struct Reach {
  let allowsPrivateWebhooks: Bool
  /// The simulated providers; nil: there are none.
  let sandboxURL: String?
  let sandboxPort: Int

  var webhooks: AddressPolicy { allowsPrivateWebhooks ? .anyButLinkLocal : .publicOnly }

  var providers: AddressPolicy {
    sandboxURL == nil ? webhooks : webhooks.admitting([127, 0, 0, 1], port: sandboxPort)
  }
}

/// The providers that this program knows. A further one is a line here.
private func adapters(client: HTTPClient) -> Adapters {
  Adapters([
    Adapter(messages: TwilioProvider(client: client), webhooks: TwilioWebhooks()),
    Adapter(
      description: SendGridProvider.description, messages: SendGridProvider(client: client),
      webhooks: SendGridWebhooks()),
    Adapter(
      description: StripeProvider.description, payments: StripeProvider(client: client),
      webhooks: StripeWebhooks()),
  ])
}

/// The write side and the API in one process: the log has one writer.
private func startServe(
  _ context: ServiceContext, tls: HTTPTLS?, limits: HTTPLimits, reach: Reach,
  snapshotEvents: UInt64
) async throws -> Service {
  System.raiseOpenFileLimit()
  let settings = context.settings
  let log = try LMDBEventLog(directory: settings.home.log)
  let tools = Tools(
    clock: SystemClock(), random: SystemRandom(), numbers: PhoneBook(), zones: SystemZoneClock())
  let snapshots = try snapshotFolder(settings.home) { line in
    context.log.info("a snapshot is not used", ["reason": .string(line)])
  }
  let engine = try Engine(
    log: log, tools: tools, snapshots: snapshots,
    contacts: ContactMemory(folder: settings.home.path) { line in
      context.log.warning("the file of contacts", ["what": .string(line)])
    })
  let loaded = engine.loaded
  context.log.info(
    "the books are read",
    [
      "accounts": JSON(loaded.orgCount), "from_snapshots": JSON(loaded.snapshotCount),
      "events_folded": .int(Int64(loaded.foldedCount)), "milliseconds": .int(loaded.tookMillis),
    ])
  let hold = SendingHold(path: settings.home.restored) { EventLog.SystemClock.nowMicros() }
  let exports = try exportDesk(context, log: log, engine: engine, hold: hold)
  // Before anything else is recorded.
  await RestoreNotes(engine: engine, notary: exports.notary, record: try hold.record()) { line in
    context.log.error("a book is not told of the restore", ["reason": .string(line)])
  }.write()

  var clientSettings = HTTPClientSettings()
  clientSettings.addressPolicy = reach.providers
  let providerClient = HTTPClient(settings: clientSettings)
  clientSettings.addressPolicy = reach.webhooks
  // Of a subscriber's answer nothing is of use but its beginning.
  clientSettings.maxResponseBytes = 256 << 10
  clientSettings.takesCutResponses = true
  let webhookClient = HTTPClient(settings: clientSettings)
  let adapters = adapters(client: providerClient)
  let publicURL = settings.baseURL(isSecure: tls != nil)
  let links = OutboundLinks(
    publicURL: publicURL,
    tokens: LinkTokens(secret: try Secret.read(or: settings.home.linkSecret)))
  if try hold.record()?.isHeld == true {
    context.log.warning("nothing is sent or signed after the restore until 'daybook release'")
  }
  let pool = ReadPool.make(
    connectionString: settings.databaseURL ?? "", size: readConnectionCount)
  let erasing = ErasureTools(eraser: log, rows: PurgedRows(pool: pool)) { org in
    try await exports.discardAll(of: org)
    try snapshots.discard(org)
  }
  let reactors = try ReactorHost(
    engine: engine, providers: adapters.messages, payments: adapters.payments,
    webhookClient: webhookClient, settings: ReactorSettings(links: links),
    cursorDirectory: settings.home.reactors, hold: hold, erasing: erasing
  ) { line in
    context.log.warning("a reactor tries again", ["reason": .string(line)])
  }

  let owners = OwnerPool.make(connectionString: settings.databaseURL ?? "")
  let requests = try RequestLog(directory: settings.home.requests) { line in
    context.log.warning("request log", ["reason": .string(line)])
  }
  let server = try startAPI(
    context, engine: engine, pool: pool, owners: owners, adapters: adapters, links: links,
    exports: exports, hold: hold, requests: requests, tls: tls, limits: limits, reach: reach)
  reactors.start()
  let publisher = CheckpointPublisher(engine: engine, notary: exports.notary, log: log) { line in
    context.log.error("a checkpoint was not published", ["reason": .string(line)])
  }
  publisher.start()
  let keeper = SnapshotKeeper(context, log: log, eventCount: snapshotEvents)
  try keeper.start(foldedCount: loaded.foldedCount)
  let url = settings.localURL(isSecure: tls != nil)
  return Service(details: ["url": .string(url), "port": JSON(server.port)]) {
    await server.stop(graceMillis: 10_000)
    requests.flush()
    try await keeper.stop()
    await publisher.stop()
    await reactors.stop()
    await log.close()
    pool.close()
    owners.close()
    webhookClient.close()
    providerClient.close()
  }
}

private let readConnectionCount = 4

private func exportDesk(
  _ context: ServiceContext, log: LMDBEventLog, engine: Engine, hold: SendingHold
) throws -> ExportDesk {
  let home = context.settings.home
  return try ExportDesk(
    engine: engine, reader: log, notary: Notary(log: log, directory: home.path, hold: hold),
    directory: home.exports
  ) { line in context.log.error("an export failed", ["reason": .string(line)]) }
}

private func startAPI(
  _ context: ServiceContext, engine: Engine, pool: PostgresPool, owners: PostgresPool,
  adapters: Adapters, links: OutboundLinks, exports: ExportDesk, hold: SendingHold,
  requests: RequestLog, tls: HTTPTLS?, limits: HTTPLimits, reach: Reach
) throws -> HTTPServer {
  let settings = context.settings
  var apiSettings = APISettings(
    publicURL: links.publicURL,
    operatorToken: Hex.encode(try Secret.read(or: settings.home.operatorToken)))
  apiSettings.consoleDirectory = consoleDirectory()
  apiSettings.allowsPrivateWebhooks = reach.allowsPrivateWebhooks
  apiSettings.sandboxURL = reach.sandboxURL
  apiSettings.hold = hold
  apiSettings.sharedNetworks = limits.uncountedNetworks
  apiSettings.readConnections = readConnectionCount
  apiSettings.isSecure = tls != nil || links.publicURL.hasPrefix("https://")
  let signatures = try RequestSignature(
    now: engine.tools.clock.nowMicros() / 1_000_000,
    file: NonceFile(path: settings.home.signedRequests) { line in
      context.log.error("signed requests", ["reason": .string(line)])
    })
  let services = Services(
    engine: engine, pool: pool, owners: owners,
    sessions: SessionCodec(secret: try Secret.read(or: settings.home.sessionSecret)),
    settings: apiSettings, adapters: adapters, links: links, exports: exports,
    requests: requests, signatures: signatures
  ) { message, requestID in
    context.log.error(
      "request failed", ["reason": .string(message), "request_id": .string(requestID)])
  }
  let api = APIServer(services: services)
  let log = context.log
  return try HTTPServer(
    host: settings.listenAddress, port: settings.port, limits: limits, tls: tls,
    errorResponder: api.response(to:), isBrief: api.isBrief, isPatient: api.isPatient,
    allowance: api.bodyAllowance
  ) { request in
    let started = ContinuousClock.now
    let response = await api.handle(request)
    let took = ContinuousClock.now - started
    // Reads are many and change nothing; a write's line leads from its id to the events.
    log.write(
      request.method == "GET" && response.status < 500 ? .debug : .info, "request",
      [
        "request_id": JSON(response.headers["request-id"]), "method": .string(request.method),
        "status": JSON(response.status), "milliseconds": .int(Int64(took / .milliseconds(1))),
      ])
    return response
  }
}

/// The built console: beside the sources in a checkout, else beside the executable. nil where nobody built it.
func consoleDirectory() -> String? {
  let executable = URL(filePath: SystemProcesses.executable)
  var folder = executable.deletingLastPathComponent()
  for _ in 0..<5 {
    let candidate = folder.appending(path: "console/dist")
    if FileManager.default.fileExists(
      atPath: candidate.appending(path: "index.html").path(percentEncoded: false))
    {
      return candidate.path(percentEncoded: false)
    }
    folder.deleteLastPathComponent()
  }
  return nil
}

/// A secret of this installation, made on first use and readable by its owner alone.
enum Secret {
  static func read(or path: String) throws -> [UInt8] {
    if let data = FileManager.default.contents(atPath: path) {
      let secret = try Hex.decode(
        String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
      guard secret.count >= 32 else { throw CommandError.secretUnusable(path: path) }
      return secret
    }
    let secret = Random.bytes(32)
    try SecretFile.write(Array((Hex.encode(secret) + "\n").utf8), to: path)
    return secret
  }
}
