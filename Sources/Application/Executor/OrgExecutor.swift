import Domain
import EventCodec
import EventLog
import Synchronization

/// Decides one org's commands, one at a time, in order of arrival.
///
/// The next command is decided on state that may not be flushed yet; nothing is acknowledged before
/// its own flush, which comes after all earlier ones. When a flush fails, everything decided on top
/// of it is refused by the log (its org sequence no longer fits) and the state is read again.
///
/// Commands that come at once are decided in one turn, and answered in one once their group is on disk: to come to
/// the actor and back for each of them took longer than deciding.
package actor OrgExecutor {
  package nonisolated let org: Identifier
  /// Raised by every commit: for those who tell others what happens.
  package nonisolated let changes = ChangeSignal()
  /// Raised by what may leave something to do: for those who do it. They need not look after each of ten
  /// thousand new contacts.
  package nonisolated let work = ChangeSignal()

  private let log: any EventLogWriter
  private let loader: BookLoader
  let tools: Tools
  private let observer: any ExecutorObserver
  private nonisolated let inbox = CommandInbox()
  /// Taken out of the inbox, and not decided yet.
  private var undecided = WaitingLine<PendingCommand>()
  /// Whether the first of `undecided` waits for what was decided before it to come to the disk.
  private var waitsForDisk = false
  private(set) var state: OrgState
  private var isStale = false
  /// What was decided and is not answered yet, in the order of deciding: everything before a place in the line is
  /// decided by it too.
  private var unsettled = WaitingLine<Unsettled>()
  private var unflushedCount = 0
  private var lastAppend: PendingAppend?
  private var keysInFlight: Set<String> = []

  /// What waits for an append, its own or an earlier one.
  private struct Unsettled {
    let pending: PendingAppend
    /// nil where nothing was added: it waits for what came before.
    let appended: Appended?
    /// On the executor, once `pending` is resolved and everything before it is settled.
    let settle: (isolated OrgExecutor, Result<Receipt, EventLogError>) -> Void
  }

  /// What an append put into the state ahead of the disk.
  private struct Appended {
    let changes: [RecordedChange]
    let firstSequence: UInt64
    let mayGiveWork: Bool
  }

  init(
    state: OrgState, log: any EventLogWriter, loader: BookLoader, tools: Tools,
    observer: any ExecutorObserver
  ) {
    self.org = state.org
    self.state = state
    self.log = log
    self.loader = loader
    self.tools = tools
    self.observer = observer
  }

  /// The org's own time.
  package var nowMicros: Micros { state.nowMicros(real: tools.clock.nowMicros()) }

  /// Decides and returns after what follows, and what it was decided on, is on disk.
  ///
  /// - Throws: `CommandError`; nothing was written, except that after `.log(.outcomeUnknown)` nobody
  ///   knows.
  package nonisolated(nonsending) func perform<Output: Sendable>(
    _ call: Call,
    _ decide: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws(CommandError) -> Done<Output> {
    let output = Mutex<Output?>(nil)
    let outcome = try await carryOut(call) { workspace throws(CommandError) in
      let answer = try decide(&workspace)
      output.withLock { $0 = answer }
    }
    return Done(
      output: outcome.isReplay ? nil : output.withLock { $0 }, receipt: outcome.receipt)
  }

  /// The same, of one type for all commands: whoever gives thousands a second keeps what `decide` answers.
  package nonisolated(nonsending) func carryOut(
    _ call: Call,
    _ decide: @escaping @Sendable (inout Workspace) throws(CommandError) -> Void
  ) async throws(CommandError) -> CommandOutcome {
    let command = PendingCommand(call, decide)
    // Not on the caller's thread, which may be a connection's: what waits before may take long.
    if inbox.add(command) { Task { await decideWaiting() } }
    return try await command.outcome()
  }

  /// Commands that are decided before somebody else comes to the state.
  private static let turnLimit = 256

  private func decideWaiting() {
    var count = 0
    while let command = nextUndecided() {
      if command.call.restsOnLog, unflushedCount > 0 {
        waitsForDisk = true
        return
      }
      undecided.removeFirst()
      decide(command)
      count += 1
      if count >= Self.turnLimit {
        Task { decideWaiting() }
        return
      }
    }
  }

  private func nextUndecided() -> PendingCommand? {
    if undecided.isEmpty, let commands = inbox.takeAll() {
      for command in commands { undecided.append(command) }
    }
    return undecided.first
  }

  private func decide(_ command: PendingCommand) {
    let call = command.call
    var workspace: Workspace
    do throws(CommandError) {
      if let key = call.idempotencyKey, let receipt = try answered(key) {
        return command.finish(.success(CommandOutcome(receipt: receipt, isReplay: true)))
      }
      if let key = call.idempotencyKey, keysInFlight.contains(key.name) {
        throw .idempotencyInProgress
      }
      try reloadIfStale()
      workspace = self.workspace(for: call)
    } catch {
      return command.finish(.failure(error))
    }
    do throws(CommandError) {
      try requireExpected(call)
      try trusting { () throws(CommandError) in try command.body(&workspace) }
      guard workspace.decided.isEmpty else { return append(workspace, command) }
      finish(command, .success(CommandOutcome(receipt: nil, isReplay: false)))
    } catch {
      finish(command, .failure(error))
    }
  }

  /// An answer that adds nothing ("opted out already") rests on what came before it: it is given once
  /// that is on disk, and not at all where it never came there.
  private func finish(_ command: PendingCommand, _ outcome: PendingCommand.Outcome) {
    guard unflushedCount > 0, let lastAppend else { return command.finish(outcome) }
    let key = command.call.idempotencyKey?.name
    key.map { _ = keysInFlight.insert($0) }
    wait(
      Unsettled(pending: lastAppend, appended: nil) { executor, result in
        key.map { _ = executor.keysInFlight.remove($0) }
        switch result {
        case .success: command.finish(outcome)
        case .failure(let error): command.finish(.failure(.log(error)))
        }
      })
  }

  /// Refuses what was meant for another version than the object has by now. The log would refuse it too, but with
  /// everything that was decided on top of it, and the state would have to be read again: other people's writes.
  private func requireExpected(_ call: Call) throws(CommandError) {
    guard let expected = call.expected else { return }
    let actual = try versionAhead(of: expected.id)
    guard actual == expected.version else {
      throw .versionMismatch(expected: expected.version, actual: actual)
    }
  }

  /// The version that an object has once everything that was decided is on disk.
  private func versionAhead(of id: Identifier) throws(CommandError) -> UInt64 {
    let last: RecordedEvent?
    do {
      last = try log.readStream(
        org: OrgID(org.value), stream: StreamID(id.value), from: .max, limit: 1,
        direction: .backwards
      ).first
    } catch {
      throw .log(error)
    }
    // What is not settled may be on disk already: by its place in the book nothing counts twice.
    let firstAhead = last.map { $0.orgSequence + 1 } ?? 0
    return unsettled.reduce(into: last?.streamVersion ?? 0) { version, waiting in
      guard let appended = waiting.appended else { return }
      for (sequence, change) in zip(appended.firstSequence..., appended.changes)
      where change.stream == id && sequence >= firstAhead { version += 1 }
    }
  }

  /// Reads the org's state without deciding anything.
  package func read<Output: Sendable>(
    _ body: @Sendable (borrowing Workspace) throws(CommandError) -> Output
  ) throws(CommandError) -> Output {
    try reloadIfStale()
    return try trusting { () throws(CommandError) in
      try body(workspace(for: Call(actor: "", origin: "", correlation: "")))
    }
  }

  /// Decides without keeping anything: what would be written.
  package func preview<Output: Sendable>(
    _ call: Call, _ decide: @Sendable (inout Workspace) throws(CommandError) -> Output
  ) throws(CommandError) -> [PlannedEvent] {
    if let key = call.idempotencyKey, keysInFlight.contains(key.name) {
      throw .idempotencyInProgress
    }
    try reloadIfStale()
    var workspace = workspace(for: call)
    _ = try trusting { () throws(CommandError) in try decide(&workspace) }
    return workspace.decided.map { decided in
      PlannedEvent(
        type: EventCodec.encode(decided.event, stream: decided.stream, org: org).type,
        subject: decided.stream, isNew: workspace.isNew(decided.stream))
    }
  }

  /// Position of the org's last event on disk.
  package var lastPosition: UInt64 { state.lastPosition }

  func withState<Output: Sendable>(
    _ body: (OrgState) throws(CommandError) -> Output
  ) throws(CommandError) -> Output {
    try reloadIfStale()
    return try trusting { () throws(CommandError) in try body(state) }
  }

  /// What `body` makes of the state, unless the state could not be read: then it is nothing, be it an answer or a
  /// refusal.
  private func trusting<Output>(
    _ body: () throws(CommandError) -> Output
  ) throws(CommandError) -> Output {
    let result = Result { () throws(CommandError) in try body() }
    do throws(CommandError) {
      try state.requireSound()
    } catch {
      doubt()
      throw error
    }
    return try result.get()
  }

  private func workspace(for call: Call) -> Workspace {
    Workspace(
      state: state, log: log, tools: tools, actor: call.actor, depth: call.depth,
      nowMicros: nowMicros)
  }
}

// MARK: - Appending

extension OrgExecutor {
  private func append(_ workspace: Workspace, _ command: PendingCommand) {
    let call = command.call
    let key = call.idempotencyKey?.name
    let appended = Appended(
      changes: workspace.decided, firstSequence: state.nextOrgSequence,
      mayGiveWork: workspace.decided.contains { workspace.mayGiveWork($0) })
    if appended.changes.contains(where: \.event.isOfWorkflow) { observer.decidedOnWorkflow() }
    let pending = log.enqueue(commit(of: workspace, call))
    // Refused at the door, for its own size: it never came into the state, and takes nothing else with it.
    if case .failure(let error)? = pending.outcome, case .invalidCommit = error {
      return finish(command, .failure(.log(error)))
    }
    lastAppend = pending
    take(workspace, depth: call.depth)
    key.map { _ = keysInFlight.insert($0) }
    unflushedCount += 1
    wait(
      Unsettled(pending: pending, appended: appended) { executor, result in
        let outcome = executor.settle(appended, result)
        key.map { _ = executor.keysInFlight.remove($0) }
        command.finish(outcome.map { CommandOutcome(receipt: $0, isReplay: $0.isReplay) })
      })
  }

  /// Into the state, ahead of the disk.
  private func take(_ workspace: Workspace, depth: UInt16) {
    let realMicros = tools.clock.nowMicros()
    state.revive(workspace.revived)
    for decided in workspace.decided {
      state.apply(
        decided.event, of: decided.stream,
        at: EventPlace(
          orgSequence: state.nextOrgSequence, occurredAtMicros: workspace.nowMicros,
          recordedAtMicros: realMicros, depth: depth))
      state.nextOrgSequence += 1
    }
    if state.contacts.fault != nil { doubt() }
  }

  private func wait(_ next: Unsettled) {
    unsettled.append(next)
    if unsettled.count == 1 { Task { await settleAll() } }
  }

  /// Until nothing waits. Of a group that comes to the disk together, all is settled once the oldest is there.
  private func settleAll() async {
    while let next = unsettled.first {
      let result: Result<Receipt, EventLogError>
      if let known = next.pending.outcome {
        result = known
      } else {
        do {
          result = .success(try await next.pending.receipt())
        } catch {
          result = .failure(error)
        }
      }
      next.settle(self, result)
      unsettled.removeFirst()
    }
  }

  private func settle(
    _ appended: Appended, _ result: Result<Receipt, EventLogError>
  ) -> Result<Receipt, CommandError> {
    unflushedCount -= 1
    if unflushedCount == 0, waitsForDisk {
      waitsForDisk = false
      Task { decideWaiting() }
    }
    switch result {
    case .success(let receipt)
    where receipt.isReplay || receipt.firstOrgSequence != appended.firstSequence:
      // The key was used meanwhile, or somebody else wrote: what we hold is not what is on disk.
      doubt()
      return .success(receipt)
    case .success(let receipt):
      state.lastPosition = max(state.lastPosition, receipt.lastPosition)
      state.forgetEnded(through: appended.firstSequence + UInt64(receipt.eventCount) - 1)
      announce(appended)
      return .success(receipt)
    case .failure(let error):
      doubt()
      return .failure(.log(error))
    }
  }

  private func commit(of workspace: Workspace, _ call: Call) -> Commit {
    var commit = Commit(
      org: OrgID(org.value),
      events: workspace.decided.map {
        EventCodec.encode(
          $0.event, stream: $0.stream, org: org, reason: call.reason ?? workspace.reason)
      },
      idempotencyKey: call.idempotencyKey.map {
        $0.key
      },
      context: CommitContext(
        actor: call.actor, origin: call.origin, correlation: call.correlation,
        causation: call.causation, depth: call.depth, occurredAtMicros: workspace.nowMicros))
    commit.expectedOrgSequence = state.nextOrgSequence
    if let expected = call.expected {
      commit.expected[StreamID(expected.id.value)] = .exactly(expected.version)
    }
    return commit
  }

  /// What is in memory is not what is on disk: it is read again before the next decision.
  private func doubt() {
    isStale = true
    observer.becameDoubtful(org)
  }

  private func announce(_ appended: Appended) {
    observer.recorded(appended.changes, of: org, through: isStale ? nil : state.lastPosition)
    changes.raise()
    if appended.mayGiveWork { work.raise() }
  }

  private func answered(_ key: IdempotencyName) throws(CommandError) -> Receipt? {
    do {
      return try log.receipt(
        org: OrgID(org.value),
        idempotencyKey: key.key)
    } catch {
      throw .log(error)
    }
  }

  /// After a failed flush: waits for nothing, but decides nothing either until the last of the
  /// doubtful appends is known, and then starts from what is on disk.
  private func reloadIfStale() throws(CommandError) {
    guard isStale else { return }
    guard unflushedCount == 0 else { throw .log(.overloaded(waiting: unflushedCount)) }
    state = try loader.load(org)
    isStale = false
    observer.becameCertain(org)
  }
}

extension Workspace {
  /// Whether timers, campaigns, messages, calls, payments or endpoints can depend on it. No audience is open to
  /// a contact that is only just there, and what its creation starts is found in the log.
  fileprivate func mayGiveWork(_ change: RecordedChange) -> Bool {
    switch change.event {
    case .contact(.created): false
    case .contact(.tagged): !isNew(change.stream)
    default: true
    }
  }
}

extension DomainEvent {
  fileprivate var isOfWorkflow: Bool {
    if case .workflow = self { return true }
    return false
  }
}

/// Hears what an executor has on disk, on the executor: it keeps nobody waiting.
protocol ExecutorObserver: Sendable {
  /// Before anything of it can be on disk.
  func decidedOnWorkflow()
  /// `position`: everything of the org up to there was told; nil while nobody knows what is on disk.
  func recorded(_ changes: [RecordedChange], of org: Identifier, through position: UInt64?)
  /// A flush failed: nobody knows for the moment what of it is on disk.
  func becameDoubtful(_ org: Identifier)
  /// The org was read again.
  func becameCertain(_ org: Identifier)
}

/// What became of a command.
package struct Done<Output: Sendable>: Sendable {
  /// What the command answered; nil where its idempotency key had been used before.
  package let output: Output?
  /// nil where nothing had to be written.
  package let receipt: Receipt?

  package var isReplay: Bool { output == nil }
}

/// An event that a command would write.
package struct PlannedEvent: Sendable, Equatable {
  package let type: String
  package let subject: Identifier
  /// Whether the subject would come to be with the same command: its id is not the final one.
  package let isNew: Bool
}

/// An event that was decided, and once it is on disk, for those who keep an index over all orgs.
///
/// A class: it is handed on a dozen times, and an event may be large.
package final class RecordedChange: Sendable {
  package let stream: Identifier
  package let event: DomainEvent

  init(stream: Identifier, event: DomainEvent) {
    self.stream = stream
    self.event = event
  }
}

/// Folds recorded events into an org's state.
///
/// Messages that ended stay until `forget`, which comes after each page, and then for a while in `dropped`: most news of
/// them comes soon, and what comes later costs a look into their streams.
struct OrgLoader {
  let log: any EventReader
  private var dropped = DroppedMessages()
  /// How often a stream was looked into.
  private(set) var streamReadCount = 0

  init(log: any EventReader) { self.log = log }

  mutating func fold(
    _ recorded: RecordedEvent, into state: OrgState
  ) throws(CommandError) {
    let decoded = try StreamFold.decode(recorded)
    if case .message = decoded.event, recorded.streamVersion > 1,
      state.tables.messages[decoded.stream] == nil
    {
      // It had ended and has news after all: taken back as it was when they came, like those of a running system.
      if let before = dropped.take(decoded.stream) {
        state.revive([decoded.stream: before])
      } else {
        streamReadCount += 1
        let before = try StreamFold.state(
          Message.self, decoded.stream, org: state.org, log: log, upTo: recorded.streamVersion - 1)
        state.revive([decoded.stream: before])
      }
    }
    state.apply(
      decoded.event, of: decoded.stream,
      at: EventPlace(
        orgSequence: recorded.orgSequence, occurredAtMicros: recorded.context.occurredAtMicros,
        recordedAtMicros: recorded.recordedAtMicros, depth: recorded.context.depth))
    state.nextOrgSequence = recorded.orgSequence + 1
    state.lastPosition = recorded.position
  }

  /// All that was folded is on disk.
  mutating func forget(in state: OrgState) {
    guard state.nextOrgSequence > 0 else { return }
    state.forgetEnded(through: state.nextOrgSequence - 1) { dropped.insert($1, of: $0) }
  }
}
