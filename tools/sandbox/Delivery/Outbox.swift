import Crypto
import HTTP

/// Sends the callbacks of the providers beside Twilio's messages when they are due. A 2xx ends one;
/// 408, 429, 5xx and no answer are tried again for an hour; any other answer ends it as rejected.
actor Outbox {
  private let store: Store
  private let client = HTTPClient()
  private var running: [String: Task<Void, Never>] = [:]
  private var retries: [String: (attempt: Int, notBeforeMillis: Int64)] = [:]
  private var timer: Task<Void, Never>?
  private var isStopped = false

  static let maxRunning = 32

  init(store: Store) { self.store = store }

  /// Looks again at what is due: something was planned, the clock was set, callbacks go on.
  func wake() {
    guard !isStopped else { return }
    timer?.cancel()
    let (waiting, arePaused, nowMillis) = store.read { world in
      (Array(world.callbacks.values), world.arePaused, world.nowMillis)
    }
    guard !arePaused else { return }
    var nextMillis = Int64.max
    for callback in waiting.sorted(by: { ($0.dueMillis, $0.id) < ($1.dueMillis, $1.id) })
    where running[callback.id] == nil {
      let dueMillis = max(callback.dueMillis, retries[callback.id]?.notBeforeMillis ?? 0)
      if dueMillis > nowMillis {
        nextMillis = min(nextMillis, dueMillis)
      } else if running.count < Self.maxRunning {
        running[callback.id] = Task { await self.send(callback) }
      }
    }
    guard nextMillis < .max else { return }
    timer = Task {
      // A cancelled timer was replaced by another.
      let waitMillis = max(nextMillis - nowMillis, 1)
      guard (try? await Task.sleep(for: .milliseconds(waitMillis))) != nil else { return }
      self.wake()
    }
  }

  private func send(_ callback: Callback) async {
    let outcome = await attempt(callback)
    running[callback.id] = nil
    if let outcome {
      finish(callback, outcome)
    } else {
      let attempt = (retries[callback.id]?.attempt ?? 0) + 1
      let nowMillis = store.nowMillis()
      if nowMillis - callback.dueMillis > Delivery.giveUpAfterMillis {
        finish(callback, .abandoned)
      } else {
        let waitMillis = min(
          Delivery.firstRetryMillis << min(attempt, 10), Delivery.maxRetryMillis)
        retries[callback.id] = (attempt, nowMillis + waitMillis)
      }
    }
    wake()
  }

  /// nil where it has to be tried again.
  private func attempt(_ callback: Callback) async -> StepOutcome? {
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

  private func finish(_ callback: Callback, _ outcome: StepOutcome) {
    retries[callback.id] = nil
    do throws(SandboxError) {
      try store.record { _ in ([.callbackDone(id: callback.id, outcome: outcome)], ()) }
    } catch {
      // It may go out once more: callbacks are sent at least once, by providers too.
      retries[callback.id] = (1, store.nowMillis() + Delivery.maxRetryMillis)
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
