import Domain
import EventLog
import JSON

/// Looks on the provider's list for texts that people sent while nobody was here to take them in: a provider tries a
/// webhook for seconds, then never again. After the start, and then every few minutes, because a webhook may also have
/// been refused while the disk was full.
///
/// Up to when all is on record is kept in a file, for each number by itself. It is written after the look, and a text
/// that could not be recorded keeps it from going on: nothing is passed over, however often the process is killed, and
/// what is found again has its webhook's key.
actor TextLook {
  /// Raised when the lists were read, or do not answer: what they say no to is on record.
  nonisolated let looked = ChangeSignal()

  private let executor: OrgExecutor
  private let providers: MessageProviders
  private let settings: ReactorSettings
  private let cursor: CursorFile
  private let report: @Sendable (String) -> Void

  /// Up to when everything that was sent to a number is on record; nil: the file was not read yet.
  private var lookedUpTo: [TextInbox.Key: Micros]?
  /// Texts that were found on record, and when they came: the next look finds them again.
  private var known: [String: Micros] = [:]
  /// How often it was asked in vain for the pictures of a text.
  private var mediaFailures: [String: Int] = [:]
  /// Why the last look at a number failed: said once.
  private var failures: [TextInbox.Key: String] = [:]

  init(
    executor: OrgExecutor, providers: MessageProviders, settings: ReactorSettings,
    cursor: CursorFile, report: @escaping @Sendable (String) -> Void
  ) {
    self.executor = executor
    self.providers = providers
    self.settings = settings
    self.cursor = cursor
    self.report = report
  }

  private static let everyMicros: Int64 = 300_000_000
  /// How far a look goes back beyond the one before: clocks differ, and lists may be late.
  private static let overlapMicros: Int64 = 3_600_000_000
  /// A provider keeps its messages longer, but who was away for longer starts anew.
  static let longestMicros: Int64 = 30 * 86_400_000_000
  /// How often a page is asked for, with pauses that grow to a minute: the look would begin with the first one again. And
  /// how many looks ask for the pictures of a text, before its words are enough.
  private static let attemptCount = 8

  /// Until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      await look()
      // Cut short only by cancellation.
      try? await Task.sleep(for: .microseconds(Self.everyMicros))
    }
  }

  /// Once at every number.
  func look() async {
    var begun: [Look] = []
    do {
      let inboxes = try await executor.textInboxes()
      let nowMicros = await executor.realMicros
      // What was written by a clock that was ahead says nothing.
      let lookedUpTo = (lookedUpTo ?? read()).filter { $0.value <= nowMicros }
      self.lookedUpTo = lookedUpTo
      for inbox in inboxes {
        let lastMicros = lookedUpTo[inbox.key].map { $0 - Self.overlapMicros } ?? .min
        let sinceMicros = max(lastMicros, inbox.sinceMicros, nowMicros - Self.longestMicros)
        var look = Look(
          inbox,
          // The provider keeps times to the second.
          sinceMicros: sinceMicros - sinceMicros % 1_000_000,
          // Its webhook says more, what the provider takes a text for, and goes first.
          untilMicros: nowMicros - settings.webhookGraceMillis * 1_000)
        await read(&look)
        begun.append(look)
      }
      known = known.filter { $0.value >= nowMicros - 2 * Self.overlapMicros }
    } catch {
      report("texts: \(error)")
    }
    looked.raise()
    // Pictures are a question each: they keep nobody waiting.
    for index in begun.indices { await takeRest(of: &begun[index]) }
    keep(begun)
  }

  // MARK: How far it got

  private func read() -> [TextInbox.Key: Micros] {
    do {
      let entries = try cursor.read()?["numbers"]?.array ?? []
      return Dictionary(
        entries.compactMap { entry in
          guard let account = entry["account"]?.string, let number = entry["number"]?.string,
            let micros = entry["looked_up_to_micros"]?.int
          else { return nil }
          return (TextInbox.Key(accountSID: account, number: number), micros)
        }, uniquingKeysWith: min)
    } catch {
      // All is looked at again: what is on record is found there.
      report("texts: how far the last look got cannot be read: \(error)")
      return [:]
    }
  }

  private func keep(_ looks: [Look]) {
    let before = lookedUpTo ?? [:]
    var after: [TextInbox.Key: Micros] = [:]
    for look in looks {
      let key = look.inbox.key
      guard look.isComplete else {
        after[key] = before[key]
        continue
      }
      after[key] = max(before[key] ?? .min, min(look.untilMicros, look.missedMicros ?? .max))
    }
    guard !looks.isEmpty, after != before else { return }
    lookedUpTo = after
    let entries = after.sorted { ($0.value, $0.key.number) < ($1.value, $1.key.number) }
    do {
      try cursor.write([
        "numbers": .array(
          entries.map { key, micros in
            [
              "account": .string(key.accountSID), "number": .string(key.number),
              "looked_up_to_micros": .int(micros),
            ]
          })
      ])
    } catch {
      report("texts: how far the look got cannot be written: \(error)")
    }
  }
}

/// One look at what was sent to a number.
private struct Look {
  let inbox: TextInbox
  let sinceMicros: Micros
  let untilMicros: Micros
  /// Whether the list was read to its end.
  var isComplete = false
  /// What waits for its pictures, or, being a yes, for the end of the list.
  var rest: [ListedText] = []
  /// When the oldest came that could not be recorded.
  var missedMicros: Micros?

