import Domain
import Foundation
import JSON
import Testing

@Suite struct SMSSegmentsTests {
  @Test(arguments: [
    ("", SMSSegments.Encoding.gsm7, 0, 0), ("Hello", .gsm7, 5, 1),
    (String(repeating: "a", count: 160), .gsm7, 160, 1),
    (String(repeating: "a", count: 161), .gsm7, 161, 2),
    (String(repeating: "a", count: 306), .gsm7, 306, 2),
    (String(repeating: "a", count: 307), .gsm7, 307, 3),
    (String(repeating: "€", count: 80), .gsm7, 160, 1),
    ("[~]\u{C}\\|^{}", .gsm7, 18, 1), ("Ç\r\n", .gsm7, 3, 1),
    ("ç", .ucs2, 1, 1), ("“hi”", .ucs2, 4, 1), ("a`", .ucs2, 2, 1), ("👋", .ucs2, 2, 1),
    (String(repeating: "ж", count: 70), .ucs2, 70, 1),
    (String(repeating: "ж", count: 71), .ucs2, 71, 2),
    (String(repeating: "ж", count: 134), .ucs2, 134, 2),
    (String(repeating: "ж", count: 135), .ucs2, 135, 3),
    // 33 emoji fill 66 units of a part of 67: the next does not fit in the one that is left.
    (String(repeating: "👋", count: 66), .ucs2, 132, 2),
    (String(repeating: "👋", count: 67), .ucs2, 134, 3),
    // The escape pair does not straddle the parts: 152 + 2 does not fit into 153.
    (String(repeating: "a", count: 152) + "€" + String(repeating: "a", count: 152), .gsm7, 306, 3),
  ])
  func `a text has the parts that carriers bill`(
    text: String, encoding: SMSSegments.Encoding, unitCount: Int, segmentCount: Int
  ) {
    let counted = SMSSegments.count(text)
    #expect(counted.encoding == encoding)
    #expect(counted.unitCount == unitCount)
    #expect(counted.segmentCount == segmentCount)
  }

  static let table = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "shared/specs/sms/gsm0338.json")

  @Test(.enabled(if: FileManager.default.fileExists(atPath: table.path), "needs ../shared/specs"))
  func `the alphabet and the counts are the standard's`() throws {
    let json = try JSON(parsing: Array(try Data(contentsOf: Self.table)))
    let codes = try #require(json["basic_by_code"]?.array).compactMap(\.int)
    try #require(codes.count == 128)
    let basic = Set(codes.enumerated().filter { $0.offset != 27 }.map { UInt32($0.element) })
    let extended = try #require(json["extension_code_to_codepoint"]?.object).fields
      .compactMap { $0.value.int.map(UInt32.init) }
    for value in UInt32(1)...0xFFFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let counted = SMSSegments.count(String(Character(scalar)))
      let expected = basic.contains(value) ? 1 : (extended.contains(value) ? 2 : nil)
      try #require((counted.encoding == .gsm7 ? counted.unitCount : nil) == expected, "\(value)")
    }
    for item in try #require(json["cases"]?.array) {
      let counted = SMSSegments.count(try #require(item["text"]?.string))
      #expect((counted.encoding == .gsm7) == (item["encoding"] == "GSM-7"))
      #expect(counted.unitCount == item["units"]?.int.map(Int.init))
      #expect(counted.segmentCount == item["segments"]?.int.map(Int.init))
    }
  }

  /// Goal: parts are never smaller than what must be in them. Method: seeded texts.
  @Test(arguments: 0..<200 as Range<UInt64>)
  func `the parts hold the text`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let text = (0..<Int.random(in: 0...40, using: &random)).map { _ in random.text() }.joined()
    let counted = SMSSegments.count(text)
    let (single, part) = counted.encoding == .gsm7 ? (160, 153) : (70, 67)
    let capacity = counted.segmentCount == 1 ? single : counted.segmentCount * part
    try #require(counted.unitCount <= capacity, "seed \(seed)")
    let fewest =
      counted.unitCount <= single
      ? min(counted.unitCount, 1) : (counted.unitCount + part - 1) / part
    try #require((fewest...fewest + counted.segmentCount).contains(counted.segmentCount))
  }
}

@Suite struct PricesTests {
  @Test(
    arguments: [
      (Prices.Resource.smsOutbound, 12_000), (.smsInbound, 12_000), (.mms, 30_000),
      (.voice, 21_000), (.email, 200), (.ai, 6_000),
    ] as [(Prices.Resource, Int64)])
  func `prices are the listed ones`(resource: Prices.Resource, priceMicros: Int64) {
    for atMicros in [Int64.min, 0, 1_763_600_000_000_000, .max] {
      #expect(Prices.priceMicros(of: resource, atMicros: atMicros) == priceMicros)
    }
  }
}

