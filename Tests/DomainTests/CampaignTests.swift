import Domain
import Testing

@Suite struct CampaignTests {
  static let definition = CampaignDefinition(
    name: "Spring", segment: Identifier(.segment, 1), channel: .sms, purpose: .marketing,
    body: "Hi {{first_name|there}}")
  static let filter = Filter.all([])
  static let people = (1...5).map { Identifier(.contact, UInt128($0)) }
  static let launched: [Campaign.Event] = [
    .created(definition), .launched(filter: filter, plannedCount: 5),
    .audienceRecorded(ordinal: 0, contacts: Array(people[0..<2])),
    .audienceRecorded(ordinal: 1, contacts: Array(people[2..<4])),
    .audienceRecorded(ordinal: 2, contacts: Array(people[4..<5])),
  ]
  static let outcome = CampaignOutcome(
    sentCount: 2, failedCount: 1, skippedCount: 1, cancelledCount: 1)

  static func create(name: String = "Spring", body: String = "Hi") -> Campaign.Command {
    var changed = definition
    changed.name = name
    changed.body = body
    return .create(changed)
  }

  @Test func `a campaign is created once, with a name and a body`() {
    Given(Campaign.self).when(.create(Self.definition)).then(.created(Self.definition))
    Given(Campaign.self, .created(Self.definition)).when(.create(Self.definition))
      .thenRejected(.alreadyExists)
    Given(Campaign.self).when(Self.create(name: " ")).thenRejected(.emptyName)
    Given(Campaign.self).when(Self.create(body: "\n")).thenRejected(.emptyBody)
  }

  @Test func `a launch records the audience in batches, in order`() {
    let outcome = Given(Campaign.self, .created(Self.definition))
      .when(.launch(filter: Self.filter, audience: Self.people, batchSize: 2))
    #expect(outcome.result == .success(Array(Self.launched.dropFirst())))
  }

  @Test func `nobody is in the audience twice`() {
    Given(Campaign.self, .created(Self.definition))
      .when(
        .launch(
          filter: Self.filter, audience: [Self.people[1], Self.people[0], Self.people[1]],
          batchSize: 10)
      )
      .then(
        .launched(filter: Self.filter, plannedCount: 2),
        .audienceRecorded(ordinal: 0, contacts: [Self.people[0], Self.people[1]]))
  }

  @Test func `a campaign is launched once, to somebody`() {
    let launch = Campaign.Command.launch(
      filter: Self.filter, audience: Self.people, batchSize: 2)
    Given(Campaign.self).when(launch).thenRejected(.notFound)
    Given(Campaign.self, history: Self.launched).when(launch).thenRejected(.alreadyLaunched)
    Given(Campaign.self, history: Self.launched + [.completed(Self.outcome)]).when(launch)
      .thenRejected(.alreadyLaunched)
    Given(Campaign.self, .created(Self.definition), .cancelled(by: "user:u")).when(launch)
      .thenRejected(.notAllowed(status: .cancelled))
    Given(Campaign.self, .created(Self.definition))
      .when(.launch(filter: Self.filter, audience: [], batchSize: 2)).thenRejected(.emptyAudience)
    Given(Campaign.self, .created(Self.definition))
      .when(.launch(filter: Self.filter, audience: Self.people, batchSize: 0))
      .thenRejected(.batchSizeNotPositive)
    let crowd = (0...60_000).map { Identifier(.contact, UInt128($0) + 1) }
    Given(Campaign.self, .created(Self.definition))
      .when(.launch(filter: Self.filter, audience: crowd, batchSize: 1))
      .thenRejected(.audienceTooLarge(limit: 60_000))
  }