  init(_ inbox: TextInbox, sinceMicros: Micros, untilMicros: Micros) {
    self.inbox = inbox
    self.sinceMicros = sinceMicros
    self.untilMicros = untilMicros
  }

  mutating func miss(_ text: ListedText) {
    missedMicros = min(missedMicros ?? .max, text.atMicros)
  }
}

// MARK: - Reading the list

extension TextLook {
  private func provider() -> (any MessageProvider)? {
    providers.provider(named: SMSCredentials.provider, for: .sms)
  }

  /// Page by page: what is known of the first counts whatever becomes of the others.
  private func read(_ look: inout Look) async {
    guard let provider = provider() else { return }
    var page: String?
    var pages: Set<String> = []
    do {
      repeat {
        let found = try await ask(provider, look.inbox, page)
        if found.unreadableCount > 0 {
          report("texts: \(found.unreadableCount) that are listed cannot be read")
        }
        await takeWords(of: found.texts, &look)
        guard !found.texts.contains(where: { $0.atMicros < look.sinceMicros }) else { break }
        page = found.nextPage
        if let page, !pages.insert(page).inserted {
          throw ProviderError.malformed(detail: "the list of messages goes in circles")
        }
      } while page != nil && !Task.isCancelled
      look.isComplete = !Task.isCancelled
      failures[look.inbox.key] = nil
    } catch {
      guard !Task.isCancelled else { return }
      guard failures.updateValue("\(error)", forKey: look.inbox.key) != "\(error)" else { return }
      report("texts: \(error)")
    }
  }

  /// A provider that does not even list the first page is left alone until the next look.
  private func ask(
    _ provider: any MessageProvider, _ inbox: TextInbox, _ page: String?
  ) async throws -> ListedTexts {
    var attempt = 1
    while true {
      do {
        return try await provider.received(
          at: inbox.key.number, by: inbox.credentials, page: page)
      } catch {
        guard page != nil, error.isRetryable, attempt < Self.attemptCount else { throw error }
      }
      try await Task.sleep(for: .seconds(min(1 << attempt, 60)))
      attempt += 1
    }
  }

  // MARK: Taking in

  private func takeWords(of texts: [ListedText], _ look: inout Look) async {
    for text in texts.reversed() where !Task.isCancelled && known[text.text.providerID] == nil {
      guard text.atMicros >= look.sinceMicros, text.atMicros <= look.untilMicros else { continue }
      switch await take(text, of: look.inbox, isLast: false) {
      case .taken: break
      case .waits: look.rest.append(text)
      case .failed: look.miss(text)
      }
    }
  }

  /// In the order in which they came, but for those whose pictures were asked for in vain: they keep no other one back.
  private func takeRest(of look: inout Look) async {
    var isSilent = false
    let rest = look.rest.sorted {
      (mediaFailures[$0.text.providerID] ?? 0, $0.atMicros)
        < (mediaFailures[$1.text.providerID] ?? 0, $1.atMicros)
    }
    for var text in rest {
      // Yes and no may have come in either order, as long as the list was not read to its end.
      guard !Task.isCancelled, text.hasMedia ? !isSilent : look.isComplete else {
        look.miss(text)
        continue
      }
      if text.hasMedia {
        do {
          text.text.media = try await media(of: text, look.inbox)
        } catch {
          isSilent = true
          look.miss(text)
          continue
        }
      }
      if case .failed = await take(text, of: look.inbox, isLast: true) { look.miss(text) }
    }
  }

  /// - Throws: Where the provider may say it later. Of what it will not say the words are enough.
  private func media(
    of text: ListedText, _ inbox: TextInbox
  ) async throws(ProviderError) -> [String] {
    let id = text.text.providerID
    do {
      let media = try await provider()?.media(of: text, by: inbox.credentials)
      mediaFailures[id] = nil
      return media ?? []
    } catch {
      report("texts: pictures of \(id): \(error)")
      mediaFailures[id, default: 0] += 1
      guard !error.isRetryable || mediaFailures[id, default: 0] >= Self.attemptCount else {
        throw error
      }
      mediaFailures[id] = nil
      return []
    }
  }

  private enum Taken {
    /// It is on record, or will never be.
    case taken
    case waits
    /// It may be recorded later.
    case failed
  }

  /// Under the key that its webhook has: it is taken in once, whichever comes first.
  private func take(_ text: ListedText, of inbox: TextInbox, isLast: Bool) async -> Taken {
    let call = Call(
      actor: "provider:\(SMSCredentials.provider)", origin: "reactor", correlation: "",
      idempotencyKey: text.text.idempotencyKey)
    let isFormer = inbox.isFormer(atMicros: text.atMicros)
    do throws(CommandError) {
      let done = try await executor.perform(call) { workspace throws(CommandError) in
        try workspace.take(text, isFormer: isFormer, isLast: isLast)
      }
      guard done.output ?? true else { return .waits }
    } catch {
      // Its webhook may be taking it in, or fail to: the next look will know.
      if case .idempotencyInProgress = error { return .failed }
      report("text \(text.text.providerID): \(error)")
      if case .log(.invalidCommit) = error { return .taken }
      if error.isOfTheLog { return .failed }
    }
    known[text.text.providerID] = text.atMicros
    return .taken
  }
}
