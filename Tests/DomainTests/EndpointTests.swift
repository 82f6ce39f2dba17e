import Domain
import Testing

@Suite struct WebhookEndpointTests {
  static let created = WebhookEndpoint.Event.created(
    url: "https://a.example/hook", types: ["message.*"], secret: .known("whsec_1"))

  static func create(
    _ url: String = "https://a.example/hook", _ types: [String] = ["message.*"]
  ) -> WebhookEndpoint.Command {
    .create(url: url, types: types, secret: "whsec_1")
  }

  @Test func `an endpoint is created once and enabled`() {
    Given(WebhookEndpoint.self).when(Self.create()).then(Self.created)
    Given(WebhookEndpoint.self, Self.created).when(Self.create()).thenRejected(.alreadyExists)
    #expect(WebhookEndpoint.state(after: [Self.created]).isEnabled)
  }

  @Test(arguments: [
    "", "ftp://a.example", "https://", "https:///path", "https://a b.example",
    "https://user:secret@a.example", "http://:80/", "a.example", "https://exämple.com/",
    "https://a.example:0/", "https://a.example:65536/", "https://a.example:x/",
    "https://a.example:+80/",
    "https://127.0.0.1%00.a.example/", "https://a.example\\b/", "https://[::1/", "https://[]/",
    "https://[::1]x/", "https://[.]/", "https://[1:2:3:4:5:6:7]/",
    "https://[1::2::3]/",
    "https://[1:2:3:4:5:6:7::8]/", "https://[:::]/", "https://[12345::]/", "https://[::g]/",
  ])
  func `an endpoint has a web address`(url: String) {
    Given(WebhookEndpoint.self).when(Self.create(url)).thenRejected(.invalidURL)
    Given(WebhookEndpoint.self, Self.created).when(.update(url: url, types: nil))
      .thenRejected(.invalidURL)
  }

  @Test(arguments: [
    "http://127.0.0.1:8080/x?y=1#z", "HTTPS://a.example", "https://a.example:65535?b",
    "https://[2001:db8::1]:8443/x",
    "https://a_b.example",
  ])
  func `any host, port and path will do`(url: String) {
    Given(WebhookEndpoint.self).when(Self.create(url))
      .then(.created(url: url, types: ["message.*"], secret: .known("whsec_1")))
  }

  @Test func `an endpoint wants something`() {
    Given(WebhookEndpoint.self).when(Self.create("https://a.example", [])).thenRejected(.noTypes)
    Given(WebhookEndpoint.self).when(Self.create("https://a.example", ["*", ""]))
      .thenRejected(.noTypes)
  }

  @Test func `an update names the whole definition, and only where it changes`() {
    Given(WebhookEndpoint.self, Self.created).when(.update(url: nil, types: ["*"]))
      .then(.updated(url: "https://a.example/hook", types: ["*"]))
    Given(WebhookEndpoint.self, Self.created).when(.update(url: nil, types: ["message.*"]))
      .thenNothing()
  }

  @Test func `disabling, enabling and deleting happen where they change something`() {
    let off = WebhookEndpoint.Event.disabled(reason: "gone")
    Given(WebhookEndpoint.self, Self.created).when(.disable(reason: "gone")).then(off)
    Given(WebhookEndpoint.self, Self.created, off).when(.disable(reason: "gone")).thenNothing()
    Given(WebhookEndpoint.self, Self.created).when(.enable).thenNothing()
    Given(WebhookEndpoint.self, Self.created, off).when(.enable).then(.enabled)
    Given(WebhookEndpoint.self, Self.created).when(.delete).then(.deleted)
    Given(WebhookEndpoint.self, Self.created, .deleted).when(.delete).thenNothing()
  }

  @Test func `a failure is recorded with its next attempt`() {
    Given(WebhookEndpoint.self, Self.created)
      .when(.recordFailure(position: 9, attempt: 2, reason: "503", retryAtMicros: 7))
      .then(.deliveryFailed(position: 9, attempt: 2, reason: "503", retryAtMicros: 7))
  }

