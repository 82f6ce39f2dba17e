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

  /// `stored`: what the payloads of events had before, byte for byte.
  @Test(
    arguments: [
      (12, "12", "12.0"), (12.5, "12.5", "12.5"), (0, "0", "0.0"), (-3, "-3", "-3.0"),
      (100, "100", "100.0"), (0.1, "0.1", "0.1"), (1e-7, "1e-07", "1e-07"),
      (9_007_199_254_740_991, "9007199254740991", "9007199254740991.0"),
      (1e15, "1000000000000000", "1000000000000000.0"), (1e16, "1e+16", "1e+16"),
      (-1e300, "-1e+300", "-1e+300"), (-0.0, "0", "-0.0"),
    ] as [(Double, String, String)])
  func `a whole number has no fraction, but where it is stored`(
    number: Double, shown: String, stored: String
  ) throws {
    #expect(JSON.double(number).text == shown)
    #expect(JSON.double(number).bytes(.stored) == Array(stored.utf8))
    for digits in [shown, stored] {
      #expect(try JSON(parsing: digits).double == number)
      #expect(try JSON(parsing: "[\(digits),\(digits)]")[1]?.double == number)
    }
  }

  @Test(
    arguments: [
      (0, "0"), (7, "7"), (10, "10"), (-1, "-1"), (999, "999"), (1_000, "1000"),
      (.max, "9223372036854775807"), (.min, "-9223372036854775808"),
    ] as [(Int64, String)])
  func `a whole number is written in digits`(number: Int64, digits: String) {
    #expect(JSON.int(number).text == digits)
    #expect(JSON.array([.int(number), .int(number)]).text == "[\(digits),\(digits)]")
  }

  @Test func `fields come out of a writer as out of a tree`() {
    func fill(_ object: inout some JSONFields) {
      object.field("text", "a \"b\"")
      object.field("count", 12 as Int64)
      object.field("flag", false)
      object.field("any", ["x": nil] as JSON)
      object.field("texts", ["a", "b"] as [String])
      object.object("inner") { $0.field("none", orNull: nil) }
      object.field("some", orNull: "é")
    }
    var writer = JSONWriter()
    writer.beginObject()
    fill(&writer)
    writer.endObject()
    var tree = JSONObject()
    fill(&tree)
    #expect(writer.bytes == JSON.object(tree).bytes())
    #expect(
      JSON.object(tree).text
        == #"{"text":"a \"b\"","count":12,"flag":false,"any":{"x":null},"texts":["a","b"],"#
        + #""inner":{"none":null},"some":"é"}"#)
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
