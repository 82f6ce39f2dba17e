import Application
import Domain
import EventCodec
import EventLog
import JSON

/// `blast · stop50k`: people say STOP while a campaign that they are in goes out as fast as it can, and it goes on to
/// its end. Proved by the log and by what the sandbox took: nobody was handed over after the commit of their STOP,
/// and everybody else got one text.
enum StopBench {
  static func run(
    _ house: SendingHouse, _ recipientCount: Int, _ report: (Bench.Figure) -> Void
  ) async throws {
    guard recipientCount >= leastCount else {
      throw StopFailure(words: "nobody can speak in the middle of so small a campaign")
    }
    let executor = try await house.org()
    let campaign = try await house.audience(recipientCount, of: executor)
    try await fillQueue(with: campaign, recipientCount, of: executor)
    try await BlastBench.waitUntil(everyMillis: 2) {
      try await BlastBench.taken(house) > recipientCount / 50
    }
    // The last come first: most of them have not been texted.
    let stopCount = min(100, recipientCount / 20)
    let latencies = Latencies()
    for number in 0..<stopCount {
      let index = recipientCount - 1 - number * (recipientCount / stopCount)
      let start = SystemClock.monotonicNanos()
      try await house.inbound("STOP", from: SendingHouse.phone(index), executor.org)
      latencies.add([SystemClock.monotonicNanos() - start])
    }
    try await BlastBench.waitUntil {
      try house.engine.campaign(campaign, of: executor.org).state.status == .completed
    }
    let proof = try StopProof(house.log)
    let texts = try await texts(house)
    func tell(_ metric: String, _ value: Double) {
      report(Bench.Figure(bench: "blast", caseName: "stop50k", metric: metric, value: value))
    }
    tell("p50_ms", latencies.percentile(0.5))
    tell("p99_ms", latencies.percentile(0.99))
    let figures = proof.figures(against: texts)
    for figure in figures { tell(figure.name, Double(figure.count)) }
    try require(figures, stopCount: stopCount, recipientCount: recipientCount)
  }

  private static let leastCount = 100

  private static func fillQueue(
    with campaign: Identifier, _ recipientCount: Int, of executor: OrgExecutor
  ) async throws {
    _ = try await executor.perform(SendingHouse.call) { workspace throws(CommandError) in
      try workspace.haltSending(.org, reason: "to fill the queue")
      try workspace.launchCampaign(campaign)
    }
    try await BlastBench.waitUntil { await executor.queueCounts()?.waiting == recipientCount }
    _ = try await executor.perform(SendingHouse.call) { workspace throws(CommandError) in
      try workspace.resumeSending(.org)
    }
  }

  /// How many texts the sandbox took for each number.
  private static func texts(_ house: SendingHouse) async throws -> [String: Int] {
    let list = try await house.control("/sandbox/messages?limit=100000")["data"]?.array ?? []
    let texts = list.filter { $0["direction"]?.string == "outbound-api" }
    guard try await texts.count == BlastBench.taken(house) else {
      throw StopFailure(words: "the sandbox lists fewer texts than it took")
    }
    return texts.reduce(into: [:]) { $0[$1["to"]?.string ?? "", default: 0] += 1 }
  }

  private static func require(
    _ figures: [StopProof.Figure], stopCount: Int, recipientCount: Int
  ) throws(StopFailure) {
    let counts = Dictionary(uniqueKeysWithValues: figures.map { ($0.name, $0.count) })
    let must = [
      "stopped": stopCount, "handed_over_after": 0, "taken_without_intent": 0,
      "others_texted_once": recipientCount - stopCount, "violations": 0,
    ]
    for (name, count) in must.sorted(by: { $0.key < $1.key }) where counts[name] != count {
      throw StopFailure(words: "\(name) is \(counts[name] ?? -1) instead of \(count)")
    }
    for name in ["never_texted", "others_after_first"] where counts[name] == 0 {
      throw StopFailure(words: "the campaign was over before anybody said STOP: take a larger one")
    }
  }
}

