import Domain
import Testing

@Suite struct ContactTests {
  static let details = ContactDetails(firstName: "Ann", phone: "+12025550123")
  static let created = Contact.Event.created(details: .known(details), source: "api")

  static func consent(_ purpose: Purpose = .marketing, _ channel: Channel = .sms) -> Consent {
    Consent(
      channel: channel, purpose: purpose, method: .webForm, source: "form",
      grantedAtMicros: 5,
      evidence: .known(ConsentEvidence(address: "+12025550123", wording: "I agree")))
  }

  static let optOut = OptOut(channel: .sms, method: .keyword, address: .known("+12025550123"))

  @Test func `a contact is created once, with tags and consents`() {
    let command = Contact.Command.create(
      Self.details, source: "api", tags: ["vip", "new", "vip"], consents: [Self.consent()])
    Given(Contact.self).when(command)
      .then(Self.created, .tagged(tag: "vip"), .tagged(tag: "new"), .optedIn(Self.consent()))
    Given(Contact.self, Self.created).when(command).thenRejected(.alreadyExists)
  }

  @Test func `a contact is somebody`() {
    Given(Contact.self)
      .when(.create(ContactDetails(rawPhone: "x"), source: "api", tags: [], consents: []))
      .thenRejected(.nothingToIdentify)
    Given(Contact.self, Self.created)
      .when(
        .update([
          FieldChange(field: "first_name", value: nil), FieldChange(field: "phone", value: nil),
        ])
      )
      .thenRejected(.nothingToIdentify)
  }

  @Test func `an update records what changes and nothing else`() {
    let change = FieldChange(field: "custom.city", value: .text("Reno"))
    Given(Contact.self, Self.created)
      .when(.update([FieldChange(field: "first_name", value: .text("Ann")), change]))
      .then(.updated(fields: ["custom.city"], changes: .known([change])))
    Given(Contact.self, Self.created)
      .when(.update([FieldChange(field: "last_name", value: nil)])).thenNothing()
  }

  @Test func `a field that contacts do not have, or a value that it cannot have, is refused`() {
    Given(Contact.self, Self.created)
      .when(.update([FieldChange(field: "shoe", value: .text("9"))]))
      .thenRejected(.unknownField("shoe"))
    Given(Contact.self, Self.created)
      .when(.update([FieldChange(field: "email", value: .number(9))]))
      .thenRejected(.invalidField("email", reason: "must be text"))
    let long = String(repeating: "x", count: 2_001)
    Given(Contact.self, Self.created)
      .when(.update([FieldChange(field: "custom.note", value: .text(long))]))
      .thenRejected(.invalidField("custom.note", reason: "longer than 2000 bytes"))
  }

  @Test func `a tag is carried at most once`() {
    Given(Contact.self, Self.created, .tagged(tag: "vip")).when(.addTags(["vip", "hot", "hot"]))
      .then(.tagged(tag: "hot"))
    Given(Contact.self, Self.created, .tagged(tag: "vip")).when(.removeTags(["vip", "cold"]))
      .then(.untagged(tag: "vip"))
    Given(Contact.self, Self.created, .tagged(tag: "vip"), .untagged(tag: "vip"))
      .when(.removeTags(["vip"])).thenNothing()
  }

  @Test func `tags are set to exactly those that are named, and only what differs happens`() throws
  {
    let two: [Contact.Event] = [Self.created, .tagged(tag: "vip"), .tagged(tag: "cold")]
    Given(Contact.self, history: two).when(.setTags(["hot", "vip", "hot"]))
      .then(.untagged(tag: "cold"), .tagged(tag: "hot"))
    Given(Contact.self, history: two).when(.setTags(["cold", "vip"])).thenNothing()
    Given(Contact.self, history: two).when(.setTags([]))
      .then(.untagged(tag: "cold"), .untagged(tag: "vip"))
    Given(Contact.self, history: two).when(.setTags([""]))
      .thenRejected(.invalidField("tags", reason: "a tag has 1 to 100 bytes"))
    // As many as there may be, all of them new.
    let limit = Contact.tagLimit
    let full = (0..<limit).map { Contact.Event.tagged(tag: "old\($0)") }
    let new = (0..<limit).map { "new\($0)" }
    Given(Contact.self, history: [Self.created] + full).when(.setTags(new + ["more"]))
      .thenRejected(.tooManyTags(limit: limit))
    let all = Given(Contact.self, history: [Self.created] + full).when(.setTags(new))
    #expect(try all.result.get().count == 2 * limit)
  }

