import PhoneNumbers
import Testing

@Suite struct PhoneNumberTests {
  @Test(arguments: [
    ("504-621-8927", "+15046218927"), ("(305) 555-0123", "+13055550123"),
    ("+1 305 555 0123", "+13055550123"), ("1.305.555.0123", "+13055550123"),
    ("+44 20 7946 0958", "+442079460958"),
  ])
  func `a number as people write it becomes E.164`(raw: String, expected: String) {
    #expect(PhoneNumber.e164(raw) == expected)
  }

  @Test(arguments: [
    "", "hello", "12", "+1", "305", String(repeating: "1", count: 100), "305\u{0}5",
  ])
  func `what is no number has no canonical form`(raw: String) {
    #expect(PhoneNumber.e164(raw) == nil)
  }

  @Test func `an area code gives its zone, or every zone of its exchanges`() {
    #expect(PhoneNumber.zones(of: "+13125550100") == ["America/Chicago"])
    #expect(PhoneNumber.zones(of: "+18505550100") == ["America/Chicago", "America/New_York"])
    #expect(
      PhoneNumber.zones(of: "+12085550100")
        == ["America/Boise", "America/Denver", "America/Los_Angeles"])
  }

  @Test(arguments: ["+18005550100", "+15005550006"])
  func `a number without a place may be anywhere in the country`(number: String) {
    #expect(PhoneNumber.zones(of: number).contains("Pacific/Honolulu"))
    #expect(PhoneNumber.zones(of: number).contains("America/New_York"))
  }

  @Test func `a number of another country is in that country's zones`() {
    #expect(PhoneNumber.zones(of: "+442079460958") == ["Europe/London"])
    #expect(PhoneNumber.zones(of: "+999") == [])
  }
}
