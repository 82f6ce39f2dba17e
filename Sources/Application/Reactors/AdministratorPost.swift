import Domain
import EventCodec
import EventLog

/// Writes to the administrators of an account what they should know and did not ask for, by mail through the
/// account's own provider: the day's signed head of its book, stops, refused attempts, webhook endpoints that
/// were switched off. At most one letter an hour, with everything since the last one.
///
/// Each letter is in the book before it is handed over, so that nobody gets one twice: one that the provider
/// does not take, or that a crash cuts off, is lost, and `GET /api/notices` still says what is so.
struct AdministratorPost: Sendable {
  let engine: Engine
  let providers: MessageProviders
  let publicURL: String
  /// Earlier letters may have been written in a part of history that is lost: only what is new is written about.
  let isRestored: Bool
  let report: @Sendable (String) -> Void

  static let spacingMicros: Micros = 3_600_000_000
  /// A letter is written so long after what it is about: what happens with it goes into the same one.
  private static let collectMillis = 2_000
  /// What waits for its hour is looked at so often.
  private static let lookMillis = 30_000
  /// Of one account; the newest are written about.
  private static let keptLimit = 500

  private enum Due {
    case written(Letter)
    case later
    case nothing
  }

  /// One that is in the book and has to be handed over.
  struct Letter: Sendable {
    let org: Identifier
    let mail: AdministratorMail
    let credentials: ProviderCredentials
    let provider: String
    let recipients: [Directory.UserEntry]
  }

  func run() async {
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        do {
          try await follow(&group)
        } catch is CancellationError {
          break
        } catch {
          report("letters to administrators: \(error)")
          // Cut short only by cancellation, which the loop notices itself.
          try? await Task.sleep(for: .seconds(1))
        }
      }
      group.cancelAll()
    }
  }

  private func follow(_ group: inout DiscardingTaskGroup) async throws {
    var position = try await start()
    var waiting: [Identifier: [RecordedEvent]] = [:]
    var rest = LookRest()
    while !Task.isCancelled {
      let page = try engine.log.read(
        after: position, limit: 500, filter: EventFilter(types: AdministratorMail.types))
      for event in page.events {
        let org = Identifier(.org, event.org.value)
        waiting[org] = ((waiting[org] ?? []) + [event]).suffix(Self.keptLimit)
      }
      if page.scannedTo > position {
        position = page.scannedTo
        continue
      }
      if !waiting.isEmpty { try await Task.sleep(for: .milliseconds(Self.collectMillis)) }
      for (org, events) in waiting {
        switch try await write(about: events, to: org) {
        case .written(let letter):
          waiting[org] = nil
          group.addTask { await handOver(letter) }
        case .nothing: waiting[org] = nil
        case .later: continue
        }
      }
      _ = try await engine.log.waitForHead(
        beyond: position, timeoutMillis: waiting.isEmpty ? 60_000 : Self.lookMillis)
      try await Task.sleep(until: rest.nextLook())
    }
  }

  /// Before everything that no letter has told yet.
  private func start() async throws -> UInt64 {
    guard !isRestored else { return try engine.log.head() }
    var first = try engine.log.head()
    for executor in engine.allExecutors {
      let settings = try await executor.read { workspace throws(CommandError) in
        workspace.settings
      }
      guard settings.providers[.email] != nil else { continue }
      first = min(first, UInt64(clamping: settings.lastLetter?.throughPosition ?? 0))
    }
    return first
  }

  private func write(about events: [RecordedEvent], to org: Identifier) async throws -> Due {
    let executor = try engine.executor(for: org)
    let settings = try await executor.read { workspace throws(CommandError) in workspace.settings }
    let through = UInt64(clamping: settings.lastLetter?.throughPosition ?? 0)
    let news = events.filter { $0.position > through }
    let recipients = engine.directory.users(of: org)
      .filter { $0.state.isActive && $0.role == Roles.administrator }
    guard let last = news.last, !recipients.isEmpty, settings.status == .active,
      let provider = settings.providers[.email], let credentials = ProviderCredentials(provider)
    else { return .nothing }
    let now = await executor.nowMicros
    if let letter = settings.lastLetter, now - letter.writtenAtMicros < Self.spacingMicros {
      return .later
    }
    let mail = AdministratorMail(
      account: settings.name, publicURL: publicURL,
      events: try news.map { event throws(CommandError) in try StreamFold.decode(event) })
    let call = Call(
      actor: "system:post", origin: "reactor", correlation: last.context.correlation,
      causation: last.position, depth: last.context.depth + 1,
      idempotencyKey: IdempotencyName("letter:\(last.position)"))
    let written = try await executor.perform(call) { workspace throws(CommandError) in
      try workspace.recordLetter(
        AdministratorLetter(
          throughPosition: Int64(clamping: last.position), recipients: recipients.map(\.id),
          writtenAtMicros: workspace.nowMicros))
    }
    guard !written.isReplay else { return .nothing }
    return .written(
      Letter(
        org: org, mail: mail, credentials: credentials, provider: provider.provider,
        recipients: recipients))
  }

  // MARK: Handing over

  private func handOver(_ letter: Letter) async {
    guard let provider = providers.provider(named: letter.provider, for: .email) else {
      return report("letter to administrators of \(letter.org): unknown_provider")
    }
    for user in letter.recipients {
      let email = letter.mail.email(
        to: user.details.email, letter.credentials,
        as: Identifier(
          .message,
          millis: engine.tools.clock.nowMicros() / 1_000,
          random: engine.tools.random.next()))
      if let code = await send(email, through: provider) {
        report("letter to \(user.id) of \(letter.org): \(code)")
      }
    }
  }

  /// Why the provider does not have it; nil where it has. Only what it certainly did not take is tried again.
  private func send(
    _ email: OutboundEmail, through provider: any MessageProvider
  ) async -> String? {
    var code = "cancelled"
    for waitSeconds in [5, 60, 600] where !Task.isCancelled {
      switch await provider.send(.email(email)) {
      case .accepted: return nil
      case .refused(let refusal): return refusal
      case .inDoubt(let reason): return reason
      case .notTaken(let reason, let retryAfterMillis):
        code = reason
        let waitMillis = max(Int64(waitSeconds) * 1_000, retryAfterMillis ?? 0)
        // Cut short only by cancellation, which the loop notices itself.
        try? await Task.sleep(for: .milliseconds(waitMillis))
      }
    }
    return code
  }
}
