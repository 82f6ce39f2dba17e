import Domain
import EventLog

/// Whether the read models have forgotten somebody.
package protocol ErasedRows: Sendable {
  /// Those of `contacts` of whom rows may be left: a read model has not come to `position` yet, holds events of
  /// theirs back, or keeps rows of before.
  func remaining(
    of contacts: [Identifier], in org: Identifier, through position: UInt64
  ) async throws -> Set<Identifier>
}

/// What an erasure works on beside the org's own book.
package struct ErasureTools: Sendable {
  package let eraser: any SubjectEraser
  package let rows: any ErasedRows
  /// Throws away copies that lie outside the log: exports of an org.
  package let discardCopies: @Sendable (_ org: Identifier) async throws -> Void
  /// How long messages that were handed out before the request may take to come to an end: what they are
  /// looked for by at the provider goes with the person.
  package var inFlightGraceMillis: Int64 = 60_000
  /// Requests that come within this time are carried out together: the log's file is copied once for all.
  package var collectMillis: Int64 = 1_000
  /// How many people are taken out of the log's file by one copy of it.
  package var batchLimit = 1_000

  package init(
    eraser: any SubjectEraser, rows: any ErasedRows,
    discardCopies: @escaping @Sendable (_ org: Identifier) async throws -> Void
  ) {
    self.eraser = eraser
    self.rows = rows
    self.discardCopies = discardCopies
  }
}

/// Carries erasures out: from `subject.erasure_requested` over the destruction of keys and sealed parts to
/// `subject.erased`. All it knows is found in the log, so that a kill at any moment costs a repeated step
/// at most, and every step can be repeated.
///
/// One for all orgs: the log has one file, and rewriting it keeps every commit waiting.
package actor ErasureReactor {
  private let engine: Engine
  private let tools: ErasureTools
  private let hold: SendingHold
  private let report: @Sendable (String) -> Void
  /// Orgs in which something may be open.
  private var open: Set<Identifier> = []
  /// Up to where the read models have to come for each person: as of when they were first asked.
  private var wanted: [Identifier: UInt64] = [:]
  /// Whose keys are destroyed, and what was copied by them thrown away: the rest of it may have to wait.
  private var withoutKeys: Set<Identifier> = []
  private var restUntil = ContinuousClock.now
  private var lookRest = LookRest()

  private static let types: Set<String> = ["subject.erasure_requested"]
  private static let pause = Duration.milliseconds(200)
  /// Where all that is open waits for something: the release of a restored log, a backup folder.
  private static let longPause = Duration.seconds(2)
  /// The log is being rewritten for a twentieth of the time at most.
  private static let restFactor = 19

  package init(
    engine: Engine, tools: ErasureTools, hold: SendingHold,
    report: @escaping @Sendable (String) -> Void
  ) {
    self.engine = engine
    self.tools = tools
    self.hold = hold
    self.report = report
  }

  /// Works until the task is cancelled.
  package func run() async {
    var position: UInt64?
    while !Task.isCancelled {
      do {
        position = try await round(after: position)
      } catch is CancellationError {
        return
      } catch {
        report("erasure: \(error)")
        // Cut short only by cancellation, which the loop notices itself.
        try? await Task.sleep(for: Self.longPause)
      }
    }
  }

  /// Looks at every org once, then at those in which somebody asked.
  private func round(after position: UInt64?) async throws -> UInt64 {
    let start = try position ?? engine.log.head()
    if position == nil { open = Set(engine.allExecutors.map(\.org)) }
    let page = try engine.log.read(
      after: start, limit: 500, filter: EventFilter(types: Self.types))
    for event in page.events { open.insert(Identifier(.org, event.org.value)) }
    var hasFailed = false
    // Each look goes through the messages that are open.
    let isHeld = try hold.record()?.isHeld == true
    for org in open.sorted() {
      try Task.checkCancellation()
      do {
        if try await advance(org) { open.remove(org) }
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        // What one account waits for, such as a backup folder that is away, is not waited for by the others.
        report("erasure in \(org): \(error)")
        hasFailed = true
      }
    }
    guard open.isEmpty else {
      try await Task.sleep(for: hasFailed || isHeld ? Self.longPause : Self.pause)
      return page.scannedTo
    }
    guard page.scannedTo == start else { return page.scannedTo }
    _ = try await engine.log.waitForHead(beyond: start, timeoutMillis: 60_000)
    try await Task.sleep(until: lookRest.nextLook())
    return start
  }

  /// True where nothing is open any more.
  private func advance(_ org: Identifier) async throws -> Bool {
    let executor = try engine.executor(for: org)
    let work = try await executor.erasureWork()
    guard !work.isEmpty else { return true }
    for contact in work.unasked {
      _ = try await executor.perform(call(nil, 0)) { workspace throws(CommandError) in
        try workspace.requestErasure(of: contact, reason: .restored)
      }
    }
    // First what is nearly done: the rest may have to wait for days.
    try await finish(work, executor)
    try await destroy(work, executor)
    return false
  }

  private func call(_ ticket: OrgExecutor.ErasureTicket?, _ ordinal: Int) -> Call {
    Call(
      actor: "system:erasure", origin: "reactor", correlation: "", depth: 1,
      idempotencyKey: ticket.map { IdempotencyName("erasure/\($0.orgSequence)/\(ordinal)") })
  }
}

// MARK: - Steps

