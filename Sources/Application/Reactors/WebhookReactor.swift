import Crypto
import Domain
import EventCodec
import EventLog
import HTTP
import JSON

/// When a delivery that failed is tried again, and when it is given up.
package enum WebhookSchedule {
  /// Seconds between attempts: Standard Webhooks' example schedule, about three days in all.
  package static let delaySeconds: [Int64] = [
    5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
  ]

  /// Microseconds until the attempt after number `attempt` (from 1), spread by up to a tenth;
  /// nil: that was the last.
  static func delayMicros(after attempt: Int, random: UInt64) -> Int64? {
    guard attempt >= 1, attempt <= delaySeconds.count else { return nil }
    let micros = delaySeconds[attempt - 1] * 1_000_000
    return micros + Int64(random % UInt64(micros / 10))
  }
}

/// Delivers one org's events to its webhook endpoints. The log is the queue: each endpoint has a
/// cursor of its own, gets its events in order, and blocks nobody but itself.
struct WebhookReactor: Sendable {
  let executor: OrgExecutor
  let log: any EventReader
  let client: HTTPClient
  let cursorDirectory: String
  let report: @Sendable (String) -> Void

  /// Keeps one delivery task running for each endpoint that is enabled.
  func run() async {
    await withDiscardingTaskGroup { group in
      var running: Set<Identifier> = []
      let ended = EndedEndpoints()
      while !Task.isCancelled {
        let seen = executor.changes.generation
        running.subtract(await ended.take())
        for endpoint in await enabledEndpoints() where running.insert(endpoint).inserted {
          group.addTask {
            await deliver(to: endpoint)
            await ended.add(endpoint)
            // It may have been enabled again meanwhile.
            if !Task.isCancelled { executor.changes.raise() }
          }
        }
        await executor.changes.wait(beyond: seen, timeout: nil)
      }
    }
  }

  private actor EndedEndpoints {
    private var endpoints: Set<Identifier> = []
    func add(_ endpoint: Identifier) { endpoints.insert(endpoint) }
    func take() -> Set<Identifier> {
      defer { endpoints = [] }
      return endpoints
    }
  }

  private func enabledEndpoints() async -> [Identifier] {
    do {
      return try await executor.enabledWebhookEndpoints()
    } catch {
      report("webhooks: \(error)")
      return []
    }
  }

  /// Delivers until the endpoint is disabled or deleted.
  private func deliver(to endpoint: Identifier) async {
    while !Task.isCancelled {
      do {
        guard let target = try await executor.webhookTarget(endpoint) else { return }
        var cursor = try DeliveryCursor(
          file: CursorFile(directory: cursorDirectory, name: endpoint.text), target: target)
        let seen = executor.changes.generation
        if try await deliverNext(to: target, &cursor) { continue }
        await executor.changes.wait(beyond: seen, timeout: nil)
      } catch is CancellationError {
        return
      } catch {
        report("webhook \(endpoint): \(error)")
        // Cut short only by cancellation, which the loop notices itself.
        try? await Task.sleep(for: .seconds(1))
      }
    }
  }

  /// Works through the next stretch of the org's book; false where there is nothing new.
  private func deliverNext(
    to target: WebhookTarget, _ cursor: inout DeliveryCursor
  ) async throws -> Bool {
    let events = try log.readOrg(
      OrgID(executor.org.value), from: cursor.sequence, limit: 200)
    guard !events.isEmpty else { return false }
    for event in events {
      if target.wants(event.type) {
        guard try await deliver(event, to: target, &cursor) else { return true }
      }
      cursor.advance(beyond: event)
      if target.wants(event.type) { try cursor.save() }
    }
    try cursor.save()
    return true
  }

  /// One event, once or again later. False where the endpoint has to be looked at anew.
  private func deliver(
    _ event: RecordedEvent, to target: WebhookTarget, _ cursor: inout DeliveryCursor
  ) async throws -> Bool {
    while true {
      let seen = executor.changes.generation
      guard !Task.isCancelled, try await executor.webhookTarget(target.id) == target else {
        return false
      }
      let waitMicros = cursor.retryAtMicros - (await executor.realMicros)
      guard waitMicros > 0 else { break }
      await executor.changes.wait(beyond: seen, timeout: .microseconds(waitMicros))
    }
    let failure = await attempt(event, target)
    guard let failure else { return true }
    try await record(failure, of: event, target, &cursor)
    return false
  }

  /// nil: delivered.
  private func attempt(_ event: RecordedEvent, _ target: WebhookTarget) async -> DeliveryFailure? {
    do {
      let object = try EventJSON.object(event)
      let body = WebhookMessage.body(of: object)
      var headers: HTTPHeaders = ["content-type": "application/json"]
      let sentAtSeconds = await executor.realMicros / 1_000_000
      let id = object["id"]?.string ?? ""
      headers.set("webhook-id", id)
      headers.set("webhook-timestamp", String(sentAtSeconds))
      headers.set(
        "webhook-signature",
        try WebhookMessage.signature(
          id: id, timestampSeconds: sentAtSeconds, body: body, secret: target.secret))
      let response = try await client.send(
        ClientRequest(
          method: "POST", url: target.url, headers: headers, body: body, timeoutMillis: 20_000))
      switch response.status {
      case 200..<300: return nil
      case 410: return .gone
      default: return .failed(reason: "status \(response.status)")
      }
    } catch let error as HTTPClientError {
      return .failed(reason: error.code)
    } catch {
      return .failed(reason: "\(error)")
    }
  }

