import JSON
import Testing

@Suite struct JSONWriterTests {
  /// Goal: whatever byte stands wherever in a text, it is written as RFC 8259 says. Method: every ASCII byte at every place of
  /// texts that are shorter and longer than what is looked at in one go, beside the rule in words.
  @Test func `a text is escaped where it has to be, and nowhere else`() throws {
    for byte in 0..<128 as Range<UInt8> {
      let character = String(decoding: [byte], as: UTF8.self)
      let written = Self.escaped(byte) ?? character
      for count in 1...17 {
        for place in 0..<count {
          let (before, after) = (
            String(repeating: "x", count: place), String(repeating: "é", count: count - 1 - place)
          )
          let text = before + character + after
          try #require(
            JSON.string(text).text == "\"" + before + written + after + "\"",
            "\(byte) at \(place) of \(count)")
          try #require(try JSON(parsing: JSON.string(text).bytes()) == .string(text))
        }
      }
    }
  }

  /// RFC 8259, section 7; nil where the byte stands for itself.
  private static func escaped(_ byte: UInt8) -> String? {
    switch byte {
    case UInt8(ascii: "\""): "\\\""
    case UInt8(ascii: "\\"): "\\\\"
    case 0x0A: "\\n"
    case 0x0D: "\\r"
    case 0x09: "\\t"
    case 0..<0x10: "\\u000" + String(byte, radix: 16)
    case 0x10..<0x20: "\\u00" + String(byte, radix: 16)
    default: nil
    }
  }

  @Test func `names are escaped like texts, with commas and colons around them`() throws {
    let value = JSON.object(
      JSONObject([
        ("a", "\""), ("b\n", ["\"", "plain", "\\"]), ("long enough a name\t", 1), ("c", "d"),
      ]))
    #expect(
      value.text
        == #"{"a":"\"","b\n":["\"","plain","\\"],"long enough a name\t":1,"c":"d"}"#)
    #expect(try JSON(parsing: value.bytes()) == value)
  }

  @Test func `the first field of a name is the one that is found`() {
    var object = JSONObject([("a", 1), ("b", 2), ("a", 3)])
    #expect(object["a"] == 1)
    #expect(object["c"] == nil)
    object["b"] = nil
    object["cd"] = 4
    #expect(object.keys == ["a", "a", "cd"])
  }
}
