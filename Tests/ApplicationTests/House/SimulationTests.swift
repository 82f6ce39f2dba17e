import Application
import Domain
import EventCodec
import EventLog
import Foundation
import JSON
import Testing

@testable import Application

extension HouseTests {
  /// Goal: whatever happens, in any order, nobody is texted after a no, nobody twice, and every cent
  /// is accounted for. Method: random acts on a house with a faulty provider that crashes now and then;
  /// what its book says is checked at the end. A failure names its seed; the acts are those of the seed,
  /// their timing is the machine's.
  @Suite(.serialized) struct SimulationTests {
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `the books are right after anything`(seed: UInt64) async throws {
      let directory = NSTemporaryDirectory() + "simulation-\(UUID().uuidString)"
      defer { try? FileManager.default.removeItem(atPath: directory) }
      let log: any EventLogWriter =
        seed % 2 == 0 ? try LMDBEventLog(directory: directory) : MemoryEventLog()
      // Every other house is killed rather than stopped: calls that are under way are cut off.
      let graceMillis: Int64 = seed % 4 < 2 ? 0 : 2_000
      try await House.with(
        at: Moment.openMicros, seed: seed, log: log,
        settings: { $0.stopGraceMillis = graceMillis }
      ) { house in
        var simulation = try await Simulation(
          house, seed: seed, logDirectory: seed % 2 == 0 ? directory : nil)
        for _ in 0..<60 { try await simulation.act() }
        try await simulation.settle()
        try Invariants.check(simulation.org, "seed \(seed)")
        try await simulation.checkProvider()
      }
    }
  }
}

/// One run: what it did so far, and the chance that decides what comes next.
private struct Simulation {
  let house: House
  let org: TestOrg
  let seed: UInt64
  /// Where the log can be opened again; nil: it is in memory.
  private let logDirectory: String?
  private var random: SplitMix64
  private var contacts: [(id: Identifier, phone: String)] = []
  private var textCount = 0
  private var segment: Identifier?
  private var campaigns: [Identifier] = []

  init(_ house: House, seed: UInt64, logDirectory: String?) async throws {
    self.house = house
    self.logDirectory = logDirectory
    self.seed = seed
    random = SplitMix64(seed: seed)
    org = try await house.org(fundsMicros: Int64.random(in: 50...400, using: &random) * 12_000)
    _ = try await house.control(
      "POST", "/sandbox/faults",
      [
        "seed": .int(Int64(seed)), "lost_answer_rate": 0.05, "error_rate": 0.1, "status": 503,
        "duplicate_callbacks": 0.3, "reorder": 0.3, "callback_delay_ms": 3,
      ])
    for (index, fault) in ["0006", "0007", "0008", "0011", "0013", "0016", "0022"].enumerated() {
      try await add("+1500555\(fault)", index)
    }
    for index in 7..<30 { try await add("+12125550\(100 + index)", index) }
    segment = try await org.segment(tagged: "all")
    _ = try await org.publish(
      """
      name: Hot \(seed)
      trigger: {tag_added: hot}
      steps:
        - send_sms: "Run of {{last_name}} {{first_name|friend}}"
        - wait: 2 hours
        - if: not replied
          then:
            - send_sms: "Again {{last_name}}"
          else:
            - remove_tag: hot
      """)
  }

