/// Makes the tree out of libyaml's events and refuses what the subset has not.
struct YAMLTreeBuilder: ~Copyable {
  private var reader: YAMLEventReader
  private let limits: YAMLNode.Limits
  private var nodeCount = 0

  init(_ bytes: [UInt8], limits: YAMLNode.Limits) {
    reader = YAMLEventReader(bytes)
    self.limits = limits
  }

  mutating func document() throws(YAMLError) -> YAMLNode {
    let start = YAMLPosition(line: 1, column: 1)
    var root: YAMLNode?
    while true {
      let event = try reader.next()
      switch event.kind {
      case .end: return root ?? YAMLNode(content: .null, position: start, text: "")
      case .documentStart:
        guard root == nil else { throw unsupported("a second document is", at: event) }
      case .other: continue
      case .scalar, .sequenceStart, .mappingStart, .alias, .sequenceEnd, .mappingEnd:
        root = try node(event, depth: 1)
      }
    }
  }

  private mutating func node(_ event: YAMLEvent, depth: Int) throws(YAMLError) -> YAMLNode {
    try admit(event, depth: depth)
    switch event.kind {
    case .scalar(let bytes, let isPlain, let tag):
      return try scalar(event, bytes, isPlain: isPlain, tag: tag)
    case .sequenceStart(let tag):
      guard tag == nil else { throw unsupported("tags are", at: event) }
      return YAMLNode(content: .sequence(try items(depth: depth)), position: event.position)
    case .mappingStart(let tag):
      guard tag == nil else { throw unsupported("tags are", at: event) }
      return YAMLNode(content: .mapping(try entries(depth: depth)), position: event.position)
    case .documentStart, .end, .sequenceEnd, .mappingEnd, .alias, .other:
      preconditionFailure("libyaml starts a node with a scalar, a sequence or a mapping")
    }
  }

  private mutating func admit(_ event: YAMLEvent, depth: Int) throws(YAMLError) {
    if case .alias = event.kind { throw unsupported("aliases are", at: event) }
    guard !event.hasAnchor else { throw unsupported("anchors are", at: event) }
    guard depth <= limits.depth else {
      throw YAMLError(kind: .tooDeep(limit: limits.depth), position: event.position)
    }
    nodeCount += 1
    guard nodeCount <= limits.nodeCount else {
      throw YAMLError(kind: .tooManyNodes(limit: limits.nodeCount), position: event.position)
    }
  }

  private mutating func items(depth: Int) throws(YAMLError) -> [YAMLNode] {
    var items: [YAMLNode] = []
    while true {
      let event = try reader.next()
      if case .sequenceEnd = event.kind { return items }
      items.append(try node(event, depth: depth + 1))
    }
  }

  private mutating func entries(depth: Int) throws(YAMLError) -> [YAMLNode.Entry] {
    var entries: [YAMLNode.Entry] = []
    var keys: Set<String> = []
    while true {
      let event = try reader.next()
      if case .mappingEnd = event.kind { return entries }
      let key = try self.key(event, depth: depth)
      guard keys.insert(key).inserted else {
        throw YAMLError(kind: .duplicateKey(key), position: event.position)
      }
      let value = try node(try reader.next(), depth: depth + 1)
      entries.append(YAMLNode.Entry(key: key, keyPosition: event.position, value: value))
    }
  }

  /// A key as it is written: `1:` and `"1":` are the same key.
  private mutating func key(_ event: YAMLEvent, depth: Int) throws(YAMLError) -> String {
    try admit(event, depth: depth + 1)
    guard case .scalar(let bytes, let isPlain, let tag) = event.kind else {
      throw unsupported("keys that are not scalars are", at: event)
    }
    guard tag == nil else { throw unsupported("tags are", at: event) }
    let key = String(decoding: bytes, as: UTF8.self)
    guard !isPlain || key != "<<" else { throw unsupported("merge keys are", at: event) }
    return key
  }

