import Domain
import Testing

@Suite struct OrgTests {
  static let created = Org.Event.created(
    name: "Acme", kind: .direct, agency: nil, timeZone: "America/Chicago", isTest: true,
    clockOffsetMicros: -5)
  static let live = Org.Event.created(
    name: "Acme", kind: .client, agency: Identifier(.org, 1), timeZone: "America/Chicago",
    isTest: false, clockOffsetMicros: 0)
  static let settings = SMSSettings(
    from: "+12025550100", accountSID: "AC1", baseURL: "http://localhost", authToken: .known("t"))

  static func create(
    name: String = "Acme", isTest: Bool = true, clockOffsetMicros: Int64 = 0
  ) -> Org.Command {
    .create(
      name: name, kind: .direct, agency: nil, timeZone: "America/Chicago", isTest: isTest,
      clockOffsetMicros: clockOffsetMicros)
  }

  @Test func `an org is created once`() {
    Given(Org.self).when(Self.create(clockOffsetMicros: -5)).then(Self.created)
    Given(Org.self, Self.created).when(Self.create()).thenRejected(.alreadyExists)
  }

  @Test func `name and time zone change together or not at all`() {
    Given(Org.self, Self.created).when(.change(name: " West ", timeZone: nil))
      .then(.detailsChanged(name: "West", timeZone: "America/Chicago"))
    Given(Org.self, Self.created).when(.change(name: "Acme", timeZone: "America/Chicago"))
      .thenNothing()
    Given(Org.self, Self.created).when(.change(name: " ", timeZone: "UTC"))
      .thenRejected(.emptyName)
  }

  @Test func `a removed provider is listened to until it is forgotten`() {
    Given(Org.self, Self.created).when(.removeProvider(.sms, isForgotten: false))
      .thenRejected(.noProvider(.sms))
    let configured = Org.Event.smsConfigured(Self.settings)
    let removed = Org.Event.providerRemoved(.sms, isForgotten: false)
    Given(Org.self, Self.created, configured).when(.removeProvider(.sms, isForgotten: false))
      .then(removed)
    Given(Org.self, Self.created, configured, removed)
      .when(.removeProvider(.sms, isForgotten: false)).thenRejected(.noProvider(.sms))
    let forgotten = Org.Event.providerRemoved(.sms, isForgotten: true)
    Given(Org.self, Self.created, configured, removed)
      .when(.removeProvider(.sms, isForgotten: true)).then(forgotten)
    Given(Org.self, Self.created, configured, removed, forgotten)
      .when(.removeProvider(.sms, isForgotten: true)).thenRejected(.noProvider(.sms))
  }

  @Test func `another account leaves the former one, new credentials take its place`() {
    func state(_ settings: [SMSSettings]) -> Org.State {
      settings.reduce(Org.evolve(Org.initialState, with: Self.created)) {
        Org.evolve($0, with: .smsConfigured($1))
      }
    }
    var rolled = Self.settings
    rolled.authToken = .known("u")
    var other = Self.settings
    other.accountSID = "AC2"
    #expect(state([Self.settings, rolled]).formerSMS.isEmpty)
    #expect(state([Self.settings, other]).formerSMS == [Self.settings])
    #expect(state([Self.settings, other, rolled]).formerSMS == [other])
    let many = state(
      (0..<20).map { index in
        var settings = Self.settings
        settings.accountSID = "AC\(index)"
        return settings
      })
    #expect(many.formerSMS.map(\.accountSID) == (11..<19).map { "AC\($0)" })
  }

