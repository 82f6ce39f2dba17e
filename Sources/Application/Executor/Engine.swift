import Domain
import EventLog
import Synchronization

/// Something that is so from some moment on, for good.
final class Flag: Sendable {
  private let isUp = Atomic(false)

  var isRaised: Bool { isUp.load(ordering: .sequentiallyConsistent) }

  func raise() { isUp.store(true, ordering: .sequentiallyConsistent) }
}

/// The house's write side: one executor an org, and an index over all of them.
package final class Engine: Sendable {
  package let log: any EventLogWriter
  package let tools: Tools
  package let directory = Directory()
  /// What contacts were last read as.
  package let answers = RecentAnswers()
  /// How webhook deliveries stand.
  package let deliveries = DeliveryBoard()
  package let workCounter = WorkCounter()
  private let campaigns = CampaignSnapshots()
  /// What the start took.
  package let loaded: LoadReport
  private let loader: BookLoader
  private let orgs = Mutex(Orgs())

  /// Whether an event of any org starts a workflow, or did at some time. Looked at after the head of the log was
  /// read, it is true of everything up to there.
  let hasWorkflows = Flag()

  private struct Orgs {
    var executors: [Identifier: OrgExecutor] = [:]
    var onOrg: (@Sendable (OrgExecutor) -> Void)?
    /// Idempotency keys of orgs that are being created: no executor sees to it that there is one order a key.
    var keysOfNewOrgs: Set<String> = []
  }

  /// Reads all books: from snapshots what these hold, the rest from the log. Blocks for as long as that takes.
  /// `contacts` is what all orgs have together.
  package init(
    log: any EventLogWriter, tools: Tools, snapshots: SnapshotFolder? = nil,
    contacts: ContactMemory = ContactMemory()
  ) throws(CommandError) {
    self.log = log
    self.tools = tools
    do {
      let orgCount = try log.orgs().count
      loader = BookLoader(
        log: log, snapshots: snapshots, contacts: contacts.shared(by: orgCount))
    } catch {
      throw .log(error)
    }
    let (states, report) = try loader.loadAll()
    loaded = report
    for state in states.values {
      directory.adopt(state)
      if !state.runs.triggers.isEmpty { hasWorkflows.raise() }
      keep(executor(of: state))
    }
  }

  private func executor(of state: OrgState) -> OrgExecutor {
    OrgExecutor(
      state: state, log: log, loader: loader, tools: tools,
      observer: Indexes(
        directory: directory, answers: answers, counter: workCounter, hasWorkflows: hasWorkflows))
  }

  /// What is kept over all orgs, kept up with each.
  private struct Indexes: ExecutorObserver {
    let directory: Directory
    let answers: RecentAnswers
    let counter: WorkCounter
    let hasWorkflows: Flag

    func decidedOnWorkflow() { hasWorkflows.raise() }

    func recorded(_ changes: [RecordedChange], of org: Identifier, through position: UInt64?) {
      directory.apply(changes, org: org)
      counter.count(changes)
      let contacts = changes.lazy.filter { $0.stream.kind == .contact }.map(\.stream)
      answers.forget(contacts, of: org, position: position)
    }

    func becameDoubtful(_ org: Identifier) { answers.setDoubt(true, about: org) }
    func becameCertain(_ org: Identifier) { answers.setDoubt(false, about: org) }
  }

  private func keep(_ executor: OrgExecutor) {
    let onOrg = orgs.withLock { orgs in
      orgs.executors[executor.org] = executor
      return orgs.onOrg
    }
    onOrg?(executor)
  }

  /// The executor of an org that exists.
  package func executor(for org: Identifier) throws(CommandError) -> OrgExecutor {
    guard let executor = orgs.withLock({ $0.executors[org] }) else { throw .notFound(org) }
    return executor
  }

  package var allExecutors: [OrgExecutor] {
    orgs.withLock { Array($0.executors.values) }.sorted { $0.org < $1.org }
  }

  /// Calls `body` once for every org there is and every one that comes.
  package func forEachOrg(_ body: @escaping @Sendable (OrgExecutor) -> Void) {
    let known = orgs.withLock { orgs in
      orgs.onOrg = body
      return Array(orgs.executors.values)
    }
    for executor in known { body(executor) }
  }

  /// Creates an org with its wallet.
  ///
  /// - Throws: `idempotencyInProgress` where the call's key is being used, or was used just now: `org(createdUnder:)`
  ///   tells for what.
  package func createOrg(_ new: NewOrg, _ call: Call) async throws(CommandError) -> OrgExecutor {
    guard let key = call.idempotencyKey else { return try await create(new, call) }
    guard orgs.withLock({ $0.keysOfNewOrgs.insert(key.name).inserted }) else {
      throw .idempotencyInProgress
    }
    defer { orgs.withLock { _ = $0.keysOfNewOrgs.remove(key.name) } }
    guard try org(createdUnder: key) == nil else { throw .idempotencyInProgress }
    return try await create(new, call)
  }

  /// The org that was created under an idempotency key, which its own book holds; nil where there is none. Asks every
  /// org: new ones are few.
  ///
  /// - Throws: `CommandError.log(.idempotencyMismatch)` where the key was used for another one.
  package func org(createdUnder key: IdempotencyName) throws(CommandError) -> Identifier? {
    let key = key.key
    for executor in allExecutors {
      do {
        if try log.receipt(org: OrgID(executor.org.value), idempotencyKey: key) != nil {
          return executor.org
        }
      } catch {
        throw .log(error)
      }
    }
    return nil
  }

  private func create(_ new: NewOrg, _ call: Call) async throws(CommandError) -> OrgExecutor {
    let (executor, prices) = try await prepare(new)
    _ = try await executor.perform(call) { workspace throws(CommandError) in
      try new.create(in: &workspace, prices)
    }
    keep(executor)
    return executor
  }

  /// What creating it would write.
  package func preview(_ new: NewOrg, _ call: Call) async throws(CommandError) -> [PlannedEvent] {
    let (executor, prices) = try await prepare(new)
    return try await executor.preview(call) { workspace throws(CommandError) in
      try new.create(in: &workspace, prices)
    }
  }

  /// An executor that nobody knows yet, and the prices that the org takes over from its agency.
  private func prepare(
    _ new: NewOrg
  ) async throws(CommandError) -> (OrgExecutor, [PriceOverride]) {
    let id =
      new.id
      ?? Identifier(.org, millis: tools.clock.nowMicros() / 1_000, random: tools.random.next())
    let executor = executor(of: OrgState(org: id, contacts: loader.contacts))
    let prices = try await new.agency.flatMap { known($0) }?.read {
      workspace throws(CommandError) in workspace.clientPrices
    }
    return (executor, prices ?? [])
  }

  private func known(_ org: Identifier) -> OrgExecutor? {
    orgs.withLock { $0.executors[org] }
  }

  /// Writes what an agency asks of all its clients into the book of each. Returns how many they are. What a
  /// client's book says already is not said again.
  package func spread(
    _ price: PriceOverride, of agency: Identifier, _ call: Call
  ) async throws(CommandError) -> Int {
    var count = 0
    for client in allExecutors {
      let done = try await client.perform(call) { workspace throws(CommandError) in
        guard workspace.settings.agency == agency else { return false }
        try workspace.takeOver(price)
        return true
      }
      if done.output == true { count += 1 }
    }
    return count
  }
}

