import Application
import Domain
import Testing

@Suite struct ImportConsentTests {
  static let consent = ConsentRequest(
    channel: .sms, purpose: .marketing, method: .importStatement, source: "fair.csv",
    wording: "Yes, text me offers.")

  private let options = ContactImport.Options(consent: consent)

  @Test func `a consent for the list is recorded, with its wording, for every new number`()
    async throws
  {
    let fixture = try await ImportFixture()
    _ = try await fixture.run("name,phone,email\nBob,305-555-0199,\n")
    let count = try fixture.events().count
    _ = try await fixture.run(
      "name,phone,email\nAnn,305-555-0123,\nBob,305-555-0199,\nCy,,cy@example.com\n", options)
    let given = try fixture.news(after: count).compactMap { event -> Consent? in
      guard case .contact(.optedIn(let consent)) = event else { return nil }
      return consent
    }
    #expect(given.count == 1)
    #expect(
      given.first?.evidence
        == .known(ConsentEvidence(address: "+13055550123", wording: "Yes, text me offers.")))
    #expect(given.first?.method == .importStatement)
    let states = try fixture.contacts().map { $0.consents[.sms] != nil }
    #expect(states == [false, true, false])
  }

  @Test func `a new contact whose number comes in a later row has the consent too`() async throws {
    let fixture = try await ImportFixture()
    let file = "email,phone\na@example.com,\na@example.com,305-555-0123\n"
    #expect(try await fixture.run(file, options).counts == [1, 1, 0, 0])
    #expect(try fixture.contacts().first?.consents[.sms] != nil)
    let count = try fixture.events().count
    #expect(try await fixture.run(file, options).counts == [0, 0, 2, 0])
    #expect(try fixture.news(after: count).count == 2)
  }

  @Test func `nobody who opted out is opted in by a list`() async throws {
    let fixture = try await ImportFixture()
    _ = try await fixture.perform { workspace throws(CommandError) in
      let id = try workspace.createContact(
        ContactRequest(details: ContactDetails(phone: "+13055550123"), source: "test"))
      try workspace.recordOptOut(id, channel: .sms, method: .call)
      // The number lies with nobody now; its no stays.
      try workspace.updateContact(
        id,
        [
          FieldChange(field: "first_name", value: .text("Ann")),
          FieldChange(field: "phone", value: nil),
        ])
    }
    let report = try await fixture.run("phone\n305-555-0123\n305-555-0124\n", options)
    #expect(report.counts == [2, 0, 0, 0])
    let consents = try fixture.contacts().map { $0.consents[.sms] }
    #expect(consents[0] == .optedOut)
    #expect(consents[1] == nil)
    #expect(consents[2] != nil && consents[2] != .optedOut)
  }

  @Test func `an address whose no stands on the list stops no import, and is not opted in`()
    async throws
  {
    let fixture = try await ImportFixture()
    _ = try await fixture.perform { workspace throws(CommandError) in
      try workspace.optOut(phone: "+13055550123", email: nil, channel: .sms)
    }
    let report = try await fixture.run("phone\n305-555-0123\n305-555-0124\n", options)
    #expect(report.counts == [2, 0, 0, 0])
    let consents = try fixture.contacts().map { $0.consents[.sms] != nil }
    #expect(consents == [false, true])
  }
}
