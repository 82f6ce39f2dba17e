import Application
import Crypto
import Domain
import EventLog
import Foundation
import HTTP
import JSON
import SendGridProvider
import TwilioProvider

/// The write side with its reactors and the real adapters of Twilio and SendGrid, as `serve` has them: what a
/// blast and its answers pass through. The sandbox behind it is a process of its own, as under `up`.
final class SendingHouse: Sendable {
  /// The real clock, moved to an hour at which people are texted everywhere.
  struct DayClock: WallClock {
    private static let system = Application.SystemClock()
    private let offsetMicros: Int64

    init() {
      // A Friday, 15:00 in New York.
      offsetMicros = 1_795_204_800_000_000 - Self.system.nowMicros()
    }

    func nowMicros() -> Micros { Self.system.nowMicros() + offsetMicros }
  }

  let log: LMDBEventLog
  let engine: Engine
  let sandbox: SandboxProcess
  let client = HTTPClient()
  private let callbacks: HTTPServer
  private let host: ReactorHost
  private let directory: String
  private let links: OutboundLinks

  static let call = Call(actor: "system:bench", origin: "bench", correlation: "")
  static let number = "+12125550100"
  static let accountSID = "AC" + String(repeating: "be", count: 16)
  static let token = "bench-token"
  static let mailKey = "SG.bench"

  init(_ directory: String) async throws {
    self.directory = directory
    log = try LMDBEventLog(directory: directory + "/log")
    let engine = try Engine(
      log: log,
      tools: Tools(
        clock: DayClock(), random: SystemRandom(), numbers: PhoneBook(), zones: SystemZoneClock()))
    self.engine = engine
    sandbox = try await SandboxProcess(home: directory + "/sandbox")
    let tokens = LinkTokens(secret: [1])
    callbacks = try HTTPServer(host: "127.0.0.1", port: 0) { request in
      await Self.answer(request, engine, tokens)
    }
    links = OutboundLinks(publicURL: "http://127.0.0.1:\(callbacks.port)", tokens: tokens)
    host = try ReactorHost(
      engine: engine,
      providers: MessageProviders([
        TwilioProvider(client: client), SendGridProvider(client: client),
      ]),
      webhookClient: client, settings: ReactorSettings(links: links),
      cursorDirectory: directory + "/cursors",
      hold: SendingHold(path: directory + "/restored.json") { 0 },
      report: { _ in })
    host.start()
  }

  func close() async throws {
    await host.stop()
    await callbacks.stop(graceMillis: 1_000)
    try await sandbox.stop()
    await log.close()
    client.close()
  }

  func control(_ path: String, _ body: JSON? = nil) async throws -> JSON {
    let answer = try await client.send(
      ClientRequest(
        method: body == nil ? "GET" : "POST", url: sandbox.url + path,
        headers: ["Content-Type": "application/json"], body: body?.bytes() ?? []))
    // A house whose world outside was not set up measures nothing, for ever.
    guard (200..<300).contains(answer.status) else { throw CocoaError(.featureUnsupported) }
    return try JSON(parsing: answer.body)
  }

  /// An org that can text, with money.
  func org() async throws -> OrgExecutor {
    let executor = try await engine.createOrg(
      NewOrg(
        name: "Bench", kind: .direct, agency: nil, timeZone: "America/New_York",
        isTest: false, clockOffsetMicros: 0), Self.call)
    let callbackURL = "http://127.0.0.1:\(callbacks.port)/webhooks/twilio/\(executor.org)"
    _ = try await control(
      "/sandbox/accounts",
      [
        "account_sid": .string(Self.accountSID), "auth_token": .string(Self.token),
        "numbers": [
          ["phone": .string(Self.number), "inbound_url": .string(callbackURL + "/messages")]
        ],
      ])
    let settings = SMSSettings(
      from: Self.number, accountSID: Self.accountSID, baseURL: sandbox.url,
      authToken: .known(Self.token))
    _ = try await executor.perform(Self.call) { workspace throws(CommandError) in
      try workspace.configureSMS(settings)
      try workspace.addFunds(
        amountMicros: 100_000_000_000, paymentID: "bench", method: "manual")
    }
    return executor
  }

