import Domain

extension Workspace {
  /// Asks for money by the org's payment provider: the provider is called once this is on disk.
  package mutating func requestPayment(
    amountMicros: Int64, reason: Payment.Reason
  ) throws(CommandError) -> Identifier {
    guard state.settings.providers[.payment] != nil else { throw .providerNotConfigured(.payment) }
    guard state.hasRoom(forPayment: amountMicros) else {
      throw .wallet(.balanceLimitExceeded(limitMicros: Wallet.balanceLimitMicros))
    }
    let id = newID(.payment)
    try run(Payment.self, id, .request(amountMicros: amountMicros, reason: reason), isNew: true)
    return id
  }

  package mutating func requestRefund(
    _ id: Identifier, amountMicros: Int64
  ) throws(CommandError) {
    let payment = try current(Payment.self, id)
    guard payment.status != nil else { throw .notFound(id) }
    try run(Payment.self, id, .requestRefund(amountMicros: amountMicros))
    // The credit goes first: what was refunded cannot be spent meanwhile.
    guard amountMicros <= walletAvailableMicros else {
      throw .wallet(
        .insufficientFunds(availableMicros: walletAvailableMicros, amountMicros: amountMicros))
    }
    let key = Self.refundKey(id, payment.refunds.count + 1)
    try runWallet(
      .debit(
        Charge(
          amountMicros: amountMicros, resourceType: "payment_refund", resourceID: key,
          description: "Payment refunded")))
  }

  private static func refundKey(_ id: Identifier, _ ordinal: Int) -> String {
    "\(id)-refund-\(ordinal)"
  }

  /// What the provider said about a payment. The wallet is credited once, however often it says so.
  package mutating func record(
    _ outcome: PaymentOutcome, of id: Identifier, by provider: String
  ) throws(CommandError) {
    let payment = try current(Payment.self, id)
    guard payment.status != nil else { throw .notFound(id) }
    switch outcome {
    case .succeeded(let providerID):
      let events = try run(Payment.self, id, .recordSuccess(providerID: providerID))
      guard !events.isEmpty else { return }
      try runWallet(
        .credit(amountMicros: payment.amountMicros, paymentID: id.text, method: provider))
    case .pending(let providerID):
      try run(Payment.self, id, .recordPending(providerID: providerID))
    case .failed(let code):
      try run(Payment.self, id, .recordFailure(code: code))
    case .notAnswered:
      break
    }
  }

  /// What the provider said about a refund. One that fails gives its credit back, also after weeks.
  package mutating func recordRefund(
    _ outcome: PaymentOutcome, of id: Identifier, named name: RefundName
  ) throws(CommandError) {
    let payment = try current(Payment.self, id)
    guard let ordinal = payment.ordinal(of: name), let refund = payment.refund(ordinal) else {
      return
    }
    switch outcome {
    case .succeeded(let providerID):
      try run(Payment.self, id, .recordRefund(refund: ordinal, providerID: providerID))
    case .pending(let providerID):
      try run(Payment.self, id, .recordRefundPending(refund: ordinal, providerID: providerID))
    case .failed(let code):
      let events = try run(Payment.self, id, .recordRefundFailure(refund: ordinal, code: code))
      guard !events.isEmpty else { return }
      try runWallet(
        .credit(
          amountMicros: refund.amountMicros, paymentID: Self.refundKey(id, ordinal),
          method: "refund_failed"))
    case .notAnswered:
      break
    }
  }

  package mutating func setAutoRecharge(_ settings: AutoRecharge) throws(CommandError) {
    try run(Org.self, org, .setAutoRecharge(settings))
  }

  /// Fills the wallet up where its rule says so.
  mutating func rechargeIfDue() throws(CommandError) {
    guard state.isRechargeDue(nowMicros: nowMicros, availableMicros: walletAvailableMicros) else {
      return
    }
    _ = try requestPayment(
      amountMicros: state.settings.autoRecharge.amountMicros, reason: .autoRecharge)
  }

  /// The payments of the org, newest first.
  package var payments: [Identifier] { state.tables.payments.keys.sorted(by: >) }
}

