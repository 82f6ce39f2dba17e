import Application
import Domain
import EventCodec
import Synchronization
import Testing

@testable import Application

extension HouseTests {
  /// What the provider says of refunds: each is one of several, and its last word may take weeks.
  @Suite(.serialized) struct RefundTests {
    private func paid(in org: TestOrg) async throws -> Identifier {
      try await org.perform { workspace throws(CommandError) in
        try workspace.configureProvider(
          ProviderSettings(
            service: .payment, provider: "stripe", baseURL: "http://127.0.0.1:1",
            options: ["payment_method": "pm_1"],
            secrets: .known(["secret_key": "k", "webhook_secret": "w"])))
      }
      let done = try await org.perform { workspace throws(CommandError) in
        let id = try workspace.requestPayment(amountMicros: 10_000_000, reason: .manual)
        try workspace.record(.succeeded(providerID: "pi_1"), of: id, by: "stripe")
        return id
      }
      return try #require(done.output)
    }

    private func refund(_ payment: Identifier, dollars: Int64, in org: TestOrg) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.requestRefund(payment, amountMicros: dollars * 1_000_000)
      }
    }

    private func news(
      _ outcome: PaymentOutcome, of payment: Identifier, _ ordinal: Int?, id: String? = nil,
      in org: TestOrg
    ) async throws {
      try await org.perform { workspace throws(CommandError) in
        try workspace.recordRefund(
          outcome, of: payment, named: RefundName(ordinal: ordinal, providerID: id))
      }
    }

    private func state(_ payment: Identifier, in org: TestOrg) throws -> Payment.State {
      try org.house.engine.payment(payment, of: org.id).state
    }

    /// The ordinals of the refunds for which the provider is called.
    private func calls(in org: TestOrg) async throws -> [Int] {
      try await org.executor.paymentWork().calls.compactMap { work in
        if case .refund(let request, nil) = work.kind { request.ordinal } else { nil }
      }
    }

    @Test func `a refund that the provider works on is not asked for again, and may fail yet`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let payment = try await paid(in: org)
        try await refund(payment, dollars: 4, in: org)
        #expect(try await calls(in: org) == [1])
        try await news(.pending(providerID: "re_1"), of: payment, 1, in: org)
        #expect(try await calls(in: org) == [])
        #expect(try state(payment, in: org).isRefundPending)
        #expect(try state(payment, in: org).refundedMicros == 0)
        #expect(try org.wallet.balanceMicros == 7_000_000)
        // Never more than was paid, whatever is under way.
        await #expect(throws: CommandError.self) {
          try await refund(payment, dollars: 7, in: org)
        }
        for _ in 0..<2 {
          try await news(.failed(code: "declined"), of: payment, 1, in: org)
          #expect(try org.wallet.balanceMicros == 11_000_000)
        }
        #expect(try !state(payment, in: org).isRefundPending)
        try await refund(payment, dollars: 10, in: org)
        #expect(try await calls(in: org) == [2])
        // The bank sends back what had arrived.
        try await news(.succeeded(providerID: "re_2"), of: payment, 2, in: org)
        #expect(try state(payment, in: org).refundedMicros == 10_000_000)
        try await news(.failed(code: "account_closed"), of: payment, 2, in: org)
        #expect(try state(payment, in: org).refundedMicros == 0)
        #expect(try org.wallet.balanceMicros == 11_000_000)
        try await Invariants.check(org)
        // What the log says is what was decided on.
        let before = try state(payment, in: org)
        await house.stop()
        try house.start(reactors: false)
        #expect(try state(payment, in: org) == before)
      }
    }

    /// Answers each payment with what it has for its place.
    private struct Till: PaymentProvider {
      let name = "stripe"
      let firstID: String

      func pay(_ request: PaymentRequest) async -> PaymentOutcome {
        .succeeded(providerID: request.amountCents == 100 ? firstID : "pi_2")
      }

      func refund(_ request: RefundRequest) async -> PaymentOutcome {
        .notAnswered(code: "none", retryAfterMillis: nil)
      }

      func find(_: PaymentRequest, providerID _: String?) async -> PaymentOutcome? { nil }
      func find(_: RefundRequest, refundID _: String?) async -> PaymentOutcome? { nil }
    }

    /// Takes what it is asked for, each time anew, and its first answer to each is `first`; it knows what it took.
    private final class ForgetfulTill: PaymentProvider {
      let name = "stripe"
      private let first: PaymentOutcome
      private let taken = Mutex([String]())
      private let askedCounts = Mutex(0)

      init(first: PaymentOutcome) { self.first = first }

      var all: [String] { taken.withLock { $0 } }
      var askedCount: Int { askedCounts.withLock { $0 } }

      func pay(_ request: PaymentRequest) async -> PaymentOutcome {
        taken.withLock { $0.append("payment") }
        return first
      }

      func refund(_ request: RefundRequest) async -> PaymentOutcome {
        taken.withLock { $0.append("refund") }
        return first
      }

      func find(_: PaymentRequest, providerID _: String?) async -> PaymentOutcome? {
        found("payment", "pi_9")
      }

      func find(_: RefundRequest, refundID _: String?) async -> PaymentOutcome? {
        found("refund", "re_9")
      }

      private func found(_ what: String, _ id: String) -> PaymentOutcome? {
        askedCounts.withLock { $0 += 1 }
        return all.contains(what) ? .succeeded(providerID: id) : nil
      }
    }

    /// Works until `condition` holds.
    private func work(
      _ till: any PaymentProvider, in org: TestOrg, _ comment: String,
      until condition: () throws -> Bool
    ) async throws {
      let reactor = PaymentReactor(executor: try org.executor, providers: [till]) { _ in }
      let running = Task { await reactor.run() }
      let result: Result<Void, any Error>
      do {
        try await wait(comment, until: condition)
        result = .success(())
      } catch {
        result = .failure(error)
      }
      running.cancel()
      await running.value
      try result.get()
    }

    @Test func `what was asked for a day ago is looked for before it is asked for again`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        _ = try await paid(in: org)
        let till = ForgetfulTill(first: .notAnswered(code: "lost", retryAfterMillis: nil))
        let asked = try await org.perform { workspace throws(CommandError) in
          try workspace.requestPayment(amountMicros: 2_000_000, reason: .manual)
        }
        let payment = try #require(asked.output)
        try await work(till, in: org, "it is charged") { !till.all.isEmpty }
        let count = till.all.count
        house.clock.advance(byMicros: 25 * Moment.hourMicros)
        try await work(till, in: org, "it is found") {
          try state(payment, in: org).status == .succeeded
        }
        #expect(till.all.count == count)
        #expect(try org.wallet.balanceMicros == 13_000_000)
        // What the provider does not have is made.
        try await refund(payment, dollars: 1, in: org)
        try await work(till, in: org, "it is refunded") { till.all.contains("refund") }
        try await work(till, in: org, "the refund is found") {
          try state(payment, in: org).refundedMicros == 1_000_000
        }
        #expect(till.all.count { $0 == "refund" } == 1)
        try await Invariants.check(org)
      }
    }

    @Test func `what the provider works on is asked about, where it does not tell`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        _ = try await paid(in: org)
        let till = ForgetfulTill(first: .pending(providerID: "pi_9"))
        let asked = try await org.perform { workspace throws(CommandError) in
          try workspace.requestPayment(amountMicros: 2_000_000, reason: .manual)
        }
        let payment = try #require(asked.output)
        try await work(till, in: org, "it is pending") {
          try state(payment, in: org).status == .pending
        }
        #expect(till.askedCount == 0)
        house.clock.advance(byMicros: Moment.hourMicros)
        try await work(till, in: org, "it is paid") {
          try state(payment, in: org).status == .succeeded
        }
        #expect(till.all == ["payment"])
        #expect(try org.wallet.balanceMicros == 13_000_000)
        try await Invariants.check(org)
      }
    }

    @Test func `what was charged is credited to a full wallet, and no more is asked for`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let limitMicros = Wallet.balanceLimitMicros
        let org = try await house.org(fundsMicros: limitMicros - 15_000_000)
        let first = try await paid(in: org)
        let asked = try await org.perform { workspace throws(CommandError) in
          try workspace.requestPayment(amountMicros: 5_000_000, reason: .manual)
        }
        let second = try #require(asked.output)
        // It counts as soon as it is asked for.
        await #expect(throws: CommandError.wallet(.balanceLimitExceeded(limitMicros: limitMicros)))
        {
          try await org.perform { workspace throws(CommandError) in
            try workspace.requestPayment(amountMicros: 500_000, reason: .manual)
          }
        }
        try await org.perform { workspace throws(CommandError) in
          try workspace.addFunds(amountMicros: 5_000_000, paymentID: "p2", method: "manual")
          try workspace.record(.succeeded(providerID: "pi_2"), of: second, by: "stripe")
        }
        #expect(try state(first, in: org).status == .succeeded)
        #expect(try state(second, in: org).status == .succeeded)
        #expect(try org.wallet.balanceMicros == limitMicros + 5_000_000)
        try await org.perform { workspace throws(CommandError) in
          try workspace.setAutoRecharge(
            AutoRecharge(
              isOn: true, thresholdMicros: limitMicros * 2, amountMicros: 10_000_000,
              monthlyCapMicros: limitMicros))
        }
        #expect(try await !org.executor.paymentWork().isRechargeDue)
        try await Invariants.check(org)
      }
    }

    @Test func `a payment that cannot be put on record keeps no other one waiting`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        _ = try await paid(in: org)
        var payments: [Identifier] = []
        for amountMicros in [1_000_000, 2_000_000] as [Int64] {
          let asked = try await org.perform { workspace throws(CommandError) in
            try workspace.requestPayment(amountMicros: amountMicros, reason: .manual)
          }
          payments.append(try #require(asked.output))
          house.clock.advance(byMicros: 1_000_000)
        }
        // More than a commit takes.
        let till = Till(firstID: String(repeating: "x", count: 20 << 20))
        try await work(till, in: org, "the second is made") {
          try state(payments[1], in: org).status == .succeeded
        }
        #expect(try state(payments[0], in: org).status == .requested)
      }
    }

    @Test func `late news of one refund says nothing of another`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let payment = try await paid(in: org)
        try await refund(payment, dollars: 2, in: org)
        try await news(.succeeded(providerID: "re_1"), of: payment, 1, in: org)
        try await refund(payment, dollars: 3, in: org)
        try await news(.succeeded(providerID: "re_1"), of: payment, 1, in: org)
        #expect(try await calls(in: org) == [2])
        try await news(.failed(code: "declined"), of: payment, 1, in: org)
        #expect(try await calls(in: org) == [2])
        // The first one's two dollars came back, the second one's three are away.
        #expect(try org.wallet.balanceMicros == 8_000_000)
        for ordinal in [0, 3, .min, .max] {
          try await news(.failed(code: "declined"), of: payment, ordinal, in: org)
        }
        #expect(try await calls(in: org) == [2])
        try await Invariants.check(org)
      }
    }

    @Test func `news without an ordinal goes by the provider's id, or to the only refund`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let payment = try await paid(in: org)
        try await refund(payment, dollars: 2, in: org)
        try await news(.pending(providerID: "re_1"), of: payment, nil, id: "re_1", in: org)
        #expect(try await calls(in: org) == [])
        // One that somebody made at the provider.
        try await news(.failed(code: "declined"), of: payment, nil, id: "re_x", in: org)
        #expect(try state(payment, in: org).isRefundPending)
        try await refund(payment, dollars: 3, in: org)
        try await news(.failed(code: "declined"), of: payment, nil, id: "re_1", in: org)
        #expect(try await calls(in: org) == [2])
        #expect(try org.wallet.balanceMicros == 8_000_000)
        try await Invariants.check(org)
      }
    }

    /// Sent by a program that gave no ordinal, and not answered before that was replaced: asked for again with another text it is
    /// refused, and once the provider has forgotten the key it would be made twice.
    @Test func `news without an ordinal is of the only refund whose id is not known`() async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let payment = try await paid(in: org)
        try await refund(payment, dollars: 2, in: org)
        try await news(.succeeded(providerID: "re_1"), of: payment, 1, in: org)
        try await refund(payment, dollars: 3, in: org)
        #expect(try await calls(in: org) == [2])
        try await news(.succeeded(providerID: "re_2"), of: payment, nil, id: "re_2", in: org)
        #expect(try await calls(in: org) == [])
        #expect(try state(payment, in: org).refundedMicros == 5_000_000)
        try await Invariants.check(org)
      }
    }

    @Test func `news without an ordinal that may be of two refunds is of none`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let payment = try await paid(in: org)
        try await refund(payment, dollars: 2, in: org)
        try await news(.failed(code: "declined"), of: payment, 1, in: org)
        try await refund(payment, dollars: 3, in: org)
        try await news(.failed(code: "declined"), of: payment, nil, id: "re_1", in: org)
        #expect(try await calls(in: org) == [2])
        try await Invariants.check(org)
      }
    }

    @Test func `a payment provider waits for what has not ended, refunds too`() async throws {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let payment = try await paid(in: org)
        func swap(isSame: Bool = false, key: String) async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.configureProvider(
              ProviderSettings(
                service: .payment, provider: "stripe", baseURL: "http://127.0.0.1:1", options: [:],
                secrets: .known(["secret_key": key, "webhook_secret": "w"])),
              isSameAccount: isSame)
          }
        }
        func remove() async throws {
          try await org.perform { workspace throws(CommandError) in
            try workspace.removeProvider(.payment, isForgotten: false)
          }
        }
        func refuses() async throws {
          await #expect(throws: CommandError.providerInUse(.payment)) { try await remove() }
          await #expect(throws: CommandError.providerInUse(.payment)) {
            try await swap(key: "other")
          }
        }
        try await refund(payment, dollars: 4, in: org)
        try await refuses()
        // The provider has it, and its last word may take days.
        try await news(.pending(providerID: "re_1"), of: payment, 1, in: org)
        try await refuses()
        try await swap(isSame: true, key: "rolled")
        try await news(.succeeded(providerID: "re_1"), of: payment, 1, in: org)
        let asked = try await org.perform { workspace throws(CommandError) in
          let id = try workspace.requestPayment(amountMicros: 2_000_000, reason: .manual)
          try workspace.record(.pending(providerID: "pi_2"), of: id, by: "stripe")
          return id
        }
        try await refuses()
        let second = try #require(asked.output)
        try await org.perform { workspace throws(CommandError) in
          try workspace.record(.failed(code: "declined"), of: second, by: "stripe")
        }
        try await swap(key: "other")
        try await remove()
      }
    }

    @Test func `a refund and a person's text take nothing of the day's budget for sending`()
      async throws
    {
      try await House.with(isRunning: false) { house in
        let org = try await house.org(fundsMicros: 1_000_000)
        let payment = try await paid(in: org)
        let contact = try await org.contact("+12125550123")
        try await org.perform { workspace throws(CommandError) in
          try workspace.setSendingRules(SendingRules(dailyBudgetMicros: 24_000))
          try workspace.receive(
            InboundText(
              from: "+12125550123", to: org.number, body: "Hello", providerID: "SM1",
              segmentCount: 3))
        }
        try await refund(payment, dollars: 4, in: org)
        #expect(try await org.send("One", to: contact).verdict.isAllowed)
        // One that fails gives nothing to it.
        try await news(.failed(code: "declined"), of: payment, 1, in: org)
        #expect(try await org.send("Two", to: contact).verdict.isAllowed)
        #expect(try await !org.send("Three", to: contact).verdict.isAllowed)
      }
    }

    @Test func `a refund in a book of before is the one that was open then`() {
      var state = Payment.State()
      let story: [Payment.Event] = [
        .requested(amountMicros: 10_000_000, reason: .manual), .succeeded(providerID: "pi_1"),
        .refundRequested(amountMicros: 1_000_000),
        .refundFailed(amountMicros: 1_000_000, code: "declined", refund: nil),
        .refundRequested(amountMicros: 2_000_000),
        .refunded(amountMicros: 2_000_000, providerID: "re_2", refund: nil),
        .refundRequested(amountMicros: 3_000_000),
      ]
      for event in story { state = Payment.evolve(state, with: event) }
      #expect(state.refunds.map(\.status) == [.failed, .succeeded, .requested])
      #expect(state.openRefund == 3)
      #expect(state.refundedMicros == 2_000_000)
      #expect(state.refundableMicros == 5_000_000)
    }
  }
}
