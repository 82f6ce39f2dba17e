import Testing

@testable import Domain

@Suite struct ContactDetailsTests {
  /// The names stand in three places, which are read apart from each other: in the list, in the look-up and in what is recorded.
  @Test func `every standard field is recorded, in the order of the list, before the custom ones`()
  {
    var details = ContactDetails()
    details["custom.b"] = .text("b")
    details["custom.a"] = .text("a")
    for name in ContactDetails.standardFields { details[name] = .text("of " + name) }
    #expect(
      details.fields.map(\.field) == ContactDetails.standardFields + ["custom.a", "custom.b"])
    for name in ContactDetails.standardFields {
      #expect(details.fields.first { $0.field == name }?.value == .text("of " + name))
    }
    #expect(ContactDetails().fields.isEmpty)
  }

  @Test func `a contact's outline says what the contact says`() {
    var state = Contact.initialState
    #expect(!state.outline.exists)
    state = Contact.evolve(
      state,
      with: .created(
        details: .known(ContactDetails(email: "a@b.c", phone: "+14155552671")), source: "api"))
    #expect(state.outline.exists && !state.outline.isErased && !state.outline.isArchived)
    #expect(state.outline.email == "a@b.c" && state.outline.phone == "+14155552671")
    state = Contact.evolve(state, with: .archived)
    #expect(state.outline.isArchived && !state.outline.hasErasure)
    let request = ErasureRequest(
      reason: .objection, by: "user:1", atMicros: 1, addresses: .erased)
    state = Contact.evolve(state, with: .erasureRequested(request))
    #expect(state.outline.hasErasure && state.outline.isErased && state.outline.email == nil)
    #expect(
      Contact.evolve(Contact.initialState, with: .created(details: .erased, source: "")).outline
        .isErased)
  }
}
