import Domain
import Testing

@Suite struct WalletTests {
  static let message = Identifier(.message, 1)
  static let funded = Wallet.Event.funded(amountMicros: 500, paymentID: "p1", method: "card")

  static func charge(_ amountMicros: Int64) -> Charge {
    Charge(amountMicros: amountMicros, resourceType: "sms", resourceID: "SM1", description: "")
  }

  @Test func `a wallet is opened once`() {
    Given(Wallet.self).when(.open).then(.opened)
    Given(Wallet.self, .opened).when(.open).thenNothing()
  }

  @Test(
    arguments: [
      .fund(amountMicros: 1, paymentID: "p", method: "card"),
      .credit(amountMicros: 1, paymentID: "p", method: "card"),
      .hold(message: message, amountMicros: 1),
      .settle(message: message, charge: charge(1)), .debit(charge(1)),
      .refund(message: message, charge: charge(1)),
    ] as [Wallet.Command])
  func `a wallet that is not open takes and gives nothing`(command: Wallet.Command) {
    Given(Wallet.self).when(command).thenRejected(.notOpen)
  }

  @Test func `what was waived is not given back`() {
    let waived = Wallet.Event.waived(Self.charge(10))
    Given(Wallet.self, .opened, waived)
      .when(.refund(message: Self.message, charge: Self.charge(10))).thenNothing()
    let other = Charge(amountMicros: 10, resourceType: "sms", resourceID: "SM2", description: "")
    Given(Wallet.self, .opened, waived).when(.refund(message: Self.message, charge: other))
      .then(.refunded(message: Self.message, charge: other))
  }

  /// Of such there is no end.
  @Test func `what people wrote without credit is not remembered`() {
    let inbound = Charge(
      amountMicros: 10, resourceType: "sms_inbound", resourceID: "SM1", description: "")
    let open = Wallet.evolve(Wallet.initialState, with: .opened)
    #expect(Wallet.evolve(open, with: .waived(inbound)) == open)
  }

  @Test(arguments: [Int64.min, -1, 0])
  func `an amount that is not positive is rejected`(amountMicros: Int64) {
    let commands: [Wallet.Command] = [
      .fund(amountMicros: amountMicros, paymentID: "p", method: "card"),
      .credit(amountMicros: amountMicros, paymentID: "p", method: "card"),
      .hold(message: Self.message, amountMicros: amountMicros),
      .settle(message: Self.message, charge: Self.charge(amountMicros)),
      .debit(Self.charge(amountMicros)),
      .refund(message: Self.message, charge: Self.charge(amountMicros)),
    ]
    for command in commands {
      Given(Wallet.self, .opened).when(command)
        .thenRejected(.amountNotPositive(amountMicros: amountMicros))
    }
  }

  @Test func `a redelivered payment adds nothing`() {
    Given(Wallet.self, .opened, Self.funded)
      .when(.fund(amountMicros: 500, paymentID: "p1", method: "card")).thenNothing()
  }

  @Test func `a payment beyond the limit is rejected before it can overflow`() {
    Given(Wallet.self, .opened, Self.funded)
      .when(.fund(amountMicros: .max, paymentID: "p2", method: "card"))
      .thenRejected(.balanceLimitExceeded(limitMicros: Wallet.balanceLimitMicros))
  }

  @Test func `a hold needs credit that nothing else holds`() {
    let held = Wallet.Event.held(message: Self.message, amountMicros: 300)
    Given(Wallet.self, .opened, Self.funded).when(.hold(message: Self.message, amountMicros: 300))
      .then(held)
    Given(Wallet.self, .opened, Self.funded, held)
      .when(.hold(message: Identifier(.message, 2), amountMicros: 201))
      .thenRejected(.insufficientFunds(availableMicros: 200, amountMicros: 201))
    Given(Wallet.self, .opened, Self.funded, held)
      .when(.hold(message: Self.message, amountMicros: 300)).thenNothing()
  }

  @Test func `a hold ends once, settled or released`() {
    let held = Wallet.Event.held(message: Self.message, amountMicros: 300)
    let settled = Wallet.Event.settled(message: Self.message, charge: Self.charge(250))
    let released = Wallet.Event.released(message: Self.message, amountMicros: 300)
    let settle = Wallet.Command.settle(message: Self.message, charge: Self.charge(250))
    Given(Wallet.self, .opened, Self.funded, held).when(settle).then(settled)
    Given(Wallet.self, .opened, Self.funded, held, settled).when(settle).thenNothing()
    Given(Wallet.self, .opened, Self.funded, held, settled).when(.release(message: Self.message))
      .thenNothing()
    Given(Wallet.self, .opened, Self.funded, held).when(.release(message: Self.message))
      .then(released)
    Given(Wallet.self, .opened, Self.funded, held, released).when(settle).thenNothing()
    let state = Wallet.state(after: [.opened, Self.funded, held, settled])
    #expect(state.balanceMicros == 250 && state.heldMicros == 0 && state.holds.isEmpty)
  }

