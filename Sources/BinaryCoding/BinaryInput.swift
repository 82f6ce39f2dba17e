/// Bytes to be read, piece by piece. Not shared: one thread.
package final class BinaryInput {
  private var bytes: [UInt8] = []
  private var index = 0
  private let next: () throws -> [UInt8]?
  private var known = KnownTypes()
  /// What whoever decodes gives along to types that read themselves.
  package let context: (any Sendable)?

  init(context: (any Sendable)? = nil, next: @escaping () throws -> [UInt8]?) {
    self.context = context
    self.next = next
  }

  /// What a `BinaryOutput` took.
  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
    context = nil
    next = { nil }
  }

  /// At least `count` bytes from `index` on, of one piece or of several put together.
  private func require(_ count: Int) throws {
    while bytes.count - index < count {
      guard let piece = try next() else { throw BinaryCodingError.endsEarly }
      bytes = index == bytes.count ? piece : Array(bytes[index...]) + piece
      index = 0
    }
  }

  package func isAtEnd() throws -> Bool {
    while index == bytes.count {
      guard let piece = try next() else { return true }
      (bytes, index) = (piece, 0)
    }
    return false
  }

  package func byte() throws -> UInt8 {
    if index == bytes.count { try require(1) }
    defer { index += 1 }
    return bytes[index]
  }

  package func flag() throws -> Bool {
    switch try byte() {
    case 0: false
    case 1: true
    default: throw BinaryCodingError.malformed
    }
  }

  package func varint() throws -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try byte()
      guard shift < 63 || byte <= 1 else { throw BinaryCodingError.malformed }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
  }

  package func signed() throws -> Int64 {
    let value = try varint()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  package func fixed() throws -> UInt64 {
    try require(8)
    defer { index += 8 }
    var value: UInt64 = 0
    for offset in 0..<8 { value |= UInt64(bytes[index + offset]) << UInt64(offset * 8) }
    return value
  }

  package func text() throws -> String {
    let count = try count()
    try require(count)
    defer { index += count }
    return String(decoding: bytes[index..<index + count], as: UTF8.self)
  }

  /// Bytes with their count first.
  package func byteArray() throws -> [UInt8] {
    let count = try count()
    try require(count)
    defer { index += count }
    return Array(bytes[index..<index + count])
  }

  /// How many elements or bytes follow.
  package func count() throws -> Int {
    let count = try varint()
    // No piece of memory is larger: what says so is not a count.
    guard count <= 1 << 40 else { throw BinaryCodingError.malformed }
    return Int(count)
  }

  /// What to make room for at once: a count is believed up to here.
  static func room(_ count: Int) -> Int { min(count, 1 << 24) }

  func integer<Value: FixedWidthInteger & SignedInteger>() throws -> Value {
    guard let value = Value(exactly: try signed()) else { throw BinaryCodingError.malformed }
    return value
  }

  func integer<Value: FixedWidthInteger & UnsignedInteger>() throws -> Value {
    guard let value = Value(exactly: try varint()) else { throw BinaryCodingError.malformed }
    return value
  }

  package func decode<Value: Decodable>(_: Value.Type) throws -> Value {
    guard let own = known.own(Value.self) else {
      return try Value(from: PositionalDecoder(input: self))
    }
    return try own.read(Value.self, from: self)
  }
}

// MARK: - As the standard library asks for it

struct PositionalDecoder: Decoder {
  let input: BinaryInput

  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(KeyedInput(input: input))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    throw BinaryCodingError.malformed
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { SingleInput(input: input) }
}

private struct SingleInput: SingleValueDecodingContainer {
  let input: BinaryInput
  var codingPath: [any CodingKey] { [] }

  func decodeNil() -> Bool { false }
  func decode(_ type: Bool.Type) throws -> Bool { try input.flag() }
  func decode(_ type: String.Type) throws -> String { try input.text() }
  func decode(_ type: Double.Type) throws -> Double { Double(bitPattern: try input.fixed()) }
  func decode(_ type: Float.Type) throws -> Float { Float(bitPattern: try input.integer()) }
  func decode(_ type: Int.Type) throws -> Int { try input.integer() }
  func decode(_ type: Int8.Type) throws -> Int8 { try input.integer() }
  func decode(_ type: Int16.Type) throws -> Int16 { try input.integer() }
  func decode(_ type: Int32.Type) throws -> Int32 { try input.integer() }
  func decode(_ type: Int64.Type) throws -> Int64 { try input.signed() }
  func decode(_ type: UInt.Type) throws -> UInt { try input.integer() }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try input.byte() }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try input.integer() }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try input.integer() }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try input.varint() }
  func decode(_ type: UInt128.Type) throws -> UInt128 { try UInt128(from: input) }
  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try input.decode(type) }
}

private struct KeyedInput<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let input: BinaryInput
  var codingPath: [any CodingKey] { [] }

  private var single: SingleInput { SingleInput(input: input) }

  /// Asked once for each enum: which case it is.
  var allKeys: [Key] {
    guard let name = try? input.text(), let key = Key(stringValue: name) else { return [] }
    return [key]
  }

  func contains(_ key: Key) -> Bool { true }

  /// Asked before every value that may be absent.
  func decodeNil(forKey key: Key) throws -> Bool { try !input.flag() }

  func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try single.decode(type) }
  func decode(_ type: String.Type, forKey key: Key) throws -> String { try single.decode(type) }
  func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try single.decode(type) }
  func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try single.decode(type) }
  func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try single.decode(type) }
  func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try single.decode(type) }
  func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try single.decode(type) }
  func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try single.decode(type) }
  func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try single.decode(type) }
  func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try single.decode(type) }
  func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try single.decode(type) }
  func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try single.decode(type) }
  func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try single.decode(type) }
  func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try single.decode(type) }
  func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try single.decode(type) }
  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    try input.decode(type)
  }

  /// An enum's case: `allKeys` has read its name.
  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) -> KeyedDecodingContainer<NestedKey> {
    KeyedDecodingContainer(KeyedInput<NestedKey>(input: input))
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    throw BinaryCodingError.malformed
  }
  func superDecoder() throws -> any Decoder { throw BinaryCodingError.malformed }
  func superDecoder(forKey key: Key) throws -> any Decoder { throw BinaryCodingError.malformed }
}