extension ErasureReactor {
  private func destroy(
    _ work: OrgExecutor.ErasureWork, _ executor: OrgExecutor
  ) async throws {
    let due = work.requested.filter { ticket in
      let ageMillis = (work.nowMicros - ticket.requestedAtMicros) / 1_000
      return ticket.inFlight.isEmpty
        ? ageMillis >= tools.collectMillis : ageMillis >= tools.inFlightGraceMillis
    }
    guard !due.isEmpty else { return }
    // Of everybody, and not of those alone whom the slice below takes out: it may wait.
    for start in stride(from: 0, to: due.count, by: tools.batchLimit) {
      let slice = due[start..<min(start + tools.batchLimit, due.count)]
      for message in slice.flatMap(\.inFlight) {
        _ = try await executor.perform(call(nil, 0)) { workspace throws(CommandError) in
          try workspace.endUnanswered(message)
        }
      }
      try await destroyKeys(of: Set(slice.map(\.contact)), executor)
    }
    let batch = Array(due.prefix(tools.batchLimit))
    let contacts = Set(batch.map(\.contact))
    // A log that was restored to be looked at has the backup folders of the real one: it tells them nothing.
    guard try hold.record()?.isHeld != true else { return }
    guard ContinuousClock.now >= restUntil else { return }
    try await takeOut(contacts, executor.org)
    for ticket in batch {
      _ = try await executor.perform(call(ticket, 1)) { workspace throws(CommandError) in
        try workspace.recordDestruction(of: ticket.contact)
      }
      withoutKeys.remove(ticket.contact)
    }
  }

  /// Once for each, before all that may have to wait for days: for room on the disk, a backup folder that is away, the
  /// release. What is copied later has nothing of these people.
  private func destroyKeys(
    of contacts: Set<Identifier>, _ executor: OrgExecutor
  ) async throws {
    let new = contacts.subtracting(withoutKeys)
    guard !new.isEmpty else { return }
    try await tools.eraser.destroyKeys(of: Self.subjects(new), org: OrgID(executor.org.value))
    try await tools.discardCopies(executor.org)
    let endpoints = try await executor.read { workspace throws(CommandError) in
      workspace.webhookEndpointStates.map(\.0)
    }
    try engine.deliveries.forgetAnswers(about: new, to: endpoints)
    withoutKeys.formUnion(new)
  }

  /// Out of the files, and out of the backups' keys.
  private func takeOut(_ contacts: Set<Identifier>, _ org: Identifier) async throws {
    let began = ContinuousClock.now
    // A copy that failed has taken its time too.
    defer { restUntil = .now + (ContinuousClock.now - began) * Self.restFactor }
    try await tools.eraser.erase(Self.subjects(contacts), org: OrgID(org.value))
  }

  private static func subjects(_ contacts: Set<Identifier>) -> Set<SubjectID> {
    Set(contacts.map { SubjectID($0.value) })
  }

  private func finish(
    _ work: OrgExecutor.ErasureWork, _ executor: OrgExecutor
  ) async throws {
    let contacts = work.rewritten.map(\.contact)
    for contact in contacts where wanted[contact] == nil {
      wanted[contact] = try engine.log.head()
    }
    guard let position = contacts.compactMap({ wanted[$0] }).max() else { return }
    let remaining = try await tools.rows.remaining(
      of: contacts, in: executor.org, through: position)
    for ticket in work.rewritten where !remaining.contains(ticket.contact) {
      _ = try await executor.perform(call(ticket, 2)) { workspace throws(CommandError) in
        try workspace.recordErasure(of: ticket.contact)
      }
      wanted[ticket.contact] = nil
    }
  }
}

// MARK: - What there is to do

extension OrgExecutor {
  struct ErasureTicket: Sendable {
    let contact: Identifier
    /// Of what began it: names its commands.
    let orgSequence: UInt64
    let requestedAtMicros: Micros
    /// Handed out, and nothing final heard of.
    var inFlight: [Identifier] = []
  }

  struct ErasureWork: Sendable {
    let nowMicros: Micros
    /// Their keys are gone, and nobody asked.
    var unasked: [Identifier] = []
    var requested: [ErasureTicket] = []
    var rewritten: [ErasureTicket] = []

    var isEmpty: Bool { unasked.isEmpty && requested.isEmpty && rewritten.isEmpty }
  }

  func erasureWork() throws(CommandError) -> ErasureWork {
    let nowMicros = nowMicros
    return try withState { state in
      var work = ErasureWork(nowMicros: nowMicros)
      guard !state.openErasures.isEmpty else { return work }
      let inFlight = state.inFlight(to: Set(state.openErasures.keys))
      for (contact, orgSequence) in state.openErasures.sorted(by: { $0.value < $1.value }) {
        guard let erasure = state.contacts[contact]?.state.erasure else {
          work.unasked.append(contact)
          continue
        }
        let ticket = ErasureTicket(
          contact: contact, orgSequence: orgSequence,
          requestedAtMicros: erasure.requestedAtMicros, inFlight: inFlight[contact] ?? [])
        switch erasure.status {
        case .requested, .keysDestroyed: work.requested.append(ticket)
        case .rewritten, .rowsPurged: work.rewritten.append(ticket)
        case .erased: break
        }
      }
      return work
    }
  }
}

extension OrgState {
  /// Messages to these people that were handed out and have not come to an end.
  fileprivate func inFlight(to contacts: Set<Identifier>) -> [Identifier: [Identifier]] {
    tables.messages.reduce(into: [:]) { found, entry in
      guard let contact = entry.value.plan?.contact, contacts.contains(contact),
        let status = entry.value.status, !status.isEnded, !status.isWaiting
      else { return }
      found[contact, default: []].append(entry.key)
    }
  }
}
