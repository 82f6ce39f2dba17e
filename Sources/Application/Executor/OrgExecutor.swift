import Domain
import EventCodec
import EventLog

/// Decides one org's commands, one at a time, in order of arrival.
///
/// The next command is decided on state that may not be flushed yet; nothing is acknowledged before
/// its own flush, which comes after all earlier ones. When a flush fails, everything decided on top
/// of it is refused by the log (its org sequence no longer fits) and the state is read again.
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
  private(set) var state: OrgState
  private var isStale = false
  private var unflushedCount = 0
  /// The latest append, flushed or not: everything before it is decided by it too.
  private var lastAppend: PendingAppend?
  private var keysInFlight: Set<String> = []

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
  package func perform<Output: Sendable>(
    _ call: Call,
    _ decide: @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws(CommandError) -> Done<Output> {
    if let key = call.idempotencyKey {
      if let receipt = try answered(key) { return Done(output: nil, receipt: receipt) }
      guard keysInFlight.insert(key.name).inserted else { throw .idempotencyInProgress }
    }
    defer {
      if let key = call.idempotencyKey { keysInFlight.remove(key.name) }
    }
    try reloadIfStale()
    var workspace = workspace(for: call)
    let output: Output
    do {
      output = try decide(&workspace)
    } catch {
      try await requireFlushed()
      throw error
    }
    guard !workspace.decided.isEmpty else {
      try await requireFlushed()
      return Done(output: output, receipt: nil)
    }
    let receipt = try await append(workspace, call)
    return Done(output: receipt.isReplay ? nil : output, receipt: receipt)
  }

  /// An answer that adds nothing ("opted out already") rests on what came before it: it is given once
  /// that is on disk, and not at all where it never came there.
  private func requireFlushed() async throws(CommandError) {
    guard unflushedCount > 0, let lastAppend else { return }
    do {
      _ = try await lastAppend.receipt()
    } catch {
      throw .log(error)
    }
  }

  /// Reads the org's state without deciding anything.
  package func read<Output: Sendable>(
    _ body: @Sendable (borrowing Workspace) throws(CommandError) -> Output
  ) throws(CommandError) -> Output {
    try reloadIfStale()
    return try body(workspace(for: Call(actor: "", origin: "", correlation: "")))
  }

  /// Decides without keeping anything: what would be written.
  package func preview<Output: Sendable>(
    _ call: Call, _ decide: @Sendable (inout Workspace) throws(CommandError) -> Output
  ) throws(CommandError) -> [PlannedEvent] {
    try reloadIfStale()
    var workspace = workspace(for: call)
    _ = try decide(&workspace)
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
    return try body(state)
  }

  private func workspace(for call: Call) -> Workspace {
    Workspace(
      state: state, log: log, tools: tools, actor: call.actor, depth: call.depth,
      nowMicros: nowMicros)
  }
}

// MARK: - Appending

extension OrgExecutor {
  private func append(_ workspace: Workspace, _ call: Call) async throws(CommandError) -> Receipt {
    let commit = commit(of: workspace, call)
    let firstSequence = state.nextOrgSequence
    let realMicros = tools.clock.nowMicros()
    let pending = log.enqueue(commit)
    lastAppend = pending
    state.revive(workspace.revived)
    for decided in workspace.decided {
      state.apply(
        decided.event, of: decided.stream,
        at: EventPlace(
          orgSequence: state.nextOrgSequence, occurredAtMicros: workspace.nowMicros,
          recordedAtMicros: realMicros, depth: call.depth))
      state.nextOrgSequence += 1
    }
    unflushedCount += 1
    let result: Result<Receipt, EventLogError>
    do {
      result = .success(try await pending.receipt())
    } catch {
      result = .failure(error)
    }
    unflushedCount -= 1
    switch result {
    case .success(let receipt) where receipt.isReplay || receipt.firstOrgSequence != firstSequence:
      // The key was used meanwhile, or somebody else wrote: what we hold is not what is on disk.
      doubt()
      return receipt
    case .success(let receipt):
      state.lastPosition = max(state.lastPosition, receipt.lastPosition)
      state.forgetEnded(through: firstSequence + UInt64(receipt.eventCount) - 1)
      announce(workspace, receipt)
      return receipt
    case .failure(let error):
      doubt()
      throw .log(error)
    }
  }

  private func commit(of workspace: Workspace, _ call: Call) -> Commit {
    var commit = Commit(
      org: OrgID(org.value),
      events: workspace.decided.map {
        EventCodec.encode($0.event, stream: $0.stream, org: org, reason: call.reason)
      },
      idempotencyKey: call.idempotencyKey.map {
        IdempotencyKey(name: $0.name, fingerprint: $0.fingerprint)
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

  private func announce(_ workspace: Workspace, _ receipt: Receipt) {
    // Receipts do not always arrive in order: an earlier one may be under way.
    observer.recorded(
      workspace.decided.map { RecordedChange(stream: $0.stream, event: $0.event) }, of: org,
      through: unflushedCount == 0 && !isStale ? state.lastPosition : nil)
    changes.raise()
    if workspace.decided.contains(where: \.event.mayGiveWork) { work.raise() }
  }

  private func answered(_ key: IdempotencyName) throws(CommandError) -> Receipt? {
    do {
      return try log.receipt(
        org: OrgID(org.value),
        idempotencyKey: IdempotencyKey(name: key.name, fingerprint: key.fingerprint))
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

extension DomainEvent {
  /// Whether timers, campaigns, messages, calls, payments or endpoints can depend on it. No audience is open to
  /// a contact that is only just there, and what its creation starts is found in the log.
  fileprivate var mayGiveWork: Bool {
    guard case .contact(.created) = self else { return true }
    return false
  }
}

/// Hears what an executor has on disk, on the executor: it keeps nobody waiting.
protocol ExecutorObserver: Sendable {
  /// `position`: everything of the org up to there was told; nil where something earlier is still to come.
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

/// An event that is on disk now, for those who keep an index over all orgs.
package struct RecordedChange: Sendable {
  package let stream: Identifier
  package let event: DomainEvent
}

/// Folds recorded events into an org's state.
enum OrgLoader {
  static func fold(_ recorded: RecordedEvent, into state: OrgState) throws(CommandError) {
    let decoded = try StreamFold.decode(recorded)
    state.apply(
      decoded.event, of: decoded.stream,
      at: EventPlace(
        orgSequence: recorded.orgSequence, occurredAtMicros: recorded.context.occurredAtMicros,
        recordedAtMicros: recorded.recordedAtMicros, depth: recorded.context.depth))
    state.forgetEnded(through: recorded.orgSequence)
    state.nextOrgSequence = recorded.orgSequence + 1
    state.lastPosition = recorded.position
  }
}