  /// Sets the org up for mail too.
  func useMail(_ executor: OrgExecutor) async throws {
    let hooks = "http://127.0.0.1:\(callbacks.port)/webhooks/sendgrid/\(executor.org)"
    let account = try await control(
      "/sandbox/mail-accounts",
      ["api_key": .string(Self.mailKey), "event_url": .string(hooks + "/events")])
    let settings = ProviderSettings(
      service: .email, provider: SendGridProvider.name, baseURL: sandbox.url,
      options: [
        "from": "hello@bench.example", "webhook_public_key": account["public_key"]?.string ?? "",
      ], secrets: .known(["api_key": Self.mailKey]))
    _ = try await executor.perform(Self.call) { workspace throws(CommandError) in
      try workspace.setPostalAddress("1 Harbor Road, Duluth, MN 55802")
      try workspace.configureProvider(settings)
    }
  }

  /// `count` people with consent in New York, tagged `all`, and a campaign to them.
  func audience(
    _ count: Int, on channel: Channel = .sms, of executor: OrgExecutor
  ) async throws -> Identifier {
    let consent = ConsentRequest(
      channel: channel, purpose: .marketing, method: .webForm, source: "bench", wording: "I agree")
    for start in stride(from: 0, to: count, by: 2_000) {
      _ = try await executor.perform(Self.call) { workspace throws(CommandError) in
        for index in start..<min(start + 2_000, count) {
          _ = try workspace.createContact(
            ContactRequest(
              details: ContactDetails(
                firstName: "Ann", lastName: "No\(index)",
                email: channel == .email ? "ann\(index)@people.example" : nil,
                phone: Self.phone(index)),
              source: "bench", tags: ["all"], consents: [consent]))
        }
      }
    }
    let done = try await executor.perform(Self.call) { workspace throws(CommandError) in
      let segment = try workspace.createSegment(
        name: "all",
        filter: .condition(
          Filter.Condition(field: "tags", comparison: .contains, value: .text("all"))))
      var definition = CampaignDefinition(
        name: "Blast", segment: segment, channel: channel, purpose: .marketing,
        body: "Hi {{first_name|there}}, doors open at nine.")
      if channel == .email {
        definition.subject = "{{first_name|You}}, doors open at nine"
        definition.html = Self.page
      }
      return try workspace.createCampaign(definition)
    }
    guard let campaign = done.output else { throw CocoaError(.featureUnsupported) }
    return campaign
  }

  /// About as much as a newsletter of a few paragraphs has, with two links.
  private static let page =
    "<html><body><h1>Hi {{first_name|there}}</h1>"
    + String(repeating: "<p>Doors open at nine, and close when everybody is served.</p>", count: 20)
    + #"<p><a href="https://bench.example/hours">Hours</a> "#
    + #"<a href="https://bench.example/way?from=mail">The way</a></p></body></html>"#

  /// Within the area codes of New York.
  static func phone(_ index: Int) -> String {
    "+1\([212, 315, 332, 347, 516][index / 100_000 % 5])\(2_000_000 + index % 100_000)"
  }

  // MARK: - Callbacks

