import Domain

/// A number at which people text an org, and from when to when it was theirs (real time).
struct TextNumber: Codable, Equatable {
  let number: String
  let accountSID: String
  let sinceMicros: Micros
  /// nil: it is today's.
  var untilMicros: Micros?

  /// How long a number that was given up is still looked at: people answer what they were sent from it.
  static let keptMicros: Int64 = 30 * 86_400_000_000
}

extension [TextNumber] {
  /// `before`: what was set up before `event`.
  mutating func note(_ event: Org.Event, before: SMSSettings?, atMicros: Micros) {
    switch event {
    case .smsConfigured(let next):
      guard before?.from != next.from || before?.accountSID != next.accountSID else { return }
      end(atMicros: atMicros)
      append(TextNumber(number: next.from, accountSID: next.accountSID, sinceMicros: atMicros))
    case .providerRemoved(.sms, let isForgotten):
      end(atMicros: atMicros)
      if isForgotten { removeAll() }
    default: break
    }
  }

  private mutating func end(atMicros: Micros) {
    if let last = indices.last, self[last].untilMicros == nil { self[last].untilMicros = atMicros }
    removeAll { $0.untilMicros.map { $0 < atMicros - TextNumber.keptMicros } ?? false }
    self = suffix(Org.formerLimit)
  }
}

/// Where people text an org, or did until lately, as its provider has to be asked.
struct TextInbox: Sendable {
  struct Key: Hashable, Sendable {
    let accountSID: String
    let number: String
  }

  let key: Key
  let credentials: SMSCredentials
  /// When it was the org's, in order.
  let periods: [TextNumber]

  /// Since when it is the org's: what came before is not for it.
  var sinceMicros: Micros { periods[0].sinceMicros }

  /// Whether the number was given up when this came: by then it may have been somebody else's.
  func isFormer(atMicros: Micros) -> Bool {
    // The provider keeps times to the second.
    !periods.contains { period in
      period.sinceMicros - 1_000_000 <= atMicros && atMicros < period.untilMicros ?? .max
    }
  }
}

extension OrgState {
  /// Today's first. None where its account was forgotten.
  func textInboxes(nowMicros: Micros) -> [TextInbox] {
    let accounts = (settings.sms.map { [$0] } ?? []) + settings.formerSMS.reversed()
    var keys: [TextInbox.Key] = []
    var periods: [TextInbox.Key: [TextNumber]] = [:]
    for period in textNumbers {
      let key = TextInbox.Key(accountSID: period.accountSID, number: period.number)
      if periods[key] == nil { keys.append(key) }
      periods[key, default: []].append(period)
    }
    func endMicros(_ key: TextInbox.Key) -> Micros { periods[key]?.last?.untilMicros ?? .max }
    return keys.sorted { endMicros($0) > endMicros($1) }.compactMap { key in
      guard endMicros(key) > nowMicros - TextNumber.keptMicros,
        let account = accounts.first(where: { $0.accountSID == key.accountSID }),
        let token = account.authToken.value
      else { return nil }
      return TextInbox(
        key: key,
        credentials: SMSCredentials(
          accountSID: account.accountSID, authToken: token, baseURL: account.baseURL),
        periods: periods[key] ?? [])
    }
  }
}
