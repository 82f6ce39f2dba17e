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
  let board: DeliveryBoard
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
        if let redelivery = target.redeliveries.first {
          try await redeliver(redelivery, to: target)
          continue
        }
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
      if target.wants(event) {
        guard try await deliver(event, to: target, &cursor) else { return true }
      }
      cursor.advance(beyond: event)
      board.advance(target.id, to: event.position)
      if target.wants(event) { try cursor.save() }
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
    let failure = await attempt(event, target, number: cursor.attempt + 1)
    guard let failure else { return true }
    try await record(failure, of: event, target, &cursor)
    return false
  }

  /// Every event of a stretch of the log once more, one attempt each.
  private func redeliver(
    _ redelivery: WebhookEndpoint.Redelivery, to target: WebhookTarget
  ) async throws {
    var position = redelivery.from - 1
    var deliveredCount = 0
    var failedCount = 0
    while position < redelivery.to, !Task.isCancelled {
      let page = try log.read(
        after: position, limit: 200, filter: EventFilter(org: OrgID(executor.org.value)))
      for event in page.events where event.position <= redelivery.to && target.wants(event) {
        let failure = await attempt(event, target, number: 1, isRedelivery: true)
        if failure == nil { deliveredCount += 1 } else { failedCount += 1 }
      }
      guard page.scannedTo > position else { break }
      position = page.scannedTo
    }
    // Cut off in the middle, it begins again with the next start: subscribers know the ids.
    try Task.checkCancellation()
    let call = Call(
      actor: "system:webhooks", origin: "reactor", correlation: target.id.text, depth: 1)
    _ = try await executor.perform(call) {
      [deliveredCount, failedCount] workspace throws(CommandError) in
      try workspace.change(
        target.id,
        by: .finishRedelivery(deliveredCount: deliveredCount, failedCount: failedCount))
    }
  }

  /// nil: delivered.
  private func attempt(
    _ event: RecordedEvent, _ target: WebhookTarget, number: Int, isRedelivery: Bool = false
  ) async -> DeliveryFailure? {
    let sentAtMicros = await executor.realMicros
    var delivery = DeliveryBoard.Delivery(
      event: RecordedDomainEvent.eventID(of: event), type: event.type, position: event.position,
      attempt: number, atMicros: sentAtMicros, tookMillis: 0, status: nil, error: nil, response: "",
      isRedelivery: isRedelivery)
    var failure: DeliveryFailure?
    do {
      let response = try await client.send(
        try request(for: event, target, nowMicros: sentAtMicros))
      delivery.status = response.status
      delivery.response = String(decoding: response.body.prefix(500), as: UTF8.self)
      failure = Self.failure(response)
    } catch let error as HTTPClientError {
      failure = .failed(reason: error.code, askedMicros: 0)
    } catch {
      failure = .failed(reason: "\(error)", askedMicros: 0)
    }
    if case .failed(let reason, _)? = failure { delivery.error = reason }
    delivery.tookMillis = (await executor.realMicros - sentAtMicros) / 1_000
    board.note(delivery, of: target.id)
    return failure
  }

  private func request(
    for event: RecordedEvent, _ target: WebhookTarget, nowMicros: Micros
  ) throws -> ClientRequest {
    let object = try EventJSON.object(event)
    let body = WebhookMessage.body(of: object, target.style)
    let id = object["id"]?.string ?? ""
    var headers: HTTPHeaders = ["content-type": WebhookMessage.contentType(target.style)]
    headers.set("webhook-id", id)
    headers.set("webhook-timestamp", String(nowMicros / 1_000_000))
    headers.set(
      "webhook-signature",
      try WebhookMessage.signature(
        id: id, timestampSeconds: nowMicros / 1_000_000, body: body,
        secrets: target.secrets(atMicros: nowMicros)))
    return ClientRequest(
      method: "POST", url: target.url, headers: headers, body: body, timeoutMillis: 20_000)
  }

  private static func failure(_ response: ClientResponse) -> DeliveryFailure? {
    switch response.status {
    case 200..<300: return nil
    case 410: return .gone
    default:
      let seconds = response.headers["retry-after"].flatMap { Int64($0) } ?? 0
      // A day is as long as any of our own waits.
      let askedMicros = min(max(0, seconds), 86_400) * 1_000_000
      return .failed(reason: "status \(response.status)", askedMicros: askedMicros)
    }
  }

  private enum DeliveryFailure {
    /// `askedMicros`: how long the subscriber asked to be left alone.
    case failed(reason: String, askedMicros: Int64)
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
    case .failed(let text, let askedMicros):
      reason = text
      delayMicros = WebhookSchedule.delayMicros(after: attempt, random: Random.uint64())
        .map { max($0, askedMicros) }
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
    board.fail(target.id, failureCount: attempt, retryAtMicros: retryAtMicros)
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
  let previousSecret: String?
  let previousUntilMicros: Micros
  let style: WebhookEndpoint.Style
  let redeliveries: [WebhookEndpoint.Redelivery]
  /// The event after its creation.
  let firstSequence: UInt64

  func secrets(atMicros: Micros) -> [String] {
    guard let previousSecret, atMicros < previousUntilMicros else { return [secret] }
    return [secret, previousSecret]
  }

  /// What it subscribed to, and its own test.
  func wants(_ event: RecordedEvent) -> Bool {
    wants(event.type) || (event.type == "webhook_endpoint.tested" && event.stream.value == id.value)
  }

  /// `*` is everything but the deliveries' own failures, which would feed themselves.
  private func wants(_ type: String) -> Bool {
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
        previousSecret: endpoint.previousSecret, previousUntilMicros: endpoint.previousUntilMicros,
        style: endpoint.style, redeliveries: endpoint.redeliveries,
        firstSequence: createdAt + 1)
    }
  }
}
