import Crypto
import Domain
import EventCodec
import EventLog
import JSON
import Synchronization

/// Takes one endpoint's events to it: in order per key, several keys at a time, each again until it is
/// taken or given up. Where it stands is in a file, written after the work: a crash repeats the last of
/// it, under the ids that subscribers know.
struct EndpointCourier: Sendable {
  let endpoint: Identifier
  let executor: OrgExecutor
  let log: any EventReader
  let attempts: DeliveryAttempts
  let board: DeliveryBoard
  let file: CursorFile
  let report: @Sendable (String) -> Void

  private static let pageSize = 100
  /// How much of what was delivered a crash may repeat.
  private static let saveMicros: Micros = 200_000

  /// What comes back from attempts, and wakes the courier.
  private final class Desk: Sendable {
    struct Outcome: Sendable {
      let key: DeliveryKey
      let event: RecordedEvent
      /// Whom it was sent to.
      let target: WebhookTarget
      let failure: DeliveryFailure?
    }

    let wake = ChangeSignal()
    private let state = Mutex((outcomes: [Outcome](), isRedelivering: false))

    func add(_ outcome: Outcome) {
      state.withLock { $0.outcomes.append(outcome) }
      wake.raise()
    }

    func take() -> [Outcome] {
      state.withLock { state in
        defer { state.outcomes = [] }
        return state.outcomes
      }
    }

    /// False where one runs already.
    func beginRedelivery() -> Bool {
      state.withLock { state in
        defer { state.isRedelivering = true }
        return !state.isRedelivering
      }
    }

    func endRedelivery() {
      state.withLock { $0.isRedelivering = false }
      wake.raise()
    }
  }

  /// The courier's own memory.
  private struct Bag {
    var plan: DeliveryPlan
    /// Events that were read and not attempted yet, as they read when nobody had been erased but `forgettingCount`.
    var events: [UInt64: RecordedEvent] = [:]
    var forgettingCount = 0
    /// The contact of each message and run, as far as they were looked up.
    var keys = DeliveryKeys()
    var savedAtMicros: Micros = 0
    var isSaved = true
    /// When the endpoint was let go on last, as far as was seen; nil before the first look.
    var resumedSequence: UInt64?
  }

  /// Returns when the endpoint is disabled or deleted, and nothing is under way any more.
  func run() async throws {
    board.load(endpoint)
    guard var bag = try await startingPoint() else { return }
    let desk = Desk()
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await relayChanges(to: desk.wake) }
        try await work(&bag, desk, &group)
        group.cancelAll()
      }
      try end(&bag, desk)
    } catch {
      try end(&bag, desk)
      throw error
    }
  }

  /// Keeps what was taken while we were already leaving.
  private func end(_ bag: inout Bag, _ desk: Desk) throws {
    for outcome in desk.take() where outcome.failure == nil {
      bag.plan.succeed(outcome.key, atMicros: bag.savedAtMicros)
      bag.isSaved = false
    }
    try save(&bag)
  }

  private func relayChanges(to wake: ChangeSignal) async {
    while !Task.isCancelled {
      let seen = executor.changes.generation
      wake.raise()
      await executor.changes.wait(beyond: seen, timeout: nil)
    }
  }

  private func startingPoint() async throws -> Bag? {
    guard let target = try await executor.webhookTarget(endpoint) else { return nil }
    guard let saved = try file.read() else {
      return Bag(plan: DeliveryPlan(nextSequence: target.firstSequence))
    }
    var keys = DeliveryKeys()
    let plan = try DeliveryPlan(saved) { sequence in
      try keys.key(of: try event(at: sequence), executor.org, log)
    }
    var bag = Bag(plan: plan)
    bag.keys = keys
    show(bag)
    return bag
  }

  private func event(at sequence: UInt64) throws -> RecordedEvent {
    let found = try log.readOrg(OrgID(executor.org.value), from: sequence, limit: 1)
    guard let event = found.first, event.orgSequence == sequence else {
      throw CommandError.unreadable(reason: "there is no event \(sequence) of \(executor.org)")
    }
    return event
  }
}