  @Test func `a charge never exceeds its hold`() {
    Given(Wallet.self, .opened, Self.funded, .held(message: Self.message, amountMicros: 300))
      .when(.settle(message: Self.message, charge: Self.charge(301)))
      .thenRejected(.chargeExceedsHold(heldMicros: 300))
  }

  @Test func `what cannot be refused is waived without credit`() {
    Given(Wallet.self, .opened, Self.funded).when(.debit(Self.charge(500)))
      .then(.debited(Self.charge(500)))
    Given(Wallet.self, .opened, Self.funded, .held(message: Self.message, amountMicros: 1))
      .when(.debit(Self.charge(500))).then(.waived(Self.charge(500)))
  }

  @Test func `what was paid or came back is credited beyond the limit, as far as can be counted`() {
    let limitMicros = Wallet.balanceLimitMicros
    let full = Wallet.Event.funded(amountMicros: limitMicros, paymentID: "p1", method: "card")
    Given(Wallet.self, .opened, full)
      .when(.fund(amountMicros: 1, paymentID: "p2", method: "card"))
      .thenRejected(.balanceLimitExceeded(limitMicros: limitMicros))
    Given(Wallet.self, .opened, full)
      .when(.credit(amountMicros: 500, paymentID: "p2", method: "card"))
      .then(.funded(amountMicros: 500, paymentID: "p2", method: "card"))
    Given(Wallet.self, .opened, full)
      .when(.credit(amountMicros: 500, paymentID: "p1", method: "card")).thenNothing()
    Given(Wallet.self, .opened, full)
      .when(.refund(message: Self.message, charge: Self.charge(500)))
      .then(.refunded(message: Self.message, charge: Self.charge(500)))
    Given(Wallet.self, .opened, full)
      .when(.credit(amountMicros: .max, paymentID: "p2", method: "card"))
      .thenRejected(.balanceLimitExceeded(limitMicros: limitMicros))
  }

  /// Goal: the invariants at the head of the aggregate, after any commands. Method: 200 seeded walks; a
  /// failure names its seed, which replays it exactly.
  @Test(arguments: 0..<200 as Range<UInt64>)
  func `the books balance`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var state = Wallet.initialState
    var creditMicros: Int64 = 0
    for step in 0..<100 {
      let command = step == 0 ? .open : random.walletCommand()
      let events = (try? Wallet.decide(command, given: state)) ?? []
      for event in events {
        state = Wallet.evolve(state, with: event)
        creditMicros += event.creditMicros
      }
      let place: Comment = "seed \(seed), step \(step): \(command)"
      try #require(state.balanceMicros == creditMicros, place)
      try #require(state.heldMicros == state.holds.values.reduce(0, +), place)
      try #require((0...state.balanceMicros).contains(state.heldMicros), place)
      let isAskedFor = if case .fund = command { !events.isEmpty } else { false }
      try #require(!isAskedFor || state.balanceMicros <= Wallet.balanceLimitMicros, place)
    }
  }
}

extension Wallet.Event {
  /// What the event adds to the balance.
  fileprivate var creditMicros: Int64 {
    switch self {
    case .funded(let amountMicros, _, _): amountMicros
    case .refunded(_, let charge): charge.amountMicros
    case .settled(_, let charge), .debited(let charge): -charge.amountMicros
    case .opened, .held, .released, .waived: 0
    }
  }
}

extension SplitMix64 {
  fileprivate mutating func walletCommand() -> Wallet.Command {
    let message = Identifier(.message, UInt128.random(in: 0...5, using: &self))
    let amounts: [Int64] = [.min, -1, 0, 1, 7, 250, 90_000, Wallet.balanceLimitMicros, .max]
    let amountMicros = one(of: amounts)
    let charge = Charge(
      amountMicros: amountMicros, resourceType: "sms", resourceID: "", description: "")
    return one(of: [
      .open, .fund(amountMicros: amountMicros, paymentID: text(), method: "card"),
      .credit(amountMicros: amountMicros, paymentID: text(), method: "card"),
      .hold(message: message, amountMicros: amountMicros),
      .settle(message: message, charge: charge), .release(message: message), .debit(charge),
      .refund(message: message, charge: charge),
    ])
  }
}
