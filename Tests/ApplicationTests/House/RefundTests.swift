import Application
import Domain
import EventCodec
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
        if case .refund(let request, _) = work { request.ordinal } else { nil }
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
        try Invariants.check(org)
        // What the log says is what was decided on.
        let before = try state(payment, in: org)
        await house.stop()
        try house.start(reactors: false)
        #expect(try state(payment, in: org) == before)
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
        try Invariants.check(org)
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
        try Invariants.check(org)
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
        try Invariants.check(org)
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
        try Invariants.check(org)
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