  @Test func `what another key signs is listened to beside the new one`() {
    func state(_ settings: [ProviderSettings]) -> Org.State {
      settings.reduce(Org.evolve(Org.initialState, with: Self.created)) {
        Org.evolve($0, with: .providerConfigured($1))
      }
    }
    let first = ProviderSettings(
      service: .email, provider: "sendgrid", baseURL: "http://localhost",
      options: ["from": "a@b.example", "webhook_public_key": "1"],
      secrets: .known(["api_key": "k", "inbound_token": "t"]))
    var renamed = first
    renamed.options["from_name"] = "Acme"
    #expect(state([first, renamed]).formerProviders.isEmpty)
    var account = first
    account.secrets = .known(["api_key": "l"])
    account.options["webhook_public_key"] = "2"
    #expect(state([first, account]).formerProviders == [first])
    #expect(state([first, account, first]).formerProviders == [account])
    var key = first
    key.options["webhook_public_key"] = "2"
    #expect(state([first, key]).formerProviders == [first])
    let forgotten = Org.evolve(
      state([first, account]), with: .providerRemoved(.email, isForgotten: true))
    #expect(forgotten.formerProviders.isEmpty)
  }

  @Test(arguments: ["", " \n"])
  func `an org has a name`(name: String) {
    Given(Org.self).when(Self.create(name: name)).thenRejected(.emptyName)
  }

  @Test func `only a test org's clock starts elsewhere`() {
    Given(Org.self).when(Self.create(isTest: false, clockOffsetMicros: -1))
      .thenRejected(.notATestOrg)
  }

  @Test func `only a test org's clock advances`() {
    Given(Org.self, Self.created).when(.advanceClock(byMicros: 10))
      .then(.clockAdvanced(byMicros: 10))
    Given(Org.self, Self.live).when(.advanceClock(byMicros: 10)).thenRejected(.notATestOrg)
  }

  @Test(arguments: [0, -1, .min] as [Int64])
  func `a clock moves forward only`(byMicros: Int64) {
    Given(Org.self, Self.created).when(.advanceClock(byMicros: byMicros))
      .thenRejected(.clockMovesForwardOnly)
  }

  @Test func `a clock goes no further than a hundred years`() {
    let limit = Org.clockLimitMicros
    Given(Org.self, Self.created).when(.advanceClock(byMicros: limit + 5))
      .then(.clockAdvanced(byMicros: limit + 5))
    for byMicros in [limit + 6, .max] {
      Given(Org.self, Self.created, .clockAdvanced(byMicros: 6))
        .when(.advanceClock(byMicros: byMicros)).thenRejected(.clockTooFar(limitMicros: limit))
    }
    Given(Org.self).when(Self.create(clockOffsetMicros: .min))
      .thenRejected(.clockTooFar(limitMicros: limit))
  }

  @Test func `the same settings or status again are no news`() {
    Given(Org.self, Self.created).when(.configureSMS(Self.settings))
      .then(.smsConfigured(Self.settings))
    Given(Org.self, Self.created, .smsConfigured(Self.settings))
      .when(.configureSMS(Self.settings)).thenNothing()
    Given(Org.self, Self.created).when(.setStatus(.paused)).then(.statusChanged(.paused))
    Given(Org.self, Self.created).when(.setStatus(.active)).thenNothing()
  }

  @Test(arguments: [
    Org.Command.configureSMS(settings), .setStatus(.paused), .advanceClock(byMicros: 1),
  ])
  func `nothing happens to an org that is not there`(command: Org.Command) {
    Given(Org.self).when(command).thenRejected(.notFound)
  }

  @Test func `the state is the sum of the events`() {
    let state = Org.state(
      after: [Self.created, .clockAdvanced(byMicros: 7), .smsConfigured(Self.settings)])
    #expect(state.exists && state.isTest && state.name == "Acme")
    #expect(state.clockOffsetMicros == 2)
    #expect(state.sms == Self.settings)
  }

  /// Goal: no sequence of commands moves a clock beyond its limit or traps. Method: seeded walks.
  @Test(arguments: 0..<50 as Range<UInt64>)
  func `a clock stays within its limits`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var state = Org.initialState
    for step in 0..<50 {
      let command: Org.Command =
        step == 0 ? Self.create() : .advanceClock(byMicros: random.int64() / 2_000)
      let events = (try? Org.decide(command, given: state)) ?? []
      state = events.reduce(state) { Org.evolve($0, with: $1) }
      let allowed = -Org.clockLimitMicros...Org.clockLimitMicros
      try #require(allowed.contains(state.clockOffsetMicros), "seed \(seed), step \(step)")
    }
  }
}
