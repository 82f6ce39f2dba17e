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
}