  @Test func `own fields are limited in number, and who has more gets no further ones`() {
    func fields(_ range: Range<Int>) -> [FieldChange] {
      range.map { FieldChange(field: "custom.f\($0)", value: .number(1)) }
    }
    let limit = Contact.customFieldLimit
    Given(Contact.self, Self.created).when(.update(fields(0..<limit + 1)))
      .thenRejected(.tooManyFields(limit: limit))
    let many = fields(0..<limit + 2)
    let before = Contact.Event.updated(fields: many.map(\.field), changes: .known(many))
    Given(Contact.self, Self.created, before).when(.update(fields(limit + 2..<limit + 3)))
      .thenRejected(.tooManyFields(limit: limit))
    let change = FieldChange(field: "custom.f0", value: .number(2))
    Given(Contact.self, Self.created, before).when(.update([change]))
      .then(.updated(fields: ["custom.f0"], changes: .known([change])))
  }

  @Test func `tags are limited in number and size`() {
    let tags = (0...Contact.tagLimit).map { "t\($0)" }
    Given(Contact.self, Self.created).when(.addTags(tags))
      .thenRejected(.tooManyTags(limit: Contact.tagLimit))
    for tag in ["", String(repeating: "x", count: 101)] {
      Given(Contact.self, Self.created).when(.addTags([tag]))
        .thenRejected(.invalidField("tags", reason: "a tag has 1 to 100 bytes"))
    }
  }

  @Test func `consent changes by explicit events only`() {
    Given(Contact.self, Self.created).when(.optIn(Self.consent())).then(.optedIn(Self.consent()))
    Given(Contact.self, Self.created, .optedIn(Self.consent())).when(.optIn(Self.consent()))
      .thenNothing()
    Given(Contact.self, Self.created, .optedIn(Self.consent())).when(.optOut(Self.optOut))
      .then(.optedOut(Self.optOut))
    Given(Contact.self, Self.created, .optedOut(Self.optOut)).when(.optOut(Self.optOut))
      .thenNothing()
    Given(Contact.self, Self.created, .optedOut(Self.optOut)).when(.optIn(Self.consent()))
      .then(.optedIn(Self.consent()))
  }

  @Test func `a yes to marketing widens one to what was asked for, never the other way`() {
    Given(Contact.self, Self.created, .optedIn(Self.consent(.transactional)))
      .when(.optIn(Self.consent(.marketing))).then(.optedIn(Self.consent(.marketing)))
    Given(Contact.self, Self.created, .optedIn(Self.consent(.marketing)))
      .when(.optIn(Self.consent(.transactional))).thenNothing()
  }

  @Test(
    arguments: [
      .update([]), .addTags(["x"]), .removeTags(["x"]), .setTags(["x"]), .optOut(optOut),
      .optIn(consent()),
    ] as [Contact.Command])
  func `nothing happens to a contact that is not there or erased`(command: Contact.Command) {
    Given(Contact.self).when(command).thenRejected(.notFound)
    Given(Contact.self, .created(details: .erased, source: "api")).when(command)
      .thenRejected(.erased)
  }

  /// Goal: the state says no exactly when the last word on the channel was no. Method: seeded walks.
  @Test(arguments: 0..<100 as Range<UInt64>)
  func `the last word on a channel counts`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var state = Contact.state(after: [Self.created])
    var isOut: [Channel: Bool] = [:]
    for step in 0..<40 {
      let channel: Channel = random.one()
      let saysNo = random.bool()
      let command: Contact.Command =
        saysNo
        ? .optOut(OptOut(channel: channel, method: .api, address: .known("a")))
        : .optIn(Self.consent(random.one(), channel))
      let events = try Contact.decide(command, given: state)
      state = events.reduce(state) { Contact.evolve($0, with: $1) }
      isOut[channel] = saysNo
      for (channel, isOut) in isOut {
        try #require(
          (state.consents[channel] == .optedOut) == isOut, "seed \(seed), step \(step)")
      }
    }
  }
}
