import Foundation
import PhoneNumbers
import Testing

private let zonesPath = URL(filePath: #filePath).deletingLastPathComponent()
  .appending(path: "../../../shared/specs/geo/nanp-timezones.json").standardizedFileURL.path

private let haveZones = FileManager.default.fileExists(atPath: zonesPath)

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

  @Test(arguments: [
    ("555-0123", PhoneNumber.Problem.noAreaCode), ("", .noNumber), ("hello", .noNumber),
    ("+999 1234567", .unknownCountry), ("12", .tooShort), ("305 555 012345678", .tooLong),
    ("305\u{0}5550123", .noNumber),
  ])
  func `what is no number says why`(raw: String, problem: PhoneNumber.Problem) {
    #expect(throws: problem) { _ = try PhoneNumber.read(raw) }
    #expect(PhoneNumber.e164(raw) == nil)
  }

  @Test func `a reading keeps the original, and tells used ranges and extensions`() throws {
    let plain = try PhoneNumber.read("(415) 867-5309")
    #expect(plain.original == "(415) 867-5309")
    #expect(plain.e164 == "+14158675309")
    #expect(plain.validity == .assigned)
    #expect(!plain.hasExtension)
    let extended = try PhoneNumber.read("415-867-5309 x12")
    #expect(extended.e164 == "+14158675309")
    #expect(extended.hasExtension)
    // No area code begins with 1; 235 came into use in 2024, after the library's data.
    #expect(try PhoneNumber.read("+1 123 456 7890").validity == .possible)
    #expect(try PhoneNumber.read("+1 235 867 5309").validity == .assigned)
    #expect(try PhoneNumber.read("+1 235 167 5309").validity == .possible)
  }

  @Test(arguments: [
    ("+12015550100", "US", "NJ"), ("+18085550100", "US", "HI"), ("+14165550100", "CA", "ON"),
    ("+18675550100", "CA", nil), ("+12425550100", "BS", nil), ("+17875550100", "PR", nil),
  ])
  func `an area code gives its country and its state or province`(
    number: String, country: String, subdivision: String?
  ) throws {
    let area = try #require(PhoneNumber.area(of: number))
    #expect(area.country == country)
    #expect(area.subdivision == subdivision)
    #expect(PhoneNumber.region(of: number) == country)
  }

  @Test(arguments: ["800", "833", "844", "855", "866", "877", "888", "500", "900", "999"])
  func `codes without a place have no area`(code: String) {
    #expect(AreaCodes.area(code) == nil)
  }

  @Test func `a number outside of every known range may be in any country of its calling code`() {
    #expect(PhoneNumber.zones(of: "+441000000000").contains("Europe/London"))
    #expect(PhoneNumber.zones(of: "+441000000000").contains("Europe/Jersey"))
    #expect(PhoneNumber.zones(of: "+491510000000") == ["Europe/Berlin", "Europe/Busingen"])
  }

  @Test(.enabled(if: haveZones, "the shared area-code data are not beside this checkout"))
  func `the table equals the data that it was made from`() throws {
    let data = try Data(contentsOf: URL(filePath: zonesPath))
    let all = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let union = try #require(all["npa_union"] as? [String: [String]])
    let region = try #require(all["region"] as? [String: String])
    #expect(union.count == 442)
    for code in 200...999 {
      let area = AreaCodes.area("\(code)")
      #expect(area?.zones == union["\(code)"], "\(code)")
      if let region = region["\(code)"] { #expect(area?.country == region, "\(code)") }
    }
  }
}