/// What was to be proved does not hold.
private struct StopFailure: Error, CustomStringConvertible {
  let words: String
  var description: String { "stop50k: \(words)" }
}

/// What the log says of those who said STOP, and of all others.
private struct StopProof {
  struct Figure {
    let name: String
    let count: Int
  }

  private struct Recipient {
    var address = ""
    var hasStopped = false
    /// Intents to call the provider, before and after the STOP.
    var before = 0
    var after = 0
    /// Messages whose call was not answered when the STOP was committed.
    var inFlight = 0
  }

  private var recipients: [Identifier: Recipient] = [:]
  private var contacts: [Identifier: Identifier] = [:]
  private var unanswered: Set<Identifier> = []
  private var hasAnyStopped = false
  private var othersAfterFirst = 0
  /// What `daybook verify --rules` finds: intents to somebody who had said no.
  private var rules = RuleVerifier(numbers: PhoneBook(), clock: SystemZoneClock())

  init(_ log: any EventReader) throws {
    var position: UInt64 = 0
    while true {
      let page = try log.read(after: position, limit: 5_000, filter: .all)
      for recorded in page.events { add(try EventCodec.decode(recorded)) }
      guard page.scannedTo > position else { break }
      position = page.scannedTo
    }
  }

  private mutating func add(_ event: RecordedDomainEvent) {
    rules.check(event)
    switch event.event {
    case .contact(.optedOut(let optOut)) where optOut.channel == .sms: stop(event.stream)
    case .message(let change): add(change, of: event.stream)
    default: break
    }
  }

  private mutating func stop(_ contact: Identifier) {
    hasAnyStopped = true
    recipients[contact, default: Recipient()].hasStopped = true
    recipients[contact]?.inFlight = unanswered.count { contacts[$0] == contact }
  }

  private mutating func add(_ change: Message.Event, of message: Identifier) {
    switch change {
    case .planned(let plan):
      contacts[message] = plan.contact
      recipients[plan.contact, default: Recipient()].address = plan.content.value?.address ?? ""
    case .dispatched:
      guard let contact = contacts[message], let recipient = recipients[contact] else { return }
      unanswered.insert(message)
      if recipient.hasStopped {
        recipients[contact]?.after += 1
      } else {
        recipients[contact]?.before += 1
        if hasAnyStopped { othersAfterFirst += 1 }
      }
    case .accepted, .retryScheduled, .unknown, .sent, .delivered, .failed:
      unanswered.remove(message)
    case .queued, .held, .skipped, .cancelled, .received, .callEnded, .opened, .clicked,
      .complained:
      break
    }
  }

  /// `texts`: how many the provider took for each number.
  func figures(against texts: [String: Int]) -> [Figure] {
    let stopped = recipients.values.filter(\.hasStopped)
    let others = recipients.values.filter { !$0.hasStopped }
    func taken(_ recipient: Recipient) -> Int { texts[recipient.address] ?? 0 }
    return [
      Figure(name: "stopped", count: stopped.count),
      Figure(name: "texted_before", count: stopped.count { $0.before > 0 }),
      // Handed over before; the answer came after.
      Figure(name: "in_flight_at_stop", count: stopped.reduce(0) { $0 + $1.inFlight }),
      Figure(name: "never_texted", count: stopped.count { taken($0) == 0 }),
      Figure(name: "handed_over_after", count: stopped.reduce(0) { $0 + $1.after }),
      Figure(
        name: "taken_without_intent",
        count: stopped.reduce(0) { $0 + max(0, taken($1) - $1.before) }),
      Figure(name: "others_after_first", count: othersAfterFirst),
      Figure(name: "others_texted_once", count: others.count { taken($0) == 1 }),
      Figure(name: "violations", count: rules.violations.count),
    ]
  }
}
