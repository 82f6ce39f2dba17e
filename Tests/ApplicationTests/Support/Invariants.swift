import Application
import Domain
import EventCodec
import Testing

/// What has to hold in every org's book, whatever happened. Each check names the position that breaks it.
enum Invariants {
  static func check(
    _ org: TestOrg, _ comment: String = "", at location: SourceLocation = #_sourceLocation
  ) async throws {
    let events = try org.events
    let problems =
      revocations(events) + wallet(events) + campaigns(events) + providerIDs(events)
      + rules(events)
    #expect(problems.isEmpty, "\(comment) \(problems.prefix(5))", sourceLocation: location)
    try SnapshotProof.check(org.house.log, org.id, comment, at: location)
    try await ReplayProof.check(org, comment, at: location)
  }

  /// What `daybook verify --rules` says.
  static func rules(_ events: [RecordedDomainEvent]) -> [String] {
    var verifier = RuleVerifier(numbers: PhoneBook(), clock: SystemZoneClock())
    for event in events { verifier.check(event) }
    return verifier.violations.map { "\($0.rule) at \($0.position)" }
  }

  /// No intent to a number after its revocation, until a new consent.
  static func revocations(_ events: [RecordedDomainEvent]) -> [String] {
    var revoked: Set<String> = []
    var addresses: [Identifier: String] = [:]
    var problems: [String] = []
    for recorded in events {
      switch recorded.event {
      case .contact(.optedOut(let optOut)) where optOut.channel == .sms:
        if let address = optOut.address.value { revoked.insert(address) }
      case .contact(.optedIn(let consent)) where consent.channel == .sms:
        if let address = consent.evidence.value?.address { revoked.remove(address) }
      case .message(.planned(let plan)):
        addresses[recorded.stream] = plan.content.value?.address
      case .message(.queued), .message(.dispatched):
        if let address = addresses[recorded.stream], revoked.contains(address) {
          problems.append("\(recorded.type) after a revocation at \(recorded.position)")
        }
      default: break
      }
    }
    return problems
  }

  /// Never below zero, every hold ended once, one charge a message at most, and none for what failed.
  static func wallet(_ events: [RecordedDomainEvent]) -> [String] {
    var wallet = Wallet.State()
    var sums = (credits: Int64(0), debits: Int64(0))
    var charged: [Identifier: Int] = [:]
    var waived: Set<String> = []
    var problems: [String] = []
    var states: [Identifier: Message.State] = [:]
    for recorded in events {
      if case .message(let event) = recorded.event {
        states[recorded.stream] = Message.evolve(
          states[recorded.stream] ?? Message.initialState, with: event)
      }
      guard case .wallet(let event) = recorded.event else { continue }
      switch event {
      case .funded(let amount, _, _): sums.credits += amount
      case .settled(let message, let charge):
        sums.debits += charge.amountMicros
        charged[message, default: 0] += 1
        if wallet.holds[message] == nil { problems.append("charge without hold") }
      case .refunded(let message, let charge):
        sums.credits += charge.amountMicros
        charged[message, default: 0] -= 1
      case .debited(let charge): sums.debits += charge.amountMicros
      case .waived(let charge): waived.insert(charge.resourceID)
      case .opened, .held, .released: break
      }
      wallet.apply(event)
      if wallet.balanceMicros < 0 || wallet.heldMicros < 0 || wallet.availableMicros < 0 {
        problems.append("wallet below zero at \(recorded.position)")
      }
    }
    if sums.credits - sums.debits != wallet.balanceMicros { problems.append("sums differ") }
    for (message, state) in states where state.plan != nil {
      let expected = state.status?.isCharged == true ? 1 : 0
      let count = charged[message, default: 0]
      // Nobody could pay for what proved to be on its way after a restore.
      let isWaived = count == 0 && state.providerID.map(waived.contains) == true
      if count != expected, !isWaived {
        let status = state.status?.rawValue ?? "nothing"
        problems.append("\(message) is \(status), charged \(count) times at \(state.priceMicros)")
      }
      let holds = wallet.holds[message] != nil
      if holds != (state.status?.holdsPrice ?? false) { problems.append("\(message) hold") }
    }
    return problems
  }

  /// planned = sent + failed + skipped + cancelled + pending.
  static func campaigns(_ events: [RecordedDomainEvent]) -> [String] {
    var campaigns: [Identifier: Campaign.State] = [:]
    var messages: [Identifier: Message.State] = [:]
    var problems: [String] = []
    for recorded in events {
      switch recorded.event {
      case .message(let event):
        messages[recorded.stream] = Message.evolve(
          messages[recorded.stream] ?? Message.initialState, with: event)
      case .campaign(let event):
        campaigns[recorded.stream] = Campaign.evolve(
          campaigns[recorded.stream] ?? Campaign.initialState, with: event)
        if case .completed(let outcome) = event {
          let counted = Self.outcome(of: recorded.stream, messages)
          if counted != outcome {
            problems.append("\(recorded.stream) completed wrongly")
          }
        }
      default: break
      }
    }
    for (id, campaign) in campaigns {
      let own = messages.values.filter { $0.plan?.campaign == id }
      let unplanned = campaign.openBatches.values.reduce(0) { $0 + $1.count }
      let isConserved =
        campaign.status == .cancelled
        ? own.count <= campaign.plannedCount : own.count + unplanned == campaign.plannedCount
      if !isConserved { problems.append("\(id) recipients") }
      if Set(own.map(\.plan?.contact)).count != own.count { problems.append("\(id) doubles") }
    }
    return problems
  }

  static func outcome(
    of campaign: Identifier, _ messages: [Identifier: Message.State]
  ) -> CampaignOutcome {
    var outcome = CampaignOutcome(sentCount: 0, failedCount: 0, skippedCount: 0, cancelledCount: 0)
    for message in messages.values where message.plan?.campaign == campaign {
      switch message.status {
      case .sent, .delivered: outcome.sentCount += 1
      case .failed: outcome.failedCount += 1
      case .skipped: outcome.skippedCount += 1
      case .cancelled: outcome.cancelledCount += 1
      default: break
      }
    }
    return outcome
  }

  /// A message of the provider belongs to one of ours.
  static func providerIDs(_ events: [RecordedDomainEvent]) -> [String] {
    var owners: [String: Identifier] = [:]
    var problems: [String] = []
    for recorded in events {
      guard case .message(.accepted(let id)) = recorded.event else { continue }
      if let owner = owners[id], owner != recorded.stream { problems.append("\(id) twice") }
      owners[id] = recorded.stream
    }
    return problems
  }
}
