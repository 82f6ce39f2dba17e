import Domain
import EventLog
import HTTP

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
/// cursor of its own, and blocks nobody but itself.
struct WebhookReactor: Sendable {
  let executor: OrgExecutor
  let log: any EventReader
  let client: HTTPClient
  let cursorDirectory: String
  let board: DeliveryBoard
  let report: @Sendable (String) -> Void

  /// Keeps one courier running for each endpoint that is enabled.
  func run() async {
    await withDiscardingTaskGroup { group in
      var running: Set<Identifier> = []
      let ended = EndedEndpoints()
      while !Task.isCancelled {
        let seen = executor.work.generation
        running.subtract(await ended.take())
        for endpoint in await enabledEndpoints() where running.insert(endpoint).inserted {
          group.addTask {
            await deliver(to: endpoint)
            await ended.add(endpoint)
            // It may have been enabled again meanwhile.
            if !Task.isCancelled { executor.work.raise() }
          }
        }
        await executor.work.wait(beyond: seen, timeout: nil)
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

  /// Delivers until the endpoint is disabled or deleted; what fails in the house is tried again.
  private func deliver(to endpoint: Identifier) async {
    let attempts = DeliveryAttempts(
      executor: executor, client: client, board: board, report: report)
    while !Task.isCancelled {
      do {
        let courier = EndpointCourier(
          endpoint: endpoint, executor: executor, log: log, attempts: attempts, board: board,
          file: CursorFile(directory: cursorDirectory, name: endpoint.text), report: report)
        return try await courier.run()
      } catch is CancellationError {
        return
      } catch {
        report("webhook \(endpoint): \(error)")
        // Cut short only by cancellation, which the loop notices itself.
        try? await Task.sleep(for: .seconds(1))
      }
    }
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
  /// What the catalogue's names among `types` are; nil where there are none.
  let others: EventSelection?
  /// The event after its creation.
  let firstSequence: UInt64
  /// What came before it waited until the endpoint was resumed or enabled; 0: it never was.
  let resumedSequence: UInt64

  func secrets(atMicros: Micros) -> [String] {
    guard let previousSecret, atMicros < previousUntilMicros else { return [secret] }
    return [secret, previousSecret]
  }

  /// What it subscribed to, by our names or the catalogue's, and its own test.
  func wants(_ event: RecordedEvent, _ log: any EventReader) throws -> Bool {
    if wants(event.type) { return true }
    if event.type == "webhook_endpoint.tested", event.stream.value == id.value { return true }
    return try others?.includes(event.type) { try EventNames.channel(of: event, log) } ?? false
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
      guard state.settings.status != .archived else { return [] }
      return state.tables.webhookEndpoints.filter { $0.value.takesDeliveries }
        .keys.sorted()
    }
  }

  func webhookTarget(_ id: Identifier) throws(CommandError) -> WebhookTarget? {
    try withState { state in
      guard let endpoint = state.tables.webhookEndpoints[id], endpoint.takesDeliveries,
        // Nothing goes out of an archived account; its place is kept, as with a pause.
        state.settings.status != .archived,
        let secret = endpoint.secret, let createdAt = state.webhooks[id]
      else { return nil }
      return WebhookTarget(
        id: id, url: endpoint.url, types: endpoint.types, secret: secret,
        previousSecret: endpoint.previousSecret, previousUntilMicros: endpoint.previousUntilMicros,
        style: endpoint.style, redeliveries: endpoint.redeliveries,
        others: EventSelection(catalogued: endpoint.types), firstSequence: createdAt + 1,
        resumedSequence: state.webhookResumptions[id] ?? 0)
    }
  }
}

extension Workspace {
  /// The endpoints that were not deleted, oldest first.
  package var webhookEndpoints: [Identifier] {
    state.tables.webhookEndpoints.filter { !$0.value.isDeleted }.keys.sorted()
  }

  /// Whether the endpoint is enabled, takes its events where `target` says, and was not let go on since: what an attempt at
  /// another one came to says nothing of it.
  func hasStill(_ target: WebhookTarget) -> Bool {
    guard let endpoint = state.tables.webhookEndpoints[target.id] else { return false }
    return endpoint.isEnabled && endpoint.url == target.url
      && state.webhookResumptions[target.id] ?? 0 == target.resumedSequence
  }

  /// The org's webhook endpoints, oldest first.
  package var webhookEndpointStates: [(Identifier, WebhookEndpoint.State)] {
    state.tables.webhookEndpoints.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}