  /// The provider's two webhooks, with their signatures checked, as the API answers them.
  private static func answer(
    _ request: HTTPRequest, _ engine: Engine, _ tokens: LinkTokens
  ) async -> HTTPResponse {
    if request.pathSegments.first == "m" { return await visited(request, engine, tokens) }
    guard request.pathSegments.count == 4,
      let org = Identifier(request.pathSegments[2], kind: .org)
    else { return HTTPResponse(status: 404) }
    do {
      let executor = try engine.executor(for: org)
      if request.pathSegments[1] == SendGridProvider.name {
        return try await SendGridWebhooks().take(
          WebhookCall(
            request: request, hook: request.pathSegments[3], url: "", executor: executor,
            requestID: "", nowMicros: Application.SystemClock().nowMicros()))
      }
      let url = "http://\(request.headers["Host"] ?? "")\(request.rawTarget)"
      guard TwilioSignature.isValid(request, url: url, keys: .init(authTokens: [token])) else {
        return HTTPResponse(status: 403)
      }
      let form = FormCoding.decode(bytes: request.body)
      if request.pathSegments[3] == "status" {
        let callback = try TwilioStatusCallback(form: form)
        guard callback.status.kind != nil else { return HTTPResponse(status: 204) }
        guard let id = request.queryValue("message").flatMap({ Identifier($0, kind: .message) })
        else { return HTTPResponse(status: 400) }
        _ = try await executor.perform(call) { workspace throws(CommandError) in
          guard let news = callback.providerStatus(atMicros: workspace.nowMicros) else { return }
          try workspace.record(news, for: id)
        }
      } else {
        let message = try TwilioInboundMessage(form: form)
        _ = try await executor.perform(call) { workspace throws(CommandError) in
          try workspace.receive(
            InboundText(
              from: message.from, to: message.to, body: message.body,
              providerID: message.messageSID, segmentCount: message.segmentCount))
        }
      }
      return HTTPResponse(status: 204)
    } catch {
      return HTTPResponse(status: 503)
    }
  }

  /// The pixel and the links of a mail, on disk before they are answered, as the API has them.
  private static func visited(
    _ request: HTTPRequest, _ engine: Engine, _ tokens: LinkTokens
  ) async -> HTTPResponse {
    let pieces = request.pathSegments
    let kind: LinkTokens.Kind = pieces.dropFirst().first == "c" ? .click : .open
    guard pieces.count == 3, let link = tokens.link(kind, in: pieces[2]) else {
      return HTTPResponse(status: 404)
    }
    do {
      _ = try await engine.executor(for: link.org).perform(call) { workspace throws(CommandError) in
        try workspace.record(
          kind == .click
            ? .clicked(link: link.index, isMachine: false) : .opened(isMachine: false),
          for: link.message)
      }
      return HTTPResponse(status: kind == .click ? 302 : 200)
    } catch {
      return HTTPResponse(status: 503)
    }
  }

  /// Somebody opens the mail and follows its first link. Returns how long each took to be on disk.
  func visit(_ message: Identifier, _ org: Identifier) async throws -> [Int64] {
    var took: [Int64] = []
    for url in [links.open(org, message), links.click(org, message, 0)] {
      let before = EventLog.SystemClock.monotonicNanos()
      let answer = try await client.send(ClientRequest(method: "GET", url: url))
      guard answer.status < 400 else { throw CocoaError(.featureUnsupported) }
      took.append(EventLog.SystemClock.monotonicNanos() - before)
    }
    return took
  }

  /// A person's text by the provider's webhook, signed. Returns when it is answered.
  func inbound(_ body: String, from phone: String, _ org: Identifier) async throws {
    let fields = [
      ("AccountSid", Self.accountSID), ("Body", body), ("From", phone),
      ("MessageSid", "SM" + Hex.encode(Random.bytes(16))), ("NumMedia", "0"),
      ("NumSegments", "1"), ("To", Self.number),
    ]
    let url = "http://127.0.0.1:\(callbacks.port)/webhooks/twilio/\(org)/messages"
    // The rule of the provider: the address, then each field's name and value, by name.
    let signed = fields.reduce(url) { $0 + $1.0 + $1.1 }
    let signature = Base64.encode(
      HMACSHA1.authenticate(Array(signed.utf8), key: Array(Self.token.utf8)))
    let form = fields.map { "\($0.0)=\(PercentCoding.encode($0.1))" }.joined(separator: "&")
    let answer = try await client.send(
      ClientRequest(
        method: "POST", url: url,
        headers: [
          "Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature,
        ], body: Array(form.utf8)))
    guard answer.status == 204 else { throw CocoaError(.featureUnsupported) }
  }
}
