import BinaryCoding
import Testing

/// Every shape that a state of ours has, and what the compiler makes of it.
private struct Sample: Codable, Equatable {
  enum Channel: String, Codable { case sms, email }

  indirect enum Filter: Codable, Equatable {
    case all([Filter])
    case not(Filter)
    case field(name: String, value: Double?)
    case nothing
  }

  struct Key: Codable, Hashable {
    let high: UInt64
    let low: UInt64
  }

  struct Empty: Codable, Equatable {}

  var flag = false
  var text = ""
  var number = 0
  var small: Int8 = 0
  var large: UInt64 = 0
  var wide: UInt128 = 0
  var double = 0.0
  var float: Float = 0
  var byte: UInt8 = 0
  var channel: Channel?
  var optionalText: String?
  var optionalNumber: Int64?
  var optionalWide: UInt128?
  var filter = Filter.nothing
  var list: [String] = []
  var optionals: [Int?] = []
  var set: Set<Channel> = []
  var byText: [String: [Key]] = [:]
  var byKey: [Key: [Channel: Int64?]] = [:]
  var empty: Empty?
}

/// The same numbers for the same seed.
private struct Dice: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return (state ^ state >> 31) &* 0x9e37_79b9_7f4a_7c15
  }

  mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
  mutating func flag() -> Bool { .random(using: &self) }
  mutating func any<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value {
    .random(in: .min ... .max, using: &self)
  }
  mutating func maybe<Value>(_ value: Value) -> Value? { flag() ? value : nil }
  mutating func text() -> String {
    String((0..<below(40)).compactMap { _ in "aß漢👩‍👩‍👧 \0\"z".randomElement(using: &self) })
  }
  mutating func list<Value>(_ value: (inout Dice) -> Value) -> [Value] {
    (0..<below(5)).map { _ in value(&self) }
  }

  mutating func filter(_ depth: Int = 0) -> Sample.Filter {
    switch depth > 3 ? 2 : below(4) {
    case 0: .all(list { $0.filter(depth + 1) })
    case 1: .not(filter(depth + 1))
    case 2: .field(name: text(), value: maybe(Double(any(Int32.self)) / 7))
    default: .nothing
    }
  }
}

extension Sample {
  init(seed: UInt64) {
    var dice = Dice(state: seed)
    flag = dice.flag()
    text = dice.text()
    number = [0, 1, -1, 63, 64, -64, -65, .max, .min, dice.any()][dice.below(10)]
    small = dice.any()
    large = [0, 127, 128, .max, dice.any()][dice.below(5)]
    wide = dice.any()
    double = [0, -0.0, .infinity, Double(dice.any(Int.self)) / 3][dice.below(4)]
    float = Float(dice.any(Int16.self)) / 3
    byte = dice.any()
    channel = dice.maybe(dice.flag() ? .sms : .email)
    optionalText = dice.maybe(dice.text())
    optionalNumber = dice.maybe(dice.any())
    optionalWide = dice.maybe(dice.any())
    filter = dice.filter()
    list = dice.list { $0.text() }
    optionals = dice.list { $0.maybe($0.below(9)) }
    set = Set(dice.list { $0.flag() ? .sms : .email })
    for text in dice.list({ $0.text() }) { byText[text] = [Key(high: 1, low: dice.any())] }
    for high in dice.list({ $0.any(UInt64.self) }) {
      byKey[Key(high: high, low: dice.any())] = [.sms: dice.maybe(dice.any()), .email: nil]
    }
    empty = dice.maybe(Empty())
  }
}

struct BinaryCodingTests {
  private func pieces(of value: some Encodable, bytes: Int) throws -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    try BinaryCoding.encode(value, pieceBytes: bytes) { pieces.append($0) }
    return pieces
  }

  private func samples(_ count: UInt64) -> [Sample] { (1...count).map { Sample(seed: $0) } }

  @Test(arguments: [1, 7, 100, 1 << 20])
  func `what was written is read, however it was cut into pieces`(pieceBytes: Int) throws {
    let samples = samples(60)
    let pieces = try pieces(of: samples, bytes: pieceBytes)
    #expect(pieceBytes > 100 || pieces.count > 10)
    let all = Array(pieces.joined())
    #expect(try BinaryCoding.decode([Sample].self, from: all) == samples)
    for cut in [1, 2, 64, 4_096] {
      var start = 0
      let read = try BinaryCoding.decode([Sample].self) {
        defer { start += cut }
        return start < all.count ? Array(all[start..<min(start + cut, all.count)]) : nil
      }
      try #require(read == samples)
    }
  }

  @Test func `equal values have equal canonical bytes, whatever the order of their making`() throws
  {
    let keys = (0..<500).map { "key \($0)" }
    let one = Dictionary(uniqueKeysWithValues: keys.map { ($0, Set([$0, "x", "y"])) })
    var other: [String: Set<String>] = [:]
    other.reserveCapacity(5_000)
    for key in keys.reversed() { other[key] = Set(["y", "x", key]) }
    let bytes = try BinaryCoding.canonicalBytes(of: one)
    #expect(try BinaryCoding.canonicalBytes(of: other) == bytes)
    other["key 7"]?.remove("x")
    #expect(try BinaryCoding.canonicalBytes(of: other) != bytes)
    #expect(try BinaryCoding.decode([String: Set<String>].self, from: bytes) == one)
  }

  @Test func `bytes that end early or go on are refused`() throws {
    let bytes = try BinaryCoding.canonicalBytes(of: samples(3))
    for count in 0..<bytes.count {
      #expect(throws: (any Error).self) {
        try BinaryCoding.decode([Sample].self, from: Array(bytes.prefix(count)))
      }
    }
    #expect(throws: BinaryCodingError.bytesLeft) {
      try BinaryCoding.decode([Sample].self, from: bytes + [0])
    }
  }

  @Test func `a number beyond its type is refused`() throws {
    let bytes = try BinaryCoding.canonicalBytes(of: Int64(300))
    #expect(throws: BinaryCodingError.malformed) { try BinaryCoding.decode(Int8.self, from: bytes) }
    let long = [UInt8](repeating: 0xff, count: 10) + [1]
    #expect(throws: BinaryCodingError.malformed) {
      try BinaryCoding.decode(UInt64.self, from: long)
    }
  }
}
