// MARK: - Decide

extension Wallet: Decider {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .open:
      return state.isOpen ? [] : [.opened]
    case .fund(let amountMicros, let paymentID, _):
      try requireOpen(state, amountMicros: amountMicros)
      let isKnown = state.paymentIDs.contains(paymentID)
      guard isKnown || state.hasRoom(for: amountMicros) else {
        throw .balanceLimitExceeded(limitMicros: balanceLimitMicros)
      }
      return try fund(command, state)
    case .credit:
      return try fund(command, state)
    case .hold(let message, let amountMicros):
      try requireOpen(state, amountMicros: amountMicros)
      guard state.holds[message] == nil else { return [] }
      guard amountMicros <= state.availableMicros else {
        throw .insufficientFunds(
          availableMicros: state.availableMicros, amountMicros: amountMicros)
      }
      return [.held(message: message, amountMicros: amountMicros)]
    case .settle(let message, let charge):
      try requireOpen(state, amountMicros: charge.amountMicros)
      // No hold: it was settled or released before, so a repeated callback charges nothing.
      guard let held = state.holds[message] else { return [] }
      guard charge.amountMicros <= held else { throw .chargeExceedsHold(heldMicros: held) }
      return [.settled(message: message, charge: charge)]
    case .release(let message):
      guard let held = state.holds[message] else { return [] }
      return [.released(message: message, amountMicros: held)]
    case .debit(let charge):
      try requireOpen(state, amountMicros: charge.amountMicros)
      return charge.amountMicros <= state.availableMicros ? [.debited(charge)] : [.waived(charge)]
    case .refund(let message, let charge):
      try requireOpen(state, amountMicros: charge.amountMicros)
      guard !state.waived.contains(charge.name) else { return [] }
      try requireCountable(charge.amountMicros, in: state)
      return [.refunded(message: message, charge: charge)]
    }
  }

  private static func requireOpen(_ state: State, amountMicros: Int64) throws(Rejection) {
    guard state.isOpen else { throw .notOpen }
    guard amountMicros > 0 else { throw .amountNotPositive(amountMicros: amountMicros) }
  }

  private static func fund(_ command: Command, _ state: State) throws(Rejection) -> [Event] {
    switch command {
    case .fund(let amountMicros, let paymentID, let method),
      .credit(let amountMicros, let paymentID, let method):
      try requireOpen(state, amountMicros: amountMicros)
      // The payment provider retries its webhook: a payment already recorded is not news.
      guard !state.paymentIDs.contains(paymentID) else { return [] }
      try requireCountable(amountMicros, in: state)
      return [.funded(amountMicros: amountMicros, paymentID: paymentID, method: method)]
    case .open, .hold, .settle, .release, .debit, .refund:
      preconditionFailure("handled by the caller")
    }
  }

  /// No sum in `evolve` overflows. Nobody comes there with real money.
  private static func requireCountable(
    _ amountMicros: Int64, in state: State
  ) throws(Rejection) {
    guard amountMicros <= Int64.max - state.balanceMicros else {
      throw .balanceLimitExceeded(limitMicros: balanceLimitMicros)
    }
  }
}

extension Wallet.State {
  /// Whether so much more may be asked for, where `comingMicros` are under way already.
  package func hasRoom(for amountMicros: Int64, beside comingMicros: Int64 = 0) -> Bool {
    amountMicros <= Wallet.balanceLimitMicros - balanceMicros - comingMicros
  }
}

// MARK: - Evolve

extension Wallet {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    next.apply(event)
    return next
  }
}

extension Wallet.State {
  /// `evolve` in place: the table of holds is large during a blast and must not be copied.
  package mutating func apply(_ event: Wallet.Event) {
    switch event {
    case .opened:
      isOpen = true
    case .funded(let amountMicros, let paymentID, _):
      balanceMicros += amountMicros
      paymentIDs.insert(paymentID)
    case .held(let message, let amountMicros):
      heldMicros += amountMicros
      holds[message] = amountMicros
    case .settled(let message, let charge):
      heldMicros -= holds.removeValue(forKey: message) ?? 0
      balanceMicros -= charge.amountMicros
    case .released(let message, let amountMicros):
      heldMicros -= amountMicros
      holds[message] = nil
    case .debited(let charge):
      balanceMicros -= charge.amountMicros
    case .waived(let charge):
      // Only a message's charge is ever given back: what people write without end is not remembered.
      if charge.isOfSending { waived.insert(charge.name) }
    case .refunded(_, let charge):
      balanceMicros += charge.amountMicros
    }
  }
}