// MARK: - Working

extension EndpointCourier {
  private func work(
    _ bag: inout Bag, _ desk: Desk, _ group: inout ThrowingTaskGroup<Void, any Error>
  ) async throws {
    while !Task.isCancelled {
      let seen = desk.wake.generation
      for outcome in desk.take() { try await settle(outcome, &bag) }
      guard let target = try await executor.webhookTarget(endpoint) else {
        // Whoever lets it go on means now, not in so many hours.
        bag.plan.makeDue()
        bag.isSaved = false
        if bag.plan.underWayCount == 0 { return }
        await desk.wake.wait(beyond: seen, timeout: nil)
        continue
      }
      if let known = bag.resumedSequence, known != target.resumedSequence {
        // It was stopped and let go on between two looks.
        bag.plan.makeDue()
        bag.isSaved = false
      }
      bag.resumedSequence = target.resumedSequence
      redeliver(target, desk, &group)
      if try await start(target, &bag, desk, &group) { continue }
      let nowMicros = await executor.realMicros
      try saveWhenDue(&bag, nowMicros, isIdle: bag.plan.underWayCount == 0)
      let waitMicros = bag.plan.dueMicros.map { max(0, $0 - nowMicros) }
      await desk.wake.wait(
        beyond: seen, timeout: wait(waitMicros, bag).map { .microseconds($0) })
    }
    try Task.checkCancellation()
  }

  /// Until the next attempt is due; what is not saved yet is not left lying either.
  private func wait(_ dueMicros: Int64?, _ bag: Bag) -> Int64? {
    guard !bag.isSaved else { return dueMicros }
    return min(dueMicros ?? Self.saveMicros, Self.saveMicros)
  }

  /// Starts what may start, and reads on where there is room. Whether there may be more of it.
  private func start(
    _ target: WebhookTarget, _ bag: inout Bag, _ desk: Desk,
    _ group: inout ThrowingTaskGroup<Void, any Error>
  ) async throws -> Bool {
    let nowMicros = await executor.realMicros
    let forgettingCount = board.forgettingCount
    if bag.forgettingCount != forgettingCount {
      // What waits behind a failure may wait for days, and be about somebody who is erased meanwhile.
      bag.events = [:]
      bag.forgettingCount = forgettingCount
    }
    for (key, entry) in bag.plan.start(atMicros: nowMicros) {
      let known = bag.events.removeValue(forKey: entry.sequence)
      let event = try known ?? event(at: entry.sequence)
      group.addTask {
        let failure = await attempts.attempt(
          event, about: key, target, number: entry.failedCount + 1)
        desk.add(Desk.Outcome(key: key, event: event, target: target, failure: failure))
      }
    }
    guard bag.plan.underWayCount < DeliveryPlan.underWayLimit else { return false }
    return try read(target, &bag)
  }

  /// Reads the next stretch of the org's book; false where there is nothing new or no room.
  private func read(_ target: WebhookTarget, _ bag: inout Bag) throws -> Bool {
    let limit = min(Self.pageSize, bag.plan.room)
    guard limit > 0 else { return false }
    let events = try log.readOrg(
      OrgID(executor.org.value), from: bag.plan.nextSequence, limit: limit)
    for event in events {
      guard try target.wants(event, log) else {
        bag.plan.pass(sequence: event.orgSequence, position: event.position)
        continue
      }
      let key = try bag.keys.key(of: event, executor.org, log)
      bag.plan.add(
        DeliveryPlan.Entry(sequence: event.orgSequence, position: event.position), to: key)
      bag.events[event.orgSequence] = event
    }
    if !events.isEmpty {
      bag.isSaved = false
      show(bag)
    }
    return !events.isEmpty
  }