  @Test(
    arguments: [
      .update(url: nil, types: nil), .disable(reason: ""), .enable,
      .recordFailure(position: 1, attempt: 1, reason: "", retryAtMicros: nil),
    ] as [WebhookEndpoint.Command])
  func `an endpoint that is not there or deleted takes nothing`(
    command: WebhookEndpoint.Command
  ) {
    Given(WebhookEndpoint.self).when(command).thenRejected(.notFound)
    Given(WebhookEndpoint.self, Self.created, .deleted).when(command).thenRejected(.notFound)
  }

  @Test(arguments: [
    (["*"], "message.sent", true), (["message.*"], "message.sent", true),
    (["message.sent"], "message.sent", true), (["message.*"], "message", false),
    (["message.*"], "messages.sent", false), (["message.sent"], "message.sent_late", false),
    (["contact.*", "message.sent"], "message.failed", false),
  ])
  func `types are exact, a family or everything`(types: [String], type: String, isWanted: Bool) {
    #expect(WebhookEndpoint.covers(types, type: type) == isWanted)
  }
}

@Suite struct TimerTests {
  static let run = Identifier(.run, 1)
  static let scheduled = Timer.Event.scheduled(owner: run, dueMicros: 5)

  @Test func `a timer is scheduled once`() {
    Given(Timer.self).when(.schedule(owner: Self.run, dueMicros: 5)).then(Self.scheduled)
    Given(Timer.self, Self.scheduled).when(.schedule(owner: Self.run, dueMicros: 5)).thenNothing()
    Given(Timer.self, Self.scheduled).when(.schedule(owner: Self.run, dueMicros: 6))
      .thenRejected(.alreadyScheduled)
    Given(Timer.self, Self.scheduled, .fired).when(.schedule(owner: Self.run, dueMicros: 5))
      .thenRejected(.alreadyScheduled)
  }

  @Test func `a timer fires or is cancelled, once`() {
    Given(Timer.self).when(.fire).thenRejected(.notFound)
    Given(Timer.self).when(.cancel).thenRejected(.notFound)
    Given(Timer.self, Self.scheduled).when(.fire).then(.fired)
    Given(Timer.self, Self.scheduled).when(.cancel).then(.cancelled)
    Given(Timer.self, Self.scheduled, .fired).when(.cancel).thenNothing()
    Given(Timer.self, Self.scheduled, .cancelled).when(.fire).thenNothing()
  }
}

@Suite struct ImportJobTests {
  static let started = ImportJob.Event.started(
    fingerprint: "ab", rowCount: 10, mapping: ["phone"])
  static let outcome = ImportOutcome(
    createdCount: 4, updatedCount: 3, unchangedCount: 2, failedCount: 1)

  @Test func `an import starts once`() {
    let start = ImportJob.Command.start(fingerprint: "ab", rowCount: 10, mapping: ["phone"])
    Given(ImportJob.self).when(start).then(Self.started)
    Given(ImportJob.self, Self.started).when(start).thenRejected(.alreadyStarted)
  }

  @Test func `an import completes once`() {
    Given(ImportJob.self).when(.complete(Self.outcome)).thenRejected(.notFound)
    Given(ImportJob.self, Self.started).when(.complete(Self.outcome))
      .then(.completed(Self.outcome))
    Given(ImportJob.self, Self.started, .completed(Self.outcome)).when(.complete(Self.outcome))
      .thenNothing()
    let other = ImportOutcome(createdCount: 10, updatedCount: 0, unchangedCount: 0, failedCount: 0)
    Given(ImportJob.self, Self.started, .completed(Self.outcome)).when(.complete(other))
      .thenRejected(.alreadyCompleted)
  }

  @Test(arguments: [
    (ImportOutcome(createdCount: 9, updatedCount: 0, unchangedCount: 0, failedCount: 0), 9),
    (ImportOutcome(createdCount: 11, updatedCount: -1, unchangedCount: 0, failedCount: 0), 10),
    (ImportOutcome(createdCount: .max, updatedCount: 1, unchangedCount: 0, failedCount: 0), .min),
  ])
  func `every row ends in one way`(outcome: ImportOutcome, ended: Int) {
    Given(ImportJob.self, Self.started).when(.complete(outcome))
      .thenRejected(.notConserved(rows: 10, ended: ended))
  }
}