  @Test func `a batch is planned once`() {
    Given(Campaign.self, history: Self.launched).when(.markBatchPlanned(ordinal: 1))
      .then(.batchPlanned(ordinal: 1))
    Given(Campaign.self, history: Self.launched + [.batchPlanned(ordinal: 1)])
      .when(.markBatchPlanned(ordinal: 1)).thenNothing()
    Given(Campaign.self, history: Self.launched).when(.markBatchPlanned(ordinal: 3))
      .thenRejected(.unknownBatch(ordinal: 3))
    Given(Campaign.self, history: Self.launched + [.paused(by: "user:u")])
      .when(.markBatchPlanned(ordinal: 1)).thenRejected(.notAllowed(status: .paused))
  }

  @Test func `whoever was not written to is forgotten with the cancellation`() {
    let cancelled = Self.launched + [.batchPlanned(ordinal: 1), .cancelled(by: "user:u")]
    #expect(Campaign.state(after: cancelled).openBatches.isEmpty)
    Given(Campaign.self, history: cancelled).when(.markBatchPlanned(ordinal: 0)).thenNothing()
  }

  @Test func `open batches are those that nobody planned yet`() {
    let state = Campaign.state(after: Self.launched + [.batchPlanned(ordinal: 1)])
    #expect(state.openBatches.keys.sorted() == [0, 2])
    #expect(state.openBatches[2] == [Self.people[4]])
    #expect(state.batchCount == 3 && state.plannedCount == 5 && state.status == .running)
  }

  @Test func `a campaign completes when every recipient has ended`() {
    Given(Campaign.self, history: Self.launched).when(.complete(Self.outcome))
      .then(.completed(Self.outcome))
    Given(Campaign.self, history: Self.launched + [.completed(Self.outcome)])
      .when(.complete(Self.outcome)).thenNothing()
    Given(Campaign.self, .created(Self.definition)).when(.complete(Self.outcome))
      .thenRejected(.notAllowed(status: .draft))
  }

  @Test(arguments: [
    (CampaignOutcome(sentCount: 4, failedCount: 0, skippedCount: 0, cancelledCount: 0), 4),
    (CampaignOutcome(sentCount: 6, failedCount: 0, skippedCount: 0, cancelledCount: -1), 5),
    (CampaignOutcome(sentCount: .max, failedCount: 1, skippedCount: 0, cancelledCount: 0), .min),
  ])
  func `an outcome that does not add up is refused`(outcome: CampaignOutcome, ended: Int) {
    Given(Campaign.self, history: Self.launched).when(.complete(outcome))
      .thenRejected(.notConserved(planned: 5, ended: ended))
  }

  @Test func `a campaign is cancelled once, before it completes`() {
    Given(Campaign.self, history: Self.launched).when(.cancel(by: "user:u"))
      .then(.cancelled(by: "user:u"))
    Given(Campaign.self, .created(Self.definition)).when(.cancel(by: "user:u"))
      .then(.cancelled(by: "user:u"))
    Given(Campaign.self, .created(Self.definition), .cancelled(by: "user:u"))
      .when(.cancel(by: "user:v")).thenNothing()
    Given(Campaign.self, history: Self.launched + [.completed(Self.outcome)])
      .when(.cancel(by: "user:u")).thenRejected(.notAllowed(status: .completed))
  }

  /// Goal: whatever the audience, batches hold everybody once. Method: seeded audiences and sizes.
  @Test(arguments: 0..<100 as Range<UInt64>)
  func `the batches are the audience`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let audience = (0..<Int.random(in: 1...200, using: &random)).map { _ in
      Identifier(.contact, UInt128.random(in: 0...150, using: &random))
    }
    let batchSize = Int.random(in: 1...60, using: &random)
    let state = Campaign.state(
      after: [.created(Self.definition)]
        + (try Campaign.decide(
          .launch(filter: Self.filter, audience: audience, batchSize: batchSize),
          given: Campaign.state(after: [.created(Self.definition)]))))
    let recorded = (0..<state.batchCount).flatMap { state.openBatches[$0] ?? [] }
    try #require(recorded == Set(audience).sorted(), "seed \(seed)")
    try #require(state.plannedCount == recorded.count, "seed \(seed)")
    try #require(state.openBatches.values.allSatisfy { $0.count <= batchSize }, "seed \(seed)")
  }
}