@Suite struct MergeFieldsTests {
  static let details = ContactDetails(
    firstName: "Zoë", lastName: " ", company: "{{email}}",
    custom: ["city": .text("Reno"), "visits": .number(3), "score": .number(1.5)])

  @Test(arguments: [
    ("Hi {{first_name}}!", "Hi Zoë!"), ("Hi {{first_name|there}}", "Hi Zoë"),
    ("Hi {{ first_name | there }}", "Hi Zoë"), ("Hi {{last_name|there}}", "Hi there"),
    ("Hi{{last_name|}}", "Hi"), ("{{custom.city}}{{custom.visits}}", "Reno3"),
    ("{{custom.score}}", "1.5"), ("{{custom.none|a|b}}", "a|b"), ("{ {x} }", "{ {x} }"),
    ("a }} b", "a }} b"), ("", ""), ("{{phone|{none}}}", "{none}"),
    // What a person's field holds is text, not a template.
    ("{{company}}", "{{email}}"),
  ])
  func `fields are filled`(text: String, rendered: String) throws {
    if text == "{{phone|{none}}}" {
      // The first }} closes.
      #expect(try MergeFields.render(text, for: Self.details) == "{none}")
      return
    }
    #expect(try MergeFields.render(text, for: Self.details) == rendered)
  }

  @Test(arguments: [
    ("{{phone}}", "phone"), ("{{last_name}}", "last_name"), ("{{custom.x}}", "custom.x"),
    ("{{first_name}} {{email}}", "email"),
  ])
  func `a missing value without a fallback names the field`(text: String, field: String) {
    #expect(throws: MergeFieldError.missingValue(field)) {
      try MergeFields.render(text, for: Self.details)
    }
  }

  @Test(arguments: [
    "{{first_name", "{{nickname}}", "{{}}", "{{custom.}}", "{{ | x}}", "{{first_name}} {{",
  ])
  func `a wrong text is refused before anybody gets it`(text: String) {
    let error = #expect(throws: MergeFieldError.self) { try MergeFields.fields(of: text) }
    #expect(error?.code == "invalid_merge_field")
    #expect(throws: MergeFieldError.self) { try MergeFields.render(text, for: Self.details) }
  }

  private static let gold: ContactDetails = {
    var details = ContactDetails(firstName: "Ann", company: "Acme")
    details.custom["plan"] = .text("Gold ")
    return details
  }()

  @Test(arguments: [
    ("{{#if company}}At {{company}}{{/if}}!", "At Acme!", "!"),
    ("{{#if company}}B{{else}}C{{/if}}", "B", "C"),
    ("{{#if  custom.plan=gold }}yes{{else}}no{{/if}}", "yes", "no"),
    ("{{#unless company}}Your own boss?{{/unless}}", "", "Your own boss?"),
    ("{{#unless custom.plan = silver}}x{{/unless}}", "x", "x"),
    (
      "{{#if company}}{{#if first_name}}{{first_name}}{{else}}?{{/if}} of {{company}}{{/if}}.",
      "Ann of Acme.", "."
    ),
  ])
  func `a block is for those whom it fits`(text: String, known: String, unknown: String) throws {
    #expect(try MergeFields.render(text, for: Self.gold) == known)
    #expect(try MergeFields.render(text, for: ContactDetails(phone: "+12125550123")) == unknown)
  }

  @Test func `what is missing in the block that is not chosen is not missing`() throws {
    let text = "{{#if company}}{{last_name}}{{else}}{{email}}{{/if}}"
    #expect(try MergeFields.missing(in: text, for: Self.gold) == ["last_name"])
    #expect(try MergeFields.missing(in: text, for: ContactDetails(firstName: "Bo")) == ["email"])
    #expect(try MergeFields.fields(of: text) == ["company", "last_name", "email"])
  }

  @Test(arguments: [
    "{{#if company}}x", "{{#if}}x{{/if}}", "{{#if nickname}}x{{/if}}", "x{{/if}}", "{{else}}",
    "{{#if company}}x{{/unless}}", "{{#each company}}x{{/each}}",
    "{{#if company}}a{{else}}b{{else}}c{{/if}}",
    String(repeating: "{{#if company}}", count: 7) + String(repeating: "{{/if}}", count: 7),
  ])
  func `a block that does not fit together is refused`(text: String) {
    let error = #expect(throws: MergeFieldError.self) { try MergeFields.fields(of: text) }
    #expect(error?.code == "invalid_merge_field")
  }

  @Test func `a text names its fields once each, in order`() throws {
    let text = "{{last_name|x}} {{first_name}} {{last_name}}"
    #expect(try MergeFields.fields(of: text) == ["last_name", "first_name"])
  }
}
