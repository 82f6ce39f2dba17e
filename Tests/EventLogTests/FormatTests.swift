import Testing

@testable import EventLog

@Suite struct FormatTests {
  /// Goal: a text that was taken apart is put together as it was. Method: texts around the edges of both forms.
  @Test(arguments: [
    "", "req", "0191d2c4-7b1e-4a5f-9c3d-0123456789ab", "req_0191d2c4-7b1e-4a5f-9c3d-0123456789ab",
    "0191D2C4-7B1E-4A5F-9C3D-0123456789AB", "0191d2c4-7b1e-4a5f-9c3d-0123456789a",
    "req_01jd3xabcdefghjkmnpqrstvwx", "req_71jd3xabcdefghjkmnpqrstvwx",
    "req_81jd3xabcdefghjkmnpqrstvwx", "req_01JD3XABCDEFGHJKMNPQRSTVWX",
    "zzzzzzzzzzzzzzzzzzzzzzzzzz", "00000000000000000000000000",
    "ünïcode 01jd3xabcdefghjkmnpqrstvwx",
    "01jd3xabcdefghjkmnpqrstvwi", "0191d2c4-7b1e-4a5f-9c3d_0123456789ab",
  ])
  func `a packed text is the same text again`(text: String) {
    let packed = PackedText.pack(text)
    let again = PackedText.unpack(packed.form, prefix: packed.prefix, value: packed.value)
    #expect(again == text)
  }

  @Test func `ids cost sixteen bytes`() {
    #expect(PackedText.pack("req_01jd3xabcdefghjkmnpqrstvwx").form == .base32)
    #expect(PackedText.pack("0191d2c4-7b1e-4a5f-9c3d-0123456789ab").form == .uuid)
    #expect(PackedText.pack("user:12").form == .whole)
  }

  /// Goal: every digit is written at every place. Method: seeded random ids, and those of one digit.
  @Test func `an id that was taken apart is written as it was`() {
    var random = SeededRandom(seed: 36)
    let ids = (0..<500).map { _ in (0..<32).map { _ in Int.random(in: 0...15, using: &random) } }
    for digits in ids + (0...15).map({ [Int](repeating: $0, count: 32) }) {
      let text = digits.map { String($0, radix: 16) }.joined()
      let uuid = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { places in
        String(text.dropFirst(places.lowerBound).prefix(places.count))
      }.joined(separator: "-")
      let packed = PackedText.pack("req-\(uuid)")
      #expect(packed.form == .uuid && packed.prefix == "req-")
      #expect(
        PackedText.unpack(.uuid, prefix: packed.prefix, value: packed.value) == "req-\(uuid)")
    }
  }

  /// Goal: damage in a directory is an error, never a trap. Method: seeded random bytes and headers.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func `random bytes are no directory`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      let bytes = (0..<Int.random(in: 0...120, using: &random)).map { _ in
        random.chance(70)
          ? UInt8.random(in: 0...4, using: &random) : .random(in: 0...255, using: &random)
      }
      let ids = [UInt8](repeating: 7, count: Int.random(in: 0...200, using: &random))
      var header = BlockHeader(
        firstPosition: 1, eventCount: Int.random(in: 1...4, using: &random), commitCount: 1,
        recordedAtMicros: 0, orgFilter: SkipFilter(memberCount: 1),
        typeFilter: SkipFilter(memberCount: 1))
      header.payloadRawBytes = Int.random(in: 0...9, using: &random)
      header.sealedBytes = Int.random(in: 0...9, using: &random)
      header.commitmentBytes = 32 * Int.random(in: 0...2, using: &random)
      _ = Result { try BlockDirectory(bytes, ids: ids, header: header) }
    }
  }
}
