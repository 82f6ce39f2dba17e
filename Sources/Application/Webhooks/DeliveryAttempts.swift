import Domain
import EventCodec
import EventLog
import HTTP

/// What became of one attempt that was not taken.
enum DeliveryFailure: Sendable, Equatable {
  /// `askedMicros`: how long the subscriber asked to be left alone.
  case failed(reason: String, askedMicros: Int64)
  /// The subscriber wants no more.
  case gone
  /// We ended it ourselves: nobody knows whether it arrived.
  case cutOff
}

/// Calls subscribers, and notes how it went.
struct DeliveryAttempts: Sendable {
  let executor: OrgExecutor
  let client: HTTPClient
  let board: DeliveryBoard
  let report: @Sendable (String) -> Void

  /// nil: delivered.
  func attempt(
    _ event: RecordedEvent, about key: DeliveryKey, _ target: WebhookTarget, number: Int,
    isRedelivery: Bool = false
  ) async -> DeliveryFailure? {
    let sentAtMicros = await executor.realMicros
    var delivery = DeliveryBoard.Delivery(
      event: RecordedDomainEvent.eventID(of: event), type: event.type, position: event.position,
      attempt: number, atMicros: sentAtMicros, tookMillis: 0, url: target.url, status: nil,
      error: nil, response: "", isRedelivery: isRedelivery,
      isBackfill: !isRedelivery && event.orgSequence < target.resumedSequence,
      style: target.style, people: Self.people(of: event, about: key))
    var failure: DeliveryFailure?
    let started = ContinuousClock.now
    do {
      let response = try await client.send(
        try WebhookMessage.request(
          for: try EventJSON.object(event), target.style, url: target.url,
          timestampSeconds: sentAtMicros / 1_000_000,
          secrets: target.secrets(atMicros: sentAtMicros)))
      delivery.status = response.status
      delivery.response = String(decoding: response.body.prefix(500), as: UTF8.self)
      failure = Self.failure(response, nowSeconds: await executor.realMicros / 1_000_000)
    } catch {
      // A call that we cut off did not fail: its event is as it was.
      guard !Task.isCancelled else { return .cutOff }
      failure = .failed(
        reason: (error as? HTTPClientError)?.code ?? "\(error)", askedMicros: 0)
    }
    if case .failed(let reason, _)? = failure { delivery.error = reason }
    delivery.tookMillis = Int64((ContinuousClock.now - started) / .milliseconds(1))
    do {
      try board.note(delivery, of: target.id)
    } catch {
      report("webhook \(target.id): the delivery is not in the delivery log: \(error)")
    }
    return failure
  }

  /// The contact that it is about, and whoever else has a part in it.
  private static func people(of event: RecordedEvent, about key: DeliveryKey) -> Set<Identifier> {
    var people: Set<Identifier> = key.kind == .contact ? [key] : []
    for part in event.parts {
      switch part {
      case .opened(nil, _): break
      case .opened(let subject?, _), .erased(let subject):
        people.insert(Identifier(.contact, subject.value))
      }
    }
    return people
  }

  private static func failure(
    _ response: ClientResponse, nowSeconds: Int64
  ) -> DeliveryFailure? {
    switch response.status {
    case 200..<300: return nil
    case 410: return .gone
    default:
      let seconds = RetryAfter.seconds(response.headers, nowSeconds: nowSeconds) ?? 0
      // A day is as long as any of our own waits.
      let askedMicros = min(seconds, 86_400) * 1_000_000
      return .failed(reason: "status \(response.status)", askedMicros: askedMicros)
    }
  }
}