  private enum DeliveryFailure {
    case failed(reason: String)
    /// The subscriber wants no more.
    case gone
  }

  private func record(
    _ failure: DeliveryFailure, of event: RecordedEvent, _ target: WebhookTarget,
    _ cursor: inout DeliveryCursor
  ) async throws {
    let attempt = cursor.attempt + 1
    let nowMicros = await executor.realMicros
    var disabled: String?
    var delayMicros: Int64?
    var reason = "gone"
    switch failure {
    case .gone:
      disabled = "The endpoint answered 410 Gone."
    case .failed(let text):
      reason = text
      delayMicros = WebhookSchedule.delayMicros(after: attempt, random: Random.uint64())
      if delayMicros == nil { disabled = "Every attempt over three days failed." }
    }
    let retryAtMicros = delayMicros.map { nowMicros + $0 }
    let call = Call(
      actor: "system:webhooks", origin: "reactor", correlation: event.context.correlation,
      causation: event.position, depth: event.context.depth + 1)
    _ = try await executor.perform(call) { [reason, disabled] workspace throws(CommandError) in
      try workspace.change(
        target.id,
        by: .recordFailure(
          position: event.position, attempt: attempt, reason: reason,
          retryAtMicros: retryAtMicros))
      if let disabled { try workspace.change(target.id, by: .disable(reason: disabled)) }
    }
    // Once enabled again it goes on with the same event, from the first attempt.
    cursor.retry(attempt: disabled == nil ? attempt : 0, atMicros: retryAtMicros ?? 0)
    try cursor.save()
  }
}

/// Where an endpoint stands in its org's book.
private struct DeliveryCursor {
  private let file: CursorFile
  private(set) var sequence: UInt64
  private(set) var attempt: Int
  private(set) var retryAtMicros: Micros

  init(file: CursorFile, target: WebhookTarget) throws {
    self.file = file
    let saved = try file.read()
    sequence = saved?["sequence"]?.int.flatMap { UInt64(exactly: $0) } ?? target.firstSequence
    attempt = Int(saved?["attempt"]?.int ?? 0)
    retryAtMicros = saved?["retry_at_micros"]?.int ?? 0
  }

  mutating func advance(beyond event: RecordedEvent) {
    sequence = event.orgSequence + 1
    attempt = 0
    retryAtMicros = 0
  }

  mutating func retry(attempt: Int, atMicros: Micros) {
    self.attempt = attempt
    retryAtMicros = atMicros
  }

  func save() throws {
    try file.write([
      "sequence": .int(Int64(sequence)), "attempt": JSON(attempt),
      "retry_at_micros": .int(retryAtMicros),
    ])
  }
}

/// An enabled endpoint as deliveries need it.
struct WebhookTarget: Sendable, Equatable {
  let id: Identifier
  let url: String
  let types: [String]
  let secret: String
  /// The event after its creation.
  let firstSequence: UInt64

  /// `*` is everything but the deliveries' own failures, which would feed themselves.
  func wants(_ type: String) -> Bool {
    guard type != "webhook.delivery_failed" else { return types.contains(type) }
    return WebhookEndpoint.covers(types, type: type)
  }
}

extension OrgExecutor {
  func enabledWebhookEndpoints() throws(CommandError) -> [Identifier] {
    try withState { state in
      state.tables.webhookEndpoints.filter { $0.value.isEnabled && !$0.value.isDeleted }
        .keys.sorted()
    }
  }

  func webhookTarget(_ id: Identifier) throws(CommandError) -> WebhookTarget? {
    try withState { state in
      guard let endpoint = state.tables.webhookEndpoints[id], endpoint.isEnabled,
        !endpoint.isDeleted, let secret = endpoint.secret, let createdAt = state.webhooks[id]
      else { return nil }
      return WebhookTarget(
        id: id, url: endpoint.url, types: endpoint.types, secret: secret,
        firstSequence: createdAt + 1)
    }
  }
}

/// A Standard Webhooks message. Source: standardwebhooks.com, specification 1.0.
package enum WebhookMessage {
  package static func newSecret() -> String { "whsec_" + Base64.encode(Random.bytes(32)) }

  static func body(of event: JSON) -> [UInt8] {
    JSON.object(
      JSONObject([
        ("type", event["type"] ?? .null), ("timestamp", event["occurred_at"] ?? .null),
        ("data", event),
      ])
    ).bytes()
  }

  package static func signature(
    id: String, timestampSeconds: Int64, body: [UInt8], secret: String
  ) throws(CryptoError) -> String {
    let key = try Base64.decode(secret.dropFirst("whsec_".count))
    let signed = Array("\(id).\(timestampSeconds).".utf8) + body
    return "v1," + Base64.encode(HMACSHA256.authenticate(signed, key: key))
  }
}
