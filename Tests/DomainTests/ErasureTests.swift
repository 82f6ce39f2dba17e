import Domain
import Testing

@Suite struct ErasureTests {
  static let request = ErasureRequest(
    reason: .personAsked, by: "user:usr_1", atMicros: 7,
    addresses: .known([KeyedAddress(channel: .sms, hash: "ab", isOptedOut: true)]))
  static let record = ErasureRecord(
    keyIDs: ["k"], reason: .personAsked, requestedAtMicros: 7, rewrittenAtMicros: 8,
    purgedAtMicros: 9, erasedAtMicros: 9)
  static let requested = Contact.Event.erasureRequested(request)
  static let destroyed = Contact.Event.dataDestroyed(atMicros: 8)

  @Test func `a person is forgotten from the request on, whatever was known`() {
    Given(Contact.self, ContactTests.created, .tagged(tag: "vip"), .optedOut(ContactTests.optOut))
      .when(.requestErasure(Self.request)).then(Self.requested)
    let state = Contact.state(
      after: [
        ContactTests.created, .tagged(tag: "vip"), .optedIn(ContactTests.consent()), Self.requested,
      ])
    var expected = Contact.State()
    expected.exists = true
    expected.isErased = true
    expected.erasure = state.erasure
    #expect(state == expected)
    #expect(state.erasure?.reason == .personAsked && state.erasure?.by == "user:usr_1")
    #expect(state.erasure?.requestedAtMicros == 7 && state.erasure?.status == .requested)
  }

  @Test func `a second request adds nothing, and nothing else is done to somebody who is gone`() {
    let given = Given(Contact.self, ContactTests.created, Self.requested)
    given.when(.requestErasure(Self.request)).thenNothing()
    given.when(.addTags(["vip"])).thenRejected(.erased)
    given.when(.optIn(ContactTests.consent())).thenRejected(.erased)
    given.when(.update([FieldChange(field: "phone", value: .text("+12025550123"))]))
      .thenRejected(.erased)
    Given(Contact.self).when(.requestErasure(Self.request)).thenRejected(.notFound)
  }

  @Test func `each step follows the one before, once`() {
    let end = Contact.Command.recordErasure(keyIDs: ["k"], purgedAtMicros: 9, atMicros: 9)
    Given(Contact.self, ContactTests.created)
      .when(.recordDestruction(atMicros: 8)).thenRejected(.erasureOutOfOrder)
    Given(Contact.self, ContactTests.created, Self.requested)
      .when(end).thenRejected(.erasureOutOfOrder)
    Given(Contact.self, ContactTests.created, Self.requested)
      .when(.recordDestruction(atMicros: 8)).then(Self.destroyed)
    let given = Given(Contact.self, ContactTests.created, Self.requested, Self.destroyed)
    given.when(.recordDestruction(atMicros: 9)).thenNothing()
    given.when(end).then(.erased(Self.record))
    Given(Contact.self, ContactTests.created, Self.requested, Self.destroyed, .erased(Self.record))
      .when(end).thenNothing()
  }

  @Test func `a person whose key is gone without a request can still be asked for`() {
    Given(Contact.self, .created(details: .erased, source: "api"))
      .when(.requestErasure(Self.request)).then(Self.requested)
  }

  @Test func `the key of the hashes is drawn once`() {
    let created = Org.Event.created(
      name: "A", kind: .direct, agency: nil, timeZone: "UTC", isTest: false, clockOffsetMicros: 0)
    Given(Org.self, created).when(.drawAddressKey("00")).then(.addressKeyDrawn(.known("00")))
    Given(Org.self, created, .addressKeyDrawn(.known("00")))
      .when(.drawAddressKey("11")).thenNothing()
  }
}