  private func settle(_ outcome: Desk.Outcome, _ bag: inout Bag) async throws {
    let nowMicros = await executor.realMicros
    bag.isSaved = false
    switch outcome.failure {
    case nil: bag.plan.succeed(outcome.key, atMicros: nowMicros)
    case .cutOff: bag.plan.abandon(outcome.key)
    case .failed(let reason, let askedMicros):
      try await fail(outcome, reason, askedMicros: askedMicros, nowMicros, &bag)
    case .gone:
      let attempt = number(of: outcome, bag)
      try await record(
        outcome, attempt: attempt, reason: "gone", retryAtMicros: nil,
        disabled: Self.goneReason)
      bag.plan.restart(outcome.key)
      try save(&bag)
    }
    show(bag)
  }

  private func number(of outcome: Desk.Outcome, _ bag: Bag) -> Int {
    (bag.plan.first(of: outcome.key)?.failedCount ?? 0) + 1
  }

  private func fail(
    _ outcome: Desk.Outcome, _ reason: String, askedMicros: Int64, _ nowMicros: Micros,
    _ bag: inout Bag
  ) async throws {
    let attempt = number(of: outcome, bag)
    let delayMicros = WebhookSchedule.delayMicros(after: attempt, random: Random.uint64())
      .map { max($0, askedMicros) }
    // One event that is never taken while others are does not cost the endpoint its place.
    let isDead = delayMicros == nil && !bag.plan.succeededSinceFailure(of: outcome.key)
    let retryAtMicros = delayMicros.map { nowMicros + $0 }
    try await record(
      outcome, attempt: attempt, reason: reason, retryAtMicros: retryAtMicros,
      disabled: isDead ? "Every attempt over three days failed." : nil)
    if let retryAtMicros {
      bag.plan.fail(outcome.key, atMicros: nowMicros, retryAtMicros: retryAtMicros)
    } else if isDead {
      // Once enabled again it goes on with the same event, from the first attempt.
      bag.plan.restart(outcome.key)
    } else {
      bag.plan.giveUp(outcome.key)
    }
    try save(&bag)
  }

  private static let goneReason = "The endpoint answered 410 Gone."

  private func record(
    _ outcome: Desk.Outcome, attempt: Int, reason: String, retryAtMicros: Micros?,
    disabled: String?
  ) async throws {
    let event = outcome.event
    let call = Call(
      actor: "system:webhooks", origin: "reactor", correlation: event.context.correlation,
      causation: event.position, depth: event.context.depth + 1)
    _ = try await executor.perform(call) { workspace throws(CommandError) in
      // Of attempts side by side the first has ended it, and somebody may have let it go on since; this event is gone on with
      // too, and was not given up.
      if disabled != nil, !workspace.hasStill(outcome.target) { return }
      try workspace.change(
        endpoint,
        by: .recordFailure(
          position: event.position, attempt: attempt, reason: reason,
          retryAtMicros: retryAtMicros))
      if let disabled { try workspace.change(endpoint, by: .disable(reason: disabled)) }
    }
  }
}

// MARK: - Once more

extension EndpointCourier {
  /// Begins with the oldest stretch that was asked for, beside the deliveries of what is new.
  private func redeliver(
    _ target: WebhookTarget, _ desk: Desk, _ group: inout ThrowingTaskGroup<Void, any Error>
  ) {
    guard let stretch = target.redeliveries.first, desk.beginRedelivery() else { return }
    group.addTask {
      do {
        try await deliver(stretch, to: target)
      } catch is CancellationError {
        // It begins again with the next start: subscribers know the ids.
      } catch {
        report("webhook \(endpoint): redelivering: \(error)")
        // Cut short only by cancellation.
        try? await Task.sleep(for: .seconds(1))
      }
      desk.endRedelivery()
    }
  }

