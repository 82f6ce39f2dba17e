import Crypto
import HTTP

/// Sends the callbacks of the providers beside Twilio's messages when they are due. A 2xx ends one;
/// 408, 429, 5xx and no answer are tried again for an hour; any other answer ends it as rejected.
actor Outbox {
  private let store: Store
  private let client = HTTPClient()
  private var waiting = DueQueue<Entry>()
  private var running: [Int: Task<Void, Never>] = [:]
  private var requestCount = 0
  private var timer: Task<Void, Never>?
  private var isStopped = false

  static let maxRunning = 32
  /// Events that one request tells at most.
  static let maxBatch = 100

  private struct Entry: Sendable {
    let callback: Callback
    var attempt = 0
  }

  init(store: Store) { self.store = store }

  /// Looks again at what is due: something was planned, the clock was set, callbacks go on.
  func wake() {
    guard !isStopped else { return }
    timer?.cancel()
    takeUpNew()
    let (arePaused, nowMillis) = store.read { ($0.arePaused, $0.nowMillis) }
    guard !arePaused else { return }
    while running.count < Self.maxRunning, let entry = waiting.takeFirst(dueBy: nowMillis) {
      start(batch(with: entry, nowMillis))
    }
    guard let nextMillis = waiting.earliestMillis, nextMillis > nowMillis else { return }
    timer = Task {
      // A cancelled timer was replaced by another.
      let waitMillis = max(nextMillis - nowMillis, 1)
      guard (try? await Task.sleep(for: .milliseconds(waitMillis))) != nil else { return }
      self.wake()
    }
  }

  private func takeUpNew() {
    do throws(SandboxError) {
      let new = try store.record { world in ([], world.takeCallbacks()) }
      for callback in new {
        waiting.insert(Entry(callback: callback), dueMillis: callback.dueMillis)
      }
    } catch {
      // Stopped: nothing is taken up any more.
      return
    }
  }

  /// What is due for the same address goes with it, where the provider tells several events at once.
  private func batch(with first: Entry, _ nowMillis: Int64) -> [Entry] {
    var batch = [first]
    var others: [Entry] = []
    guard first.callback.isListOfEvents else { return batch }
    while batch.count < Self.maxBatch, others.count < Self.maxBatch,
      let next = waiting.takeFirst(dueBy: nowMillis)
    {
      if next.callback.joins(first.callback) { batch.append(next) } else { others.append(next) }
    }
    for entry in others { waiting.insert(entry, dueMillis: entry.callback.dueMillis) }
    return batch
  }

  private func start(_ batch: [Entry]) {
    requestCount += 1
    let request = requestCount
    running[request] = Task {
      let outcome = await self.attempt(batch)
      self.running[request] = nil
      self.end(batch, outcome)
      self.wake()
    }
  }

  private func end(_ batch: [Entry], _ outcome: StepOutcome?) {
    let nowMillis = store.nowMillis()
    var ended: [(Entry, StepOutcome)] = []
    for entry in batch {
      if let outcome {
        ended.append((entry, outcome))
      } else if nowMillis - entry.callback.dueMillis > Delivery.giveUpAfterMillis {
        ended.append((entry, .abandoned))
      } else {
        retry(entry, nowMillis)
      }
    }
    do throws(SandboxError) {
      try store.record { [ended] _ in
        (ended.map { .callbackDone(id: $0.0.callback.id, outcome: $0.1) }, ())
      }
    } catch {
      // They may go out once more: callbacks are sent at least once, by providers too.
      for (entry, _) in ended { retry(entry, nowMillis) }
    }
  }

  private func retry(_ entry: Entry, _ nowMillis: Int64) {
    var next = entry
    next.attempt += 1
    let waitMillis = min(
      Delivery.firstRetryMillis << min(next.attempt, 10), Delivery.maxRetryMillis)
    waiting.insert(next, dueMillis: max(entry.callback.dueMillis, nowMillis + waitMillis))
  }

  /// nil where it has to be tried again.
  private func attempt(_ batch: [Entry]) async -> StepOutcome? {
    let callback = Callback(joining: batch.map(\.callback))
    do {
      let answer = try await client.send(try callback.request())
      switch answer.status {
      case 200..<300:
        let body = String(decoding: answer.body, as: UTF8.self)
        try store.record { (CallAPI.records(answered: callback, with: body, $0), ()) }
        return .delivered
      case 408, 429, 500...: return nil
      default: return .rejected
      }
    } catch let error as HTTPClientError {
      return error.reason == .requestInvalid ? .rejected : nil
    } catch {
      return .rejected
    }
  }

  func stop() async {
    isStopped = true
    timer?.cancel()
    let deadline = Task { [client] in
      // A cancelled sleep means that everything has ended in time.
      if (try? await Task.sleep(for: .seconds(1))) != nil { client.close() }
    }
    for task in running.values { await task.value }
    deadline.cancel()
    client.close()
  }
}