// MARK: - The kill switch

extension Engine {
  /// Of one org, or of all there are.
  package func executors(of org: Identifier?) throws(CommandError) -> [OrgExecutor] {
    guard let org else { return allExecutors }
    return [try executor(for: org)]
  }

  /// Carries out `order`: a commit in every org's own book, which holds the call's idempotency key. Returns how many
  /// there were.
  package func setSending(
    _ order: SendingOrder, of executors: [OrgExecutor], _ call: Call
  ) async throws(CommandError) -> Int {
    let failures = await withTaskGroup(of: CommandError?.self) { group in
      for executor in executors {
        group.addTask {
          do throws(CommandError) {
            _ = try await executor.perform(call) { workspace throws(CommandError) in
              try order.apply(to: &workspace)
              // Again it would do what it did not do then.
              if call.idempotencyKey != nil, !workspace.hasChanges {
                try workspace.recordNoEffect(on: executor.org)
              }
            }
            return nil
          } catch {
            return error
          }
        }
      }
      return await group.reduce(into: [CommandError]()) { if let error = $1 { $0.append(error) } }
    }
    // Done for the others; whoever calls again meets only those that are left.
    if let error = failures.first { throw error }
    return executors.count
  }
}

/// The operator stops sending, or lets it go on.
package struct SendingOrder: Sendable {
  let isHalted: Bool
  let scope: HaltScope
  let mode: HaltMode
  let reason: String

  package init(isHalted: Bool, scope: HaltScope, mode: HaltMode = .wait, reason: String) {
    self.isHalted = isHalted
    self.scope = scope
    self.mode = mode
    self.reason = reason
  }

  package func apply(to workspace: inout Workspace) throws(CommandError) {
    if isHalted {
      try workspace.haltSending(scope, mode, reason: reason)
    } else {
      try workspace.resumeSending(scope)
    }
  }
}

// MARK: - Objects as they were

