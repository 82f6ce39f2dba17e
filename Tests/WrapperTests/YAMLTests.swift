import JSON
import Testing
import YAML

private func refusal(_ text: String, limits: YAMLNode.Limits = YAMLNode.Limits()) -> YAMLError? {
  do {
    _ = try YAMLNode(parsing: text, limits: limits)
    return nil
  } catch {
    return error
  }
}

@Suite struct YAMLTests {
  @Test func `a text becomes the tree that it says, in its order`() throws {
    let node = try YAMLNode(
      parsing: """
        # A workflow.
        name: "Welcome"
        steps:
          - send_sms: |
              Hi {{first_name}},
              welcome!
          - wait: 1 day
          - if: { replied: false, tries: 2 }
        empty:
        """)
    let expected = try JSON(
      parsing: #"""
        {"name": "Welcome", "steps": [{"send_sms": "Hi {{first_name}},\nwelcome!\n"}, {"wait": "1 day"},
         {"if": {"replied": false, "tries": 2}}], "empty": null}
        """#)
    #expect(node.json == expected)
    #expect(node.mapping?.map(\.key) == ["name", "steps", "empty"])
    #expect(node["steps"]?[1]?["wait"]?.string == "1 day")
  }

  @Test func `every value knows its line and column`() throws {
    let node = try YAMLNode(parsing: "a: 1\nb:\n  - x\n  - ключ: {y: 2}\n")
    #expect(node.position == YAMLPosition(line: 1, column: 1))
    #expect(node["a"]?.position == YAMLPosition(line: 1, column: 4))
    #expect(node["b"]?[1]?["ключ"]?["y"]?.position == YAMLPosition(line: 4, column: 15))
    #expect(node.mapping?[1].keyPosition == YAMLPosition(line: 2, column: 1))
  }

  // YAML 1.2.2, section 10.3.2; the words of 1.1 are texts.
  @Test(arguments: [
    ("~", "null"), ("null", "null"), ("", "null"), ("true", "true"), ("False", "false"),
    ("yes", #""yes""#), ("No", #""No""#), ("on", #""on""#), ("OFF", #""OFF""#), ("y", #""y""#),
    ("12", "12"), ("-7", "-7"), ("+3", "3"), ("0o14", "12"), ("0xC", "12"), ("010", "10"),
    ("1.5", "1.5"), ("-.5", "-0.5"), ("1e3", "1000.0"), ("12e-1", "1.2"), ("1_000", #""1_000""#),
    ("1:30", #""1:30""#), ("2026-11-21", #""2026-11-21""#), ("0x", #""0x""#), (".", #"".""#),
    ("-", #"[null]"#), ("1e", #""1e""#), ("'12'", #""12""#), ("\"true\"", #""true""#),
    ("!!str 12", #""12""#), ("=", #""=""#), ("9223372036854775807", "9223372036854775807"),
  ])
  func `a scalar is what YAML 1.2's core schema says`(yaml: String, json: String) throws {
    #expect(try YAMLNode(parsing: yaml).json == JSON(parsing: json))
  }

  @Test func `a scalar can be had as it is written`() throws {
    let node = try YAMLNode(parsing: "zip: 02134\nphone: +14155550100\nquoted: '1'")
    #expect(node["zip"]?.text == "02134")
    #expect(node["zip"]?.int == 2134)
    #expect(node["phone"]?.text == "+14155550100")
    #expect(node["quoted"]?.text == "1")
    #expect(node.text == nil)
  }

  @Test(arguments: [
    ("a: 1\nb: 2\na: 3", "yaml_duplicate_key", 3, 1),
    ("a: 1\n\"a\": 2", "yaml_duplicate_key", 2, 1),
    ("a: &x 1\nb: *x", "yaml_unsupported", 1, 4),
    ("a:\n  <<: {b: 1}", "yaml_unsupported", 2, 3),
    ("a: !!binary aGk=", "yaml_unsupported", 1, 4),
    ("a: !custom {}", "yaml_unsupported", 1, 4),
    ("? [1, 2]\n: x", "yaml_unsupported", 1, 3),
    ("a: 1\n---\nb: 2", "yaml_unsupported", 2, 1),
    ("a: 99999999999999999999", "yaml_unsupported", 1, 4),
    ("a: .inf", "yaml_unsupported", 1, 4),
    ("a: [1, 2", "yaml_syntax", 2, 1),
    ("a: 1\n b: 2", "yaml_syntax", 2, 3),
    ("a:\n\t- 1", "yaml_syntax", 2, 1),
    ("a: \"open", "yaml_syntax", 1, 9),
  ])
  func `what the subset has not is refused with its place`(
    text: String, code: String, line: Int, column: Int
  ) {
    let error = refusal(text)
    #expect(error?.code == code)
    #expect(error?.position == YAMLPosition(line: line, column: column))
  }

  @Test func `an alias bomb is refused at its first anchor`() {
    #expect(refusal("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]")?.code == "yaml_unsupported")
    #expect(refusal("*a")?.code != nil)
  }

  @Test func `depth, size and count are bounded`() {
    #expect(refusal(String(repeating: "[", count: 5000))?.code == "yaml_too_deep")
    var limits = YAMLNode.Limits()
    limits.byteCount = 10
    #expect(refusal("a: 12345678", limits: limits)?.kind == .tooLarge(limitBytes: 10))
    limits = YAMLNode.Limits()
    limits.nodeCount = 3
    #expect(refusal("[1, 2]", limits: limits) == nil)
    #expect(refusal("[1, 2, 3]", limits: limits)?.kind == .tooManyNodes(limit: 3))
    limits = YAMLNode.Limits()
    limits.depth = 2
    #expect(refusal("[[]]", limits: limits) == nil)
    #expect(refusal("[[1]]", limits: limits)?.kind == .tooDeep(limit: 2))
  }

  @Test func `bytes that are no text are refused, and UTF-16 is read`() throws {
    for bytes in [[0x61, 0x3a, 0x20, 0xff], [0x61, 0x00]] as [[UInt8]] {
      #expect(throws: YAMLError.self) { _ = try YAMLNode(parsing: bytes) }
    }
    let wide: [UInt8] = [0xff, 0xfe] + "a: é".utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
    #expect(try YAMLNode(parsing: wide)["a"]?.string == "é")
    #expect(try YAMLNode(parsing: "").isNull)
    #expect(try YAMLNode(parsing: "# nothing\n").isNull)
  }
}
