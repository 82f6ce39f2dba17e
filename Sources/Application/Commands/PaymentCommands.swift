import Domain

extension Workspace {
  /// Asks for money by the org's payment provider: the provider is called once this is on disk.
  package mutating func requestPayment(
    amountMicros: Int64, reason: Payment.Reason
  ) throws(CommandError) -> Identifier {
    guard state.settings.providers[.payment] != nil else { throw .providerNotConfigured(.payment) }
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
        .fund(amountMicros: payment.amountMicros, paymentID: id.text, method: provider))
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
        .fund(
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
  func isRechargeDue(nowMicros: Micros, availableMicros: Int64) -> Bool {
    guard settings.providers[.payment] != nil, wallet.isOpen else { return false }
    let past = tables.payments.filter { $0.value.reason == .autoRecharge }.map { id, payment in
      AutoRecharge.Past(
        amountMicros: payment.amountMicros,
        // Ids carry the real millisecond of their creation.
        atMicros: Micros(truncatingIfNeeded: id.value >> 80) * 1_000 + settings.clockOffsetMicros,
        status: payment.status ?? .failed)
    }
    return settings.autoRecharge.isDue(
      availableMicros: availableMicros, past: past, nowMicros: nowMicros)
  }
}

extension OrgExecutor {
  /// A call to the payment provider that has to be made.
  enum PaymentWork: Sendable {
    case pay(PaymentRequest, provider: String)
    case refund(RefundRequest, provider: String)

    var payment: Identifier {
      switch self {
      case .pay(let request, _): request.payment
      case .refund(let request, _): request.payment
      }
    }
  }

  /// The calls that wait, oldest first, and whether the wallet is to be filled up.
  func paymentWork() throws(CommandError) -> (calls: [PaymentWork], isRechargeDue: Bool) {
    let nowMicros = nowMicros
    return try withState { state in
      let isDue = state.isRechargeDue(
        nowMicros: nowMicros, availableMicros: state.wallet.availableMicros)
      guard let settings = state.settings.providers[.payment],
        let credentials = ProviderCredentials(settings)
      else { return ([], false) }
      let calls = state.tables.payments.filter(\.value.isOpen).sorted { $0.key < $1.key }
        .compactMap { Self.work($0.key, $0.value, credentials, settings.provider) }
      return (calls, isDue)
    }
  }

  private static func work(
    _ id: Identifier, _ payment: Payment.State, _ credentials: ProviderCredentials,
    _ provider: String
  ) -> PaymentWork? {
    if payment.status == .requested {
      return .pay(
        PaymentRequest(
          credentials: credentials, payment: id,
          amountCents: payment.amountMicros / Payment.microsPerCent), provider: provider)
    }
    guard let ordinal = payment.openRefund, let refund = payment.refund(ordinal),
      let providerID = payment.providerID
    else { return nil }
    return .refund(
      RefundRequest(
        credentials: credentials, payment: id, providerID: providerID,
        ordinal: ordinal, amountCents: refund.amountMicros / Payment.microsPerCent),
      provider: provider)
  }
}