  private mutating func add(_ phone: String, _ index: Int) async throws {
    let name = index % 5 == 0 ? nil : "Ann"
    let tags = index % 7 == 3 ? [] : ["all"]
    let created = try await org.perform { workspace throws(CommandError) in
      try workspace.createContact(
        ContactRequest(
          details: ContactDetails(firstName: name, lastName: "No\(index)", phone: phone),
          source: "test", tags: tags, consents: index % 6 == 5 ? [] : [TestOrg.consent]))
    }
    contacts.append((try #require(created.output), phone))
  }

  mutating func act() async throws {
    let contact = contacts[Int.random(in: 0..<contacts.count, using: &random)]
    textCount += 1
    let act = Int.random(in: 0..<100, using: &random)
    do {
      switch act {
      case 0..<35: try await send(to: contact.id)
      case 35..<45: try await org.text("STOP", from: contact.phone)
      case 45..<50: try await org.text("START", from: contact.phone)
      case 50..<55: try await org.receive("not interested", from: contact.phone)
      case 55..<60: try await org.receive("Hello \(textCount)", from: contact.phone)
      case 60..<75: try await tagHot(contact.id)
      case 75..<79: try await campaign()
      case 79..<81: try await control()
      case 81..<82: try await suppress(contact.phone)
      case 82..<86:
        try house.advance(byMicros: Int64.random(in: 0...5, using: &random) * Moment.hourMicros)
      case 86..<92: try await crash()
      default: try await Task.sleep(for: .milliseconds(10))
      }
    } catch is CommandError {
      // Refused: for lack of a contact that fits, or because the house was reading its log.
    }
  }

  /// The switches, thrown at any moment.
  private mutating func control() async throws {
    let choice = Int.random(in: 0..<6, using: &random)
    let campaign = campaigns.last
    try await org.perform { workspace throws(CommandError) in
      switch choice {
      case 0: try workspace.haltSending(.org, reason: "a doubt")
      case 1: try workspace.resumeSending(.org)
      case 2:
        guard let campaign else { return }
        try workspace.pauseCampaign(campaign)
      case 3:
        guard let campaign else { return }
        try workspace.resumeCampaign(campaign)
      case 4:
        guard let campaign else { return }
        try workspace.setPace(of: campaign, perMinute: 3_000)
      default:
        try workspace.setSendingRules(SendingRules(capCount: 4, capHours: 12))
      }
    }
  }

  private func suppress(_ phone: String) async throws {
    try await org.perform { workspace throws(CommandError) in
      _ = try workspace.suppress([phone], on: .sms, list: .suppression, source: "simulation")
    }
  }

  /// Everything that was stopped goes on.
  private func release() async throws {
    try await org.perform { workspace throws(CommandError) in
      try workspace.resumeSending(.org)
    }
    for campaign in campaigns
    where try house.engine.campaign(campaign, of: org.id).state.status == .paused {
      try await org.perform { workspace throws(CommandError) in
        try workspace.resumeCampaign(campaign)
      }
    }
  }

  private mutating func send(to contact: Identifier) async throws {
    let purpose: Purpose = Bool.random(using: &random) ? .marketing : .transactional
    let (org, text) = (org, "Text \(textCount)")
    for index in 0..<Int.random(in: 1...3, using: &random) {
      try await org.send("\(text)-\(index)", to: contact, purpose)
    }
  }

  /// A process ends and another one begins.
  private func crash() async throws {
    await house.stop()
    guard let logDirectory else { return try house.start() }
    await house.log.close()
    try await house.restart(with: try LMDBEventLog(directory: logDirectory))
  }

  private func tagHot(_ contact: Identifier) async throws {
    try await org.untag(contact, "hot")
    try await org.tag(contact, "hot")
  }

  private mutating func campaign() async throws {
    guard let segment else { return }
    let id = try await org.campaign("Sale \(textCount) {{last_name}}, {{first_name}}", segment)
    campaigns.append(id)
    if Bool.random(using: &random) {
      try await Task.sleep(for: .milliseconds(Int.random(in: 0...30, using: &random)))
      try await org.perform { workspace throws(CommandError) in try workspace.cancelCampaign(id) }
    }
  }

  /// The provider recovers, the hours pass, and everything comes to an end.
  mutating func settle() async throws {
    _ = try await house.control(
      "POST", "/sandbox/faults", ["error_rate": 0, "lost_answer_rate": 0])
    try await house.restart()
    try await release()
    // Over a weekend, and until what never gets a receipt is closed.
    for _ in 0..<16 {
      try house.advance(byMicros: 6 * Moment.hourMicros)
      try await wait("seed \(seed) comes to rest") {
        // What waits for another try need not wait in real time.
        try house.advance(byMicros: 500_000)
        return try await isAtRest()
      }
    }
    try await org.waitOutSilence()
  }

  /// Nothing is on its way but what the provider never speaks of (0013) and is asked about later.
  private func isAtRest() async throws -> Bool {
    let isHeard = try await house.stat("callbacks_pending") == 0
    return try isHeard
      && org.messages.values.allSatisfy {
        switch $0.status {
        case .planned, .queued, .dispatched, .unknown: false
        case .accepted: $0.plan?.content.value?.address == "+15005550013"
        default: true
        }
      }
  }

  /// What the provider took is what we say was taken.
  func checkProvider() async throws {
    let data = try await house.control("GET", "/sandbox/messages?limit=100000")["data"]?.array ?? []
    let taken = data.filter { $0["direction"]?.string == "outbound-api" }
      .compactMap { $0["sid"]?.string }
    let ours = try org.messages.values.compactMap(\.providerID)
    #expect(try !org.messages.values.contains { $0.status == .accepted }, "seed \(seed)")
    #expect(Set(taken) == Set(ours) && taken.count == ours.count, "seed \(seed)")
  }
}
