import HTTP

/// Sends what is due: status callbacks, people's messages and people's answers.
///
/// The steps of one message follow each other; messages overtake one another freely. Nothing is kept
/// here that the journal does not know, so a restart goes on with every step that is not done.
actor Delivery {
  /// Where calls go. People's messages do not wait behind a backlog of status callbacks.
  private struct Destination: Hashable {
    let origin: String
    let isInbound: Bool
  }

  private struct Entry {
    let sid: String
    let dueMillis: Int64
    var attempt = 0
  }

  /// A class, so that its queue is changed in place.
  private final class Lane {
    var queue = DueQueue<Entry>()
    var runningCount = 0
    /// The application cannot be reached: nothing is tried before then.
    var blockedUntilMillis: Int64 = 0
    var failureCount = 0

    var nextMillis: Int64? { queue.earliestMillis.map { max($0, blockedUntilMillis) } }
  }

  /// How one attempt ended.
  private enum Attempt {
    case done(StepOutcome)
    /// The application failed to take this one.
    case failed
    /// The application was not there.
    case unreachable
    /// The message is gone: the sandbox was reset.
    case forgotten
  }

  static let maxRunningPerLane = 32
  /// A step is tried for an hour: longer than an application is down for a restart.
  static let giveUpAfterMillis: Int64 = 3_600_000
  static let firstRetryMillis: Int64 = 100
  static let maxRetryMillis: Int64 = 2000

  private let store: Store
  private let client: HTTPClient
  private var lanes: [Destination: Lane] = [:]
  private var running: [String: Task<Void, Never>] = [:]
  private var timer: Task<Void, Never>?
  private var timerMillis = Int64.max
  private var isStopped = false

  init(store: Store) {
    self.store = store
    var settings = HTTPClientSettings()
    settings.userAgent = "TwilioProxy/1.1"
    client = HTTPClient(settings: settings)
  }

  /// Takes up every step that is not done, after a start.
  func resume() {
    let pending = store.read { world in
      world.messages.filter { $0.doneCount < $0.steps.count }
    }
    for message in pending { enqueue(message) }
    pump()
  }

  /// Plans the next step of `message`, if it has one.
  func add(_ message: Message) {
    enqueue(message)
    pump()
  }

  /// Looks again at what may be sent: callbacks were paused or go on.
  func wake() { pump() }

  /// Starts nothing any more and waits a moment for what runs; what does not end is sent again by
  /// the next sandbox.
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

// MARK: - When

extension Delivery {
  private func enqueue(_ message: Message) {
    let steps = message.steps
    guard message.doneCount < steps.count else { return }
    let (dueMillis, step) = steps[message.doneCount]
    enqueue(
      Entry(sid: message.sid, dueMillis: dueMillis), destination(of: message, step), dueMillis)
  }

  private func enqueue(_ entry: Entry, _ destination: Destination, _ dueMillis: Int64) {
    lane(to: destination).queue.insert(entry, dueMillis: dueMillis)
  }

  private func lane(to destination: Destination) -> Lane {
    if let lane = lanes[destination] { return lane }
    let lane = Lane()
    lanes[destination] = lane
    return lane
  }

  private func destination(of message: Message, _ step: CallbackPlan.Step) -> Destination {
    switch step {
    case .reply: Destination(origin: "", isInbound: true)
    case .inbound: Destination(origin: Self.origin(of: message.url ?? ""), isInbound: true)
    case .status: Destination(origin: Self.origin(of: message.url ?? ""), isInbound: false)
    }
  }

  /// Scheme, host and port of `url`.
  private static func origin(of url: String) -> String {
    guard let scheme = url.firstRange(of: "://") else { return url }
    return String(url[..<scheme.upperBound])
      + url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
  }

  /// Starts what is due, and sets the timer for the next.
  private func pump() {
    guard !isStopped, !store.read({ $0.arePaused }) else { return }
    let nowMillis = store.nowMillis()
    var nextMillis = Int64.max
    for (destination, lane) in lanes {
      start(lane, destination, nowMillis)
      // A full lane is looked at again when one of its calls ends.
      guard lane.runningCount < Self.maxRunningPerLane else { continue }
      nextMillis = min(nextMillis, lane.nextMillis ?? .max)
    }
    setTimer(nextMillis, nowMillis)
  }

  private func start(_ lane: Lane, _ destination: Destination, _ nowMillis: Int64) {
    guard lane.blockedUntilMillis <= nowMillis else { return }
    // After a failure one call tries the way for the others.
    let limit = lane.failureCount > 0 ? 1 : Self.maxRunningPerLane
    while lane.runningCount < limit, let entry = lane.queue.takeFirst(dueBy: nowMillis) {
      lane.runningCount += 1
      running[entry.sid] = Task {
        let attempt = await self.attempt(entry)
        self.finish(entry, destination, attempt)
      }
    }
  }

  private func setTimer(_ dueMillis: Int64, _ nowMillis: Int64) {
    guard dueMillis != timerMillis else { return }
    timer?.cancel()
    timerMillis = dueMillis
    guard dueMillis < .max else { return }
    timer = Task {
      // A cancelled timer was replaced by another.
      let waitMillis = max(dueMillis - nowMillis, 1)
      guard (try? await Task.sleep(for: .milliseconds(waitMillis))) != nil else { return }
      self.timerFired()
    }
  }

  private func timerFired() {
    timerMillis = .max
    pump()
  }
}

// MARK: - What

extension Delivery {
  private enum Work: Sendable {
    case webhook(Webhook)
    case reply(String, Message)
  }

  private func attempt(_ entry: Entry) async -> Attempt {
    guard let work = store.read({ Self.work(entry.sid, $0) }) else { return .forgotten }
    switch work {
    case .reply(let text, let message): return reply(text, to: message)
    case .webhook(let webhook): return await call(webhook)
    }
  }

  private static func work(_ sid: String, _ world: borrowing World) -> Work? {
    guard let index = world.index(of: sid) else { return nil }
    let message = world.messages[index]
    let steps = message.steps
    guard message.doneCount < steps.count, let token = world.accounts[message.account]?.authToken
    else { return nil }
    switch (steps[message.doneCount].step, message.url) {
    case (.reply(let text), _): return .reply(text, message)
    case (.status(let reached), let url?):
      return .webhook(
        Webhook(
          status: reached, of: message, url: url, authToken: token, step: message.doneCount))
    case (.inbound, let url?):
      return .webhook(Webhook(inbound: message, url: url, authToken: token))
    case (.status, nil), (.inbound, nil): return nil
    }
  }

  private func call(_ webhook: Webhook) async -> Attempt {
    let answer: ClientResponse
    do throws(HTTPClientError) {
      answer = try await client.send(webhook.request)
    } catch {
      return error.reason == .requestInvalid ? .done(.rejected) : .unreachable
    }
    switch answer.status {
    case 200..<300: return .done(.delivered)
    case 408, 429, 500...: return .failed
    default: return .done(.rejected)
    }
  }

  /// The person answers. The answer and the end of the step are one record.
  private func reply(_ text: String, to message: Message) -> Attempt {
    do throws(SandboxError) {
      let messages = try store.record { world in
        Inbound(from: message.to, to: message.from, body: text).records(world, answers: message.sid)
      }
      for message in messages { enqueue(message) }
      return .forgotten
    } catch {
      return .failed
    }
  }

  private func finish(_ entry: Entry, _ destination: Destination, _ attempt: Attempt) {
    let lane = lane(to: destination)
    running[entry.sid] = nil
    lane.runningCount -= 1
    switch attempt {
    case .forgotten: break
    case .done(let outcome):
      lane.failureCount = 0
      recordDone(entry, destination, outcome)
    case .failed:
      lane.failureCount = 0
      retry(entry, destination, waitMillis: Self.backOffMillis(entry.attempt))
    case .unreachable:
      lane.blockedUntilMillis = store.nowMillis() + Self.backOffMillis(lane.failureCount)
      lane.failureCount += 1
      retry(entry, destination, waitMillis: 0)
    }
    pump()
  }

  private func recordDone(_ entry: Entry, _ destination: Destination, _ outcome: StepOutcome) {
    do throws(SandboxError) {
      let message = try store.record { world -> (records: [Record], value: Message?) in
        guard let index = world.index(of: entry.sid) else { return ([], nil) }
        var message = world.messages[index]
        message.doneCount += 1
        return ([.stepDone(sid: entry.sid, outcome: outcome)], message)
      }
      if let message { enqueue(message) }
    } catch {
      // It may go out once more: callbacks are sent at least once, by Twilio too.
      retry(entry, destination, waitMillis: Self.maxRetryMillis)
    }
  }

  private func retry(_ entry: Entry, _ destination: Destination, waitMillis: Int64) {
    let nowMillis = store.nowMillis()
    if nowMillis - entry.dueMillis > Self.giveUpAfterMillis {
      recordDone(entry, destination, .abandoned)
      return
    }
    var next = entry
    next.attempt += 1
    enqueue(next, destination, max(entry.dueMillis, nowMillis + waitMillis))
  }

  private static func backOffMillis(_ failureCount: Int) -> Int64 {
    min(firstRetryMillis << min(failureCount, 10), maxRetryMillis)
  }
}