  /// Every event of a stretch of the log once more, one attempt each.
  private func deliver(
    _ stretch: WebhookEndpoint.Redelivery, to first: WebhookTarget
  ) async throws {
    var target = first
    let call = Call(
      actor: "system:webhooks", origin: "reactor", correlation: endpoint.text, depth: 1)
    var position = stretch.from - 1
    var deliveredCount = 0
    var failedCount = 0
    var keys = DeliveryKeys()
    reading: while position < stretch.to {
      var isKnown = false
      let (start, forgettingCount) = (position, board.forgettingCount)
      let page = try log.read(
        after: start, limit: 200, filter: EventFilter(org: OrgID(executor.org.value)))
      for event in page.events where event.position <= stretch.to {
        // Of a page that takes long, the rest is read again: who is in it may be erased.
        guard board.forgettingCount == forgettingCount else { continue reading }
        if !isKnown {
          // Disabled meanwhile: what is left waits until somebody enables it. Changed meanwhile: what is left goes where
          // and how it is wanted by now.
          guard let current = try await executor.webhookTarget(endpoint) else { return }
          target = current
          isKnown = true
        }
        position = event.position
        guard try target.wants(event, log) else { continue }
        let failure = await attempts.attempt(
          event, about: try keys.key(of: event, executor.org, log), target, number: 1,
          isRedelivery: true)
        // That took a while.
        isKnown = false
        try Task.checkCancellation()
        if failure == .gone {
          // Once enabled again the stretch begins anew.
          _ = try await executor.perform(call) { [target] workspace throws(CommandError) in
            guard workspace.hasStill(target) else { return }
            try workspace.change(endpoint, by: .disable(reason: Self.goneReason))
          }
          return
        }
        if failure == nil { deliveredCount += 1 } else { failedCount += 1 }
      }
      guard page.scannedTo > start else { break }
      position = max(position, page.scannedTo)
    }
    _ = try await executor.perform(call) {
      [deliveredCount, failedCount] workspace throws(CommandError) in
      try workspace.change(
        endpoint,
        by: .finishRedelivery(deliveredCount: deliveredCount, failedCount: failedCount))
    }
  }
}

// MARK: - Where it stands

extension EndpointCourier {
  private func saveWhenDue(_ bag: inout Bag, _ nowMicros: Micros, isIdle: Bool) throws {
    guard !bag.isSaved, isIdle || nowMicros - bag.savedAtMicros >= Self.saveMicros else { return }
    bag.savedAtMicros = nowMicros
    try save(&bag)
  }

  private func save(_ bag: inout Bag) throws {
    guard !bag.isSaved else { return }
    try file.write(bag.plan.json)
    bag.isSaved = true
  }

  private func show(_ bag: Bag) {
    let stuck = bag.plan.stuck
    board.show(
      DeliveryBoard.Standing(
        position: bag.plan.settledPosition, failureCount: stuck?.failedCount ?? 0,
        retryAtMicros: stuck?.dueMicros, waitingCount: bag.plan.openCount,
        isCircuitOpen: bag.plan.isCircuitOpen), of: endpoint)
  }
}

/// Finds the keys of events: the contact that they are about, else their object.
struct DeliveryKeys {
  /// The contact of a message or run, by its stream; the object itself where there is none.
  private var contacts: [Identifier: Identifier] = [:]
  /// Above this number they are looked up anew.
  private static let limit = 10_000

  mutating func key(
    of event: RecordedEvent, _ org: Identifier, _ log: any EventReader
  ) throws -> DeliveryKey {
    let stream = try StreamFold.decode(event).stream
    guard stream.kind == .message || stream.kind == .run else { return stream }
    if let known = contacts[stream] { return known }
    // Its first event names the contact.
    let first = try log.readStream(
      org: OrgID(org.value), stream: event.stream, from: 1, limit: 1, direction: .forwards
    ).first
    let text = try first.flatMap { try EventJSON.data(of: $0)["contact"]?.string }
    let key = text.flatMap { Identifier($0, kind: .contact) } ?? stream
    if contacts.count >= Self.limit { contacts = [:] }
    contacts[stream] = key
    return key
  }
}