  private func scalar(
    _ event: YAMLEvent, _ bytes: [UInt8], isPlain: Bool, tag: String?
  ) throws(YAMLError) -> YAMLNode {
    let text = String(decoding: bytes, as: UTF8.self)
    let content: YAMLNode.Content
    switch (tag, isPlain) {
    case ("tag:yaml.org,2002:str", _), ("!", _), (nil, false): content = .string(text)
    case (nil, true): content = try plain(text, at: event)
    default: throw unsupported("tags are", at: event)
    }
    return YAMLNode(content: content, position: event.position, text: text)
  }

  private func plain(_ text: String, at event: YAMLEvent) throws(YAMLError) -> YAMLNode.Content {
    switch CoreSchema.resolve(text) {
    case .value(let content): return content
    case .outOfRange:
      throw unsupported("numbers beyond 64 bits (quoted, they are texts) are", at: event)
    case .notFinite: throw unsupported("infinity and not-a-number are", at: event)
    }
  }

  private func unsupported(_ what: String, at event: YAMLEvent) -> YAMLError {
    YAMLError(kind: .unsupported(what), position: event.position)
  }
}

/// What an unquoted scalar means. Source: YAML 1.2.2, section 10.3.2.
enum CoreSchema {
  enum Resolution {
    case value(YAMLNode.Content)
    case outOfRange
    case notFinite
  }

  static func resolve(_ text: String) -> Resolution {
    switch text {
    case "", "~", "null", "Null", "NULL": .value(.null)
    case "true", "True", "TRUE": .value(.bool(true))
    case "false", "False", "FALSE": .value(.bool(false))
    case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
      ".NaN", ".NAN":
      .notFinite
    default: number(text)
    }
  }

  private static func number(_ text: String) -> Resolution {
    if let (digits, radix) = integerDigits(of: text) {
      guard let value = Int64(digits, radix: radix) else { return .outOfRange }
      return .value(.int(value))
    }
    guard isFloat(Array(text.utf8)) else { return .value(.string(text)) }
    guard let value = Double(text), value.isFinite else { return .outOfRange }
    return .value(.double(value))
  }

  private static func integerDigits(of text: String) -> (String, radix: Int)? {
    if text.hasPrefix("0o") {
      let digits = text.dropFirst(2)
      let isOctal = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x37).contains($0) }
      return isOctal ? (String(digits), 8) : nil
    }
    if text.hasPrefix("0x") {
      let digits = text.dropFirst(2)
      let isHex = !digits.isEmpty && digits.allSatisfy { $0.isASCII && $0.isHexDigit }
      return isHex ? (String(digits), 16) : nil
    }
    let digits = Substring(text).utf8
    let unsigned = digits.first == 0x2b || digits.first == 0x2d ? digits.dropFirst() : digits
    return !unsigned.isEmpty && unsigned.allSatisfy(isDigit) ? (text, 10) : nil
  }

  /// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
  private static func isFloat(_ text: [UInt8]) -> Bool {
    var rest = text[...]
    if rest.first == 0x2b || rest.first == 0x2d { rest = rest.dropFirst() }
    let whole = rest.prefix(while: isDigit)
    rest = rest.dropFirst(whole.count)
    var fraction = rest.prefix(0)
    if rest.first == UInt8(ascii: ".") {
      fraction = rest.dropFirst().prefix(while: isDigit)
      rest = rest.dropFirst(1 + fraction.count)
    }
    guard !whole.isEmpty || !fraction.isEmpty else { return false }
    guard let exponent = rest.first else { return true }
    guard exponent == UInt8(ascii: "e") || exponent == UInt8(ascii: "E") else { return false }
    rest = rest.dropFirst()
    if rest.first == 0x2b || rest.first == 0x2d { rest = rest.dropFirst() }
    return !rest.isEmpty && rest.allSatisfy(isDigit)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