/// An aggregate at one version, with its times on the org's clock.
package struct Snapshot<State: Sendable>: Sendable {
  package var state: State
  /// 0 where there is no such stream.
  package var version: UInt64 = 0
  package var createdAtMicros: Micros = 0
  package var updatedAtMicros: Micros = 0
}

extension Engine {
  /// A contact as it was at `version`: how an answer is given again, byte for byte. `consentSince`
  /// tells when each channel's consent last changed.
  package func contact(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> (snapshot: Snapshot<Contact.State>, consentSince: [Channel: Micros]) {
    var since: [Channel: Micros] = [:]
    let snapshot = try snapshot(Contact.self, id, of: org, version: version) { event, atMicros in
      switch event {
      case .optedIn(let consent): since[consent.channel] = atMicros
      case .optedOut(let optOut): since[optOut.channel] = atMicros
      case .created, .updated, .tagged, .untagged, .optOutSuspected, .optOutDismissed,
        .dataDestroyed, .erased, .leadCaptured, .archived, .restored:
        break
      case .erasureRequested: since = [:]
      }
    }
    return (snapshot, since)
  }

  package func org(
    _ id: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<Org.State> {
    try snapshot(Org.self, id, of: id, version: version)
  }

  package func message(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<Message.State> {
    try snapshot(Message.self, id, of: org, version: version)
  }

  package func segment(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<Segment.State> {
    try snapshot(Segment.self, id, of: org, version: version)
  }

  /// Its stream holds the whole audience: only what came since the last look is read.
  package func campaign(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<Campaign.State> {
    let known = campaigns.snapshot(of: id, in: org, upTo: version)
    let snapshot = try snapshot(Campaign.self, id, of: org, after: known, version: version)
    campaigns.keep(snapshot, of: id, in: org)
    return snapshot
  }

  package func workflow(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<Workflow.State> {
    try snapshot(Workflow.self, id, of: org, version: version)
  }

  package func run(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<WorkflowRun.State> {
    try snapshot(WorkflowRun.self, id, of: org, version: version)
  }

  package func webhookEndpoint(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<WebhookEndpoint.State> {
    try snapshot(WebhookEndpoint.self, id, of: org, version: version)
  }

  package func user(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<User.State> {
    try snapshot(User.self, id, of: org, version: version)
  }

  package func role(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<Role.State> {
    try snapshot(Role.self, id, of: org, version: version)
  }

  package func apiKey(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<APIKey.State> {
    try snapshot(APIKey.self, id, of: org, version: version)
  }

  package func template(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<Template.State> {
    try snapshot(Template.self, id, of: org, version: version)
  }

  package func payment(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<Payment.State> {
    try snapshot(Payment.self, id, of: org, version: version)
  }

  package func inboundHook(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<InboundHook.State> {
    try snapshot(InboundHook.self, id, of: org, version: version)
  }

  package func importJob(
    _ id: Identifier, of org: Identifier, version: UInt64 = .max
  ) throws(CommandError) -> Snapshot<ImportJob.State> {
    try snapshot(ImportJob.self, id, of: org, version: version)
  }

  /// The version of an object's stream on disk; 0 where there is none.
  package func version(of id: Identifier, in org: Identifier) throws(CommandError) -> UInt64 {
    try lastChange(of: id, in: org).version
  }

  /// 0 and 0 where there is no such stream.
  package func lastChange(
    of id: Identifier, in org: Identifier
  ) throws(CommandError) -> (version: UInt64, atMicros: Micros) {
    do {
      let last = try log.readStream(
        org: OrgID(org.value), stream: StreamID(id.value), from: .max, limit: 1,
        direction: .backwards
      ).first
      return (last?.streamVersion ?? 0, last?.context.occurredAtMicros ?? 0)
    } catch {
      throw .log(error)
    }
  }

  private func snapshot<Aggregate: Housed>(
    _: Aggregate.Type, _ id: Identifier, of org: Identifier,
    after known: Snapshot<Aggregate.State>? = nil, version: UInt64,
    onEvent: (Aggregate.Event, Micros) -> Void = { _, _ in }
  ) throws(CommandError) -> Snapshot<Aggregate.State> {
    var snapshot = known ?? Snapshot(state: Aggregate.initialState)
    try StreamFold.forEach(
      Aggregate.self, id, org: org, log: log, after: snapshot.version, upTo: version
    ) { event, recorded in
      let atMicros = recorded.context.occurredAtMicros
      snapshot.state = Aggregate.evolve(snapshot.state, with: event)
      if snapshot.version == 0 { snapshot.createdAtMicros = atMicros }
      snapshot.version = recorded.streamVersion
      snapshot.updatedAtMicros = atMicros
      onEvent(event, atMicros)
    }
    return snapshot
  }
}
