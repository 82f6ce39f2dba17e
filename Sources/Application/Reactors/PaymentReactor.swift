import Domain

/// Makes an org's payments and refunds, and fills its wallet up. Its only memory is how often it asked
/// in vain: calls are found in the org's state and made under keys of their own, so that a restart
/// repeats none with effect.
actor PaymentReactor {
  private let executor: OrgExecutor
  private let providers: [any PaymentProvider]
  private let report: @Sendable (String) -> Void
  private var failureCount = 0

  init(
    executor: OrgExecutor, providers: [any PaymentProvider],
    report: @escaping @Sendable (String) -> Void
  ) {
    self.executor = executor
    self.providers = providers
    self.report = report
  }

  /// Works until the task is cancelled.
  func run() async {
    let work = executor.work
    while !Task.isCancelled {
      let seen = work.generation
      if let waitMicros = await round() {
        // Cut short only by cancellation, which the loop notices itself.
        try? await Task.sleep(for: .microseconds(waitMicros))
      } else {
        await work.wait(beyond: seen, timeout: nil)
      }
    }
  }

  /// How long to wait before the next round; nil: until something changes.
  private func round() async -> Int64? {
    do {
      let work = try await executor.paymentWork()
      if work.isRechargeDue {
        _ = try await executor.perform(call) { workspace throws(CommandError) in
          try workspace.rechargeIfDue()
        }
      }
      var isAnswered = true
      for call in work.calls where !Task.isCancelled {
        if try await !carryOut(call) { isAnswered = false }
      }
      failureCount = isAnswered ? 0 : failureCount + 1
      return isAnswered ? nil : Circuit.backOffMicros(after: failureCount)
    } catch {
      report("payments: \(error)")
      return 1_000_000
    }
  }

  private var call: Call {
    Call(actor: "system:payments", origin: "reactor", correlation: "", depth: 1)
  }

  /// False where the provider gave no answer.
  private func carryOut(_ work: OrgExecutor.PaymentWork) async throws -> Bool {
    let outcome = await ask(work)
    if case .notAnswered(let code, _) = outcome {
      report("payment \(work.payment): \(code)")
      return false
    }
    _ = try await executor.perform(call) { workspace throws(CommandError) in
      switch work {
      case .pay(let request, let provider):
        try workspace.record(outcome, of: request.payment, by: provider)
      case .refund(let request, _):
        try workspace.recordRefund(
          outcome, of: request.payment, named: RefundName(ordinal: request.ordinal))
      }
    }
    return true
  }

  private func ask(_ work: OrgExecutor.PaymentWork) async -> PaymentOutcome {
    switch work {
    case .pay(let request, let name):
      guard let provider = providers.first(where: { $0.name == name }) else {
        return .failed(code: "unknown_provider")
      }
      return await provider.pay(request)
    case .refund(let request, let name):
      guard let provider = providers.first(where: { $0.name == name }) else {
        return .failed(code: "unknown_provider")
      }
      return await provider.refund(request)
    }
  }
}
