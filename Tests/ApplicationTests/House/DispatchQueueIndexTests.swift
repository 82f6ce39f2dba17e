import Domain
import Testing

@testable import Application

@Suite struct DispatchQueueIndexTests {
  private static let phone = "+12125550123"

  /// What the index is told of, at a moment of its own.
  private struct Told {
    var index = DispatchQueueIndex()
    var nowMicros = Moment.openMicros
    var stepMicros: Int64 = 10_000
    private var states: [Identifier: Message.State] = [:]
    private var count: UInt128 = 0

    mutating func message(to phone: String) -> Identifier {
      count += 1
      let id = Identifier(.message, count)
      var state = Message.State()
      state.plan = MessagePlan(
        contact: Identifier(.contact, count), channel: .sms, purpose: .transactional,
        from: "+12125550100",
        content: .known(MessageContent(address: phone, body: "Hi")), segmentCount: 1,
        encoding: "gsm7")
      states[id] = state
      return id
    }

    mutating func turn(
      _ message: Identifier, _ status: Message.Status, id: String? = nil
    ) throws {
      let before = states[message]
      var after = try #require(before)
      after.status = status
      after.providerID = id ?? after.providerID
      states[message] = after
      nowMicros += stepMicros
      index.apply(
        message, from: before, to: after, occurredAtMicros: nowMicros, recordedAtMicros: nowMicros)
    }

    /// As many messages to others, from beginning to end.
    mutating func deliver(_ count: Int) throws {
      for _ in 0..<count {
        let other = message(to: "+1213\(self.count)")
        try turn(other, .accepted, id: "SM-\(self.count)")
        try turn(other, .delivered)
      }
    }
  }

  @Test func `the id of a message that ended is known while another to its address is in doubt`()
    throws
  {
    var told = Told()
    let first = told.message(to: Self.phone)
    try told.turn(first, .dispatched)
    try told.turn(first, .accepted, id: "SM1")
    try told.turn(first, .delivered)
    let second = told.message(to: Self.phone)
    try told.turn(second, .dispatched)
    told.nowMicros += Moment.hourMicros
    try told.deliver(30_000)
    #expect(told.index.isKnown("SM1", except: second))
    #expect(!told.index.isKnown("SM-3", except: second))
    try told.turn(second, .failed)
    told.nowMicros += Moment.hourMicros
    try told.deliver(30_000)
    #expect(!told.index.isKnown("SM1", except: second))
  }

  @Test func `... and as long as a call that begins now is looked for`() throws {
    var told = Told()
    let first = told.message(to: Self.phone)
    try told.turn(first, .accepted, id: "SM1")
    try told.turn(first, .delivered)
    // Within a minute.
    told.stepMicros = 1_000
    try told.deliver(29_000)
    let second = told.message(to: Self.phone)
    try told.turn(second, .dispatched)
    #expect(told.index.isKnown("SM1", except: second))
  }
}