extension Payment.State {
  /// nil where it cannot be told which of several is meant.
  fileprivate func ordinal(of name: RefundName) -> Int? {
    if let ordinal = name.ordinal { return ordinal }
    if let id = name.providerID, let index = refunds.firstIndex(where: { $0.providerID == id }) {
      return index + 1
    }
    // Asked for before refunds went out with their ordinals: the only one whose id nobody knows.
    let unnamed = refunds.indices.filter { refunds[$0].providerID == nil }
    return unnamed.count == 1 ? unnamed[0] + 1 : nil
  }
}

extension OrgState {
  /// Whether the wallet may come to hold so much more, with all that is being paid.
  func hasRoom(forPayment amountMicros: Int64) -> Bool {
    let comingMicros = tables.payments.values.reduce(Int64(0)) {
      $1.status == .requested || $1.status == .pending ? $0 + $1.amountMicros : $0
    }
    return wallet.hasRoom(for: amountMicros, beside: comingMicros)
  }

  func isRechargeDue(nowMicros: Micros, availableMicros: Int64) -> Bool {
    guard settings.providers[.payment] != nil, wallet.isOpen,
      hasRoom(forPayment: settings.autoRecharge.amountMicros)
    else { return false }
    let past = tables.payments.filter { $0.value.reason == .autoRecharge }.map { id, payment in
      AutoRecharge.Past(
        amountMicros: payment.amountMicros,
        atMicros: id.createdMicros + settings.clockOffsetMicros,
        status: payment.status ?? .failed)
    }
    return settings.autoRecharge.isDue(
      availableMicros: availableMicros, past: past, nowMicros: nowMicros)
  }
}

extension OrgExecutor {
  /// A call to the payment provider that has to be made.
  struct PaymentWork: Sendable {
    enum Kind: Sendable {
      /// `providerID`: the provider has it and did not say yet what came of it.
      case payment(PaymentRequest, providerID: String?)
      case refund(RefundRequest, refundID: String?)
    }

    let kind: Kind
    let provider: String
    /// Whether the provider may have forgotten the key of a call before.
    var isOld: Bool

    var payment: Identifier {
      switch kind {
      case .payment(let request, _): request.payment
      case .refund(let request, _): request.payment
      }
    }

    /// Whether it is only asked about, and never made again.
    var isTaken: Bool {
      switch kind {
      case .payment(_, let id): id != nil
      case .refund(_, let id): id != nil
      }
    }
  }

  /// Stripe, for one, keeps a key for a day at least.
  private static let keyMicros: Int64 = 23 * 3_600_000_000

  /// The calls that wait, oldest first, and whether the wallet is to be filled up.
  func paymentWork() throws(CommandError) -> (calls: [PaymentWork], isRechargeDue: Bool) {
    let nowMicros = nowMicros
    let realMicros = realMicros
    return try withState { state in
      let isDue = state.isRechargeDue(
        nowMicros: nowMicros, availableMicros: state.wallet.availableMicros)
      guard let settings = state.settings.providers[.payment],
        let credentials = ProviderCredentials(settings)
      else { return ([], false) }
      let calls = state.tables.payments.sorted { $0.key < $1.key }.flatMap { id, payment in
        // Of a refund nobody knows the moment: it is no older than the payment.
        let isOld = id.createdMicros < realMicros - Self.keyMicros
        return Self.work(id, payment, credentials).map {
          PaymentWork(kind: $0, provider: settings.provider, isOld: isOld)
        }
      }
      return (calls, isDue)
    }
  }

  private static func work(
    _ id: Identifier, _ payment: Payment.State, _ credentials: ProviderCredentials
  ) -> [PaymentWork.Kind] {
    if payment.status == .requested || payment.status == .pending {
      let request = PaymentRequest(
        credentials: credentials, payment: id,
        amountCents: payment.amountMicros / Payment.microsPerCent)
      return [.payment(request, providerID: payment.providerID)]
    }
    guard let providerID = payment.providerID else { return [] }
    return payment.refunds.enumerated().compactMap { index, refund in
      guard refund.status == .requested || refund.status == .pending else { return nil }
      let request = RefundRequest(
        credentials: credentials, payment: id, providerID: providerID, ordinal: index + 1,
        amountCents: refund.amountMicros / Payment.microsPerCent)
      return .refund(request, refundID: refund.providerID)
    }
  }
}

extension Identifier {
  /// Ids carry the real millisecond of their creation.
  var createdMicros: Micros { Micros(truncatingIfNeeded: value >> 80) * 1_000 }
}
