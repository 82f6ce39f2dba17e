import Domain

/// Makes an org's payments and refunds, and fills its wallet up. Its only memory is how often it asked
/// in vain, and when it asked last: calls are found in the org's state and made under keys of their own, so that a
/// restart repeats none with effect. What is older than a provider keeps a key is looked for first. Of what a provider
/// works on it tells itself; in case that is lost, it is asked every hour.
actor PaymentReactor {
  private let executor: OrgExecutor
  private let providers: [any PaymentProvider]
  private let report: @Sendable (String) -> Void
  private var failureCount = 0
  /// What the provider works on, and when it was asked about it last.
  private var askedMicros: [Identifier: Micros] = [:]
  private static let askAfterMicros: Int64 = 3_600_000_000

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
        // Clocks are set: what waits for a moment looks again every minute.
        let timeout = askedMicros.isEmpty ? nil : Duration.seconds(60)
        await work.wait(beyond: seen, timeout: timeout)
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
      for call in due(work.calls, nowMicros: await executor.realMicros) where !Task.isCancelled {
        do {
          if try await !carryOut(call) { isAnswered = false }
        } catch {
          // What cannot be put on record now keeps no other one waiting; it is asked about again.
          report("payment \(call.payment): \(error)")
          isAnswered = false
        }
      }
      failureCount = isAnswered ? 0 : failureCount + 1
      return isAnswered ? nil : Circuit.backOffMicros(after: failureCount)
    } catch {
      report("payments: \(error)")
      return 1_000_000
    }
  }

  /// Those that are to be made, and those of which nothing was heard for long.
  private func due(
    _ calls: [OrgExecutor.PaymentWork], nowMicros: Micros
  ) -> [OrgExecutor.PaymentWork] {
    let taken = Set(calls.filter(\.isTaken).map(\.payment))
    askedMicros = askedMicros.filter { taken.contains($0.key) }
    let due = calls.filter { call in
      guard call.isTaken else { return true }
      let lastMicros = askedMicros[call.payment] ?? call.payment.createdMicros
      askedMicros[call.payment] = lastMicros
      return lastMicros + Self.askAfterMicros <= nowMicros
    }
    for call in due where call.isTaken { askedMicros[call.payment] = nowMicros }
    return due
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
      switch work.kind {
      case .payment(let request, _):
        try workspace.record(outcome, of: request.payment, by: work.provider)
      case .refund(let request, let refundID):
        try workspace.recordRefund(
          outcome, of: request.payment,
          named: RefundName(ordinal: request.ordinal, providerID: refundID))
      }
    }
    return true
  }

  private func ask(_ work: OrgExecutor.PaymentWork) async -> PaymentOutcome {
    guard let provider = providers.first(where: { $0.name == work.provider }) else {
      return work.isTaken
        ? .notAnswered(code: "unknown_provider", retryAfterMillis: nil)
        : .failed(code: "unknown_provider")
    }
    if work.isOld || work.isTaken {
      if let outcome = await find(work, by: provider) { return outcome }
      // It said that it had it.
      if work.isTaken { return .notAnswered(code: "not_found", retryAfterMillis: nil) }
    }
    return switch work.kind {
    case .payment(let request, _): await provider.pay(request)
    case .refund(let request, _): await provider.refund(request)
    }
  }

  private func find(
    _ work: OrgExecutor.PaymentWork, by provider: any PaymentProvider
  ) async -> PaymentOutcome? {
    switch work.kind {
    case .payment(let request, let id): await provider.find(request, providerID: id)
    case .refund(let request, let id): await provider.find(request, refundID: id)
    }
  }
}
