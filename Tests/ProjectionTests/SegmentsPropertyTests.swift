import Domain
import ProjectionRuntime
import SegmentsProjection
import Testing

/// Goal: at any moment, past or to come, a segment holds exactly the contacts that a naive judge finds
/// by reading all events again. Method: random histories, filters and moments, projected in batches of
/// random size; a failure names its seed.
@Suite struct SegmentsPropertyTests {
  @Test(arguments: 0..<5 as Range<UInt64>)
  func `members, counts and changes are what a naive judge says`(seed: UInt64) async throws {
    try await withDesk { desk in
      var story = Story(desk: desk, dice: Dice(seed: seed))
      for _ in 0..<90 {
        try await story.goOn()
        if story.dice.below(12) == 0 {
          try await desk.project(batchLimit: 1 + story.dice.below(9))
        }
      }
      try await desk.project(batchLimit: 1 + story.dice.below(200))
      try await story.expectNaiveAnswers(seed: seed)
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  @Test func `a definition that counts to more than is kept is refused`() {
    let window = Filter.Duration("7d")
    let kept = Filter.happened(
      Filter.Happened(kind: .messageReceived, count: Activity.countLimit, window: window))
    let beyond = Filter.happened(
      Filter.Happened(kind: .messageReceived, count: Activity.countLimit + 1, window: window))
    #expect(kept.firstProblem() == nil)
    #expect(beyond.firstProblem()?.path == ".count")
  }
}

/// A history in the making, and what the judge needs to know of it.
private struct Story {
  let desk: Desk
  var dice: Dice
  private var facts: [Fact] = []
  private var contacts: [Identifier] = []
  /// By segment: from when on which filter; nil: deleted.
  private var definitions: [Identifier: [(atMicros: Micros, filter: Filter?)]] = [:]
  private var messageCount: UInt128 = 0

  init(desk: Desk, dice: Dice) {
    self.desk = desk
    self.dice = dice
  }

  mutating func goOn() async throws {
    desk.history.pass(seconds: Int64(dice.one(of: [0, 60, 3_600, 40_000, 300_000])))
    switch dice.below(10) {
    case 0: try await define()
    case 1, 2: try await create()
    default: try await happen()
    }
  }

  private mutating func define() async throws {
    let known = definitions.keys.sorted()
    let filter = dice.filter()
    if known.count < 5 {
      let segment = Identifier(.segment, UInt128(known.count + 1))
      try await desk.history.append(segment, [.segment(.created(name: "S", filter: filter))])
      definitions[segment] = [(desk.history.nowMicros, filter)]
      return
    }
    let segment = dice.one(of: known)
    guard definitions[segment]?.last?.filter != nil else { return }
    if dice.below(5) == 0 {
      try await desk.history.append(segment, [.segment(.deleted)])
      definitions[segment]?.append((desk.history.nowMicros, nil))
    } else {
      try await desk.history.append(segment, [.segment(.updated(name: "S", filter: filter))])
      definitions[segment]?.append((desk.history.nowMicros, filter))
    }
  }

  private mutating func create() async throws {
    guard contacts.count < 6 else { return }
    let contact = Identifier(.contact, UInt128(contacts.count + 1))
    contacts.append(contact)
    try await tell(
      contact, contact, [created("Kim", custom: ["age": .number(Double(dice.below(5)))])])
  }

  private mutating func happen() async throws {
    guard !contacts.isEmpty else { return }
    let contact = dice.one(of: contacts)
    messageCount += 1
    let id = messageCount
    switch dice.below(8) {
    case 0: try await tell(contact, contact, [tagged(dice.one(of: ["red", "blue"]))])
    case 1: try await tell(contact, contact, [untagged(dice.one(of: ["red", "blue"]))])
    case 2: try await tell(contact, contact, [dice.below(2) == 0 ? optedIn() : optedOut()])
    case 3:
      let due = desk.history.nowMicros + Int64(dice.below(60) - 20) * 86_400_000_000
      try await tell(
        contact, contact,
        [
          updated(
            FieldChange(field: "custom.due", value: .text(Timestamp.text(due))),
            FieldChange(field: "custom.age", value: .number(Double(dice.below(5)))))
        ])
    case 4:
      try await tell(
        contact, Identifier(.run, id),
        [
          .run(
            .started(
              workflow: Identifier(.workflow, 1), version: 1, contact: contact, firstStep: "s1"))
        ])
    case 5, 6:
      try await tell(contact, message(id), [received(from: contact, "Hi", providerID: "SM\(id)")])
    default:
      try await tell(contact, message(id), [planned(to: contact, "Hello"), queued])
      if dice.below(2) == 0 { desk.history.pass(seconds: 4_000) }
      try await tell(contact, message(id), [dispatched, accepted])
      try await tell(contact, message(id), [delivered])
    }
  }

  private mutating func tell(
    _ contact: Identifier, _ stream: Identifier, _ events: [DomainEvent]
  ) async throws {
    try await desk.history.append(stream, events)
    let now = desk.history.nowMicros
    facts += events.map { Fact(atMicros: now, contact: contact, event: $0) }
  }
}

// MARK: - Comparing

extension Story {
  func expectNaiveAnswers(seed: UInt64) async throws {
    let now = desk.history.nowMicros
    let hours: [Int64] = [0, 1, 3, 20, 30, 100, 200, 800]
    let future = hours.map { now + $0 * 3_600_000_000 + 1 }
    let past = Set(facts.map(\.atMicros)).flatMap { [$0, $0 + 1_800_000_000] }.filter { $0 < now }
    for (segment, history) in definitions {
      let moments = try await changes(of: segment, until: future.max() ?? now)
      for moment in past + future {
        let filter = history.last { $0.atMicros <= moment }?.filter
        let expected = contacts.filter { contact in
          filter.map {
            NaiveJudge(facts, of: contact, atMicros: moment).isMember($0)
          } ?? false
        }
        let replayed = members(by: moments, atMicros: moment)
        try #require(replayed == expected, "seed \(seed), \(segment.text) at \(moment): \(history)")
        guard moment >= now else { continue }
        try await expectNow(segment, expected, atMicros: moment, seed: seed)
      }
    }
  }

  private func expectNow(
    _ segment: Identifier, _ expected: [Identifier], atMicros moment: Micros, seed: UInt64
  ) async throws {
    let page = try await SegmentsQueries.members(
      desk.readers, org: acme,
      SegmentsQueries.MembersRequest(segment: segment, nowMicros: moment))
    let found = page.rows.map { Identifier(.contact, $0.key.contact) }
    try #require(found == expected, "seed \(seed), \(segment.text) at \(moment)")
    let item = try await SegmentsQueries.item(
      desk.readers, org: acme, atMicros: moment, segment: segment)
    try #require(item?.isRecomputing != true, "seed \(seed)")
    try #require(Int(item?.memberCount ?? 0) == expected.count, "seed \(seed)")
  }

  /// Oldest first, by pages of seven.
  private func changes(
    of segment: Identifier, until micros: Micros
  ) async throws -> [SegmentChange] {
    var request = SegmentChangeQueries.Request(
      segment: segment, nowMicros: micros, page: PageRequest(limit: 7))
    var changes: [SegmentChange] = []
    repeat {
      let page = try await SegmentChangeQueries.list(desk.readers, org: acme, request)
      changes += page.rows
      request.page.after = page.next
    } while request.page.after != nil
    return changes.reversed()
  }

  private func members(by changes: [SegmentChange], atMicros moment: Micros) -> [Identifier] {
    var members: Set<Identifier> = []
    for change in changes where change.atMicros <= moment {
      if change.hasEntered {
        members.insert(change.contact)
      } else {
        members.remove(change.contact)
      }
    }
    return members.sorted()
  }
}
