/// Bytes in the making. Not shared: one thread.
package final class BinaryOutput {
  var bytes: [UInt8] = []
  let isCanonical: Bool
  private let pieceBytes: Int
  private let emit: ([UInt8]) throws -> Void
  private var known = KnownTypes()

  init(
    pieceBytes: Int, isCanonical: Bool = false, emit: @escaping ([UInt8]) throws -> Void
  ) {
    self.pieceBytes = pieceBytes
    self.isCanonical = isCanonical
    self.emit = emit
    if pieceBytes < .max { bytes.reserveCapacity(pieceBytes + pieceBytes / 8) }
  }

  /// For small values, one after the other: `take` gives the bytes of each.
  package convenience init() { self.init(pieceBytes: .max) { _ in } }

  /// What was put since the last time.
  package func take() -> [UInt8] {
    defer { bytes.removeAll(keepingCapacity: true) }
    return bytes
  }

  package func put(_ byte: UInt8) { bytes.append(byte) }

  package func put(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

  package func put(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  package func put(signed value: Int64) {
    put(varint: UInt64(bitPattern: value << 1) ^ UInt64(bitPattern: value >> 63))
  }

  package func put(fixed value: UInt64) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }

  package func put(_ text: String) {
    let utf8 = text.utf8
    put(varint: UInt64(utf8.count))
    bytes.append(contentsOf: utf8)
  }

  /// With their count first.
  package func put(_ some: [UInt8]) {
    put(varint: UInt64(some.count))
    bytes.append(contentsOf: some)
  }

  package func encode<Value: Encodable>(_ value: Value) throws {
    if let own = known.own(Value.self) {
      try own.write(any: value, to: self)
    } else {
      try value.encode(to: PositionalEncoder(output: self))
    }
  }

  /// The elements of a collection without an order: their bytes are sorted where equal values have to have equal bytes.
  func putUnordered<Elements: Collection>(
    _ elements: Elements, _ put: (Elements.Element) throws -> Void
  ) throws {
    self.put(varint: UInt64(elements.count))
    guard isCanonical else {
      for element in elements {
        try put(element)
        try emitFull()
      }
      return
    }
    let before = bytes
    var parts: [[UInt8]] = []
    for element in elements {
      bytes = []
      try put(element)
      parts.append(bytes)
    }
    parts.sort { $0.lexicographicallyPrecedes($1) }
    bytes = before + parts.joined()
  }

  /// Hands over what there is, if it is enough.
  package func emitFull() throws {
    guard bytes.count >= pieceBytes else { return }
    try emit(bytes)
    bytes.removeAll(keepingCapacity: true)
  }
}

// MARK: - As the standard library asks for it

struct PositionalEncoder: Encoder {
  let output: BinaryOutput

  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    KeyedEncodingContainer(KeyedOutput(output: output))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    preconditionFailure("arrays, sets and dictionaries code themselves; others are not for caches")
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { SingleOutput(output: output) }
}

private struct SingleOutput: SingleValueEncodingContainer {
  let output: BinaryOutput
  var codingPath: [any CodingKey] { [] }

  func encodeNil() { preconditionFailure("optionals code themselves") }
  func encode(_ value: Bool) { output.put(value) }
  func encode(_ value: String) { output.put(value) }
  func encode(_ value: Double) { output.put(fixed: value.bitPattern) }
  func encode(_ value: Float) { output.put(varint: UInt64(value.bitPattern)) }
  func encode(_ value: Int) { output.put(signed: Int64(value)) }
  func encode(_ value: Int8) { output.put(signed: Int64(value)) }
  func encode(_ value: Int16) { output.put(signed: Int64(value)) }
  func encode(_ value: Int32) { output.put(signed: Int64(value)) }
  func encode(_ value: Int64) { output.put(signed: value) }
  func encode(_ value: UInt) { output.put(varint: UInt64(value)) }
  func encode(_ value: UInt8) { output.put(value) }
  func encode(_ value: UInt16) { output.put(varint: UInt64(value)) }
  func encode(_ value: UInt32) { output.put(varint: UInt64(value)) }
  func encode(_ value: UInt64) { output.put(varint: value) }
  func encode(_ value: UInt128) { value.write(to: output) }
  func encode<Value: Encodable>(_ value: Value) throws { try output.encode(value) }
}

private struct KeyedOutput<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let output: BinaryOutput
  var codingPath: [any CodingKey] { [] }

  private var single: SingleOutput { SingleOutput(output: output) }

  func encodeNil(forKey key: Key) { output.put(false) }
  func encode(_ value: Bool, forKey key: Key) { single.encode(value) }
  func encode(_ value: String, forKey key: Key) { single.encode(value) }
  func encode(_ value: Double, forKey key: Key) { single.encode(value) }
  func encode(_ value: Float, forKey key: Key) { single.encode(value) }
  func encode(_ value: Int, forKey key: Key) { single.encode(value) }
  func encode(_ value: Int8, forKey key: Key) { single.encode(value) }
  func encode(_ value: Int16, forKey key: Key) { single.encode(value) }
  func encode(_ value: Int32, forKey key: Key) { single.encode(value) }
  func encode(_ value: Int64, forKey key: Key) { single.encode(value) }
  func encode(_ value: UInt, forKey key: Key) { single.encode(value) }
  func encode(_ value: UInt8, forKey key: Key) { single.encode(value) }
  func encode(_ value: UInt16, forKey key: Key) { single.encode(value) }
  func encode(_ value: UInt32, forKey key: Key) { single.encode(value) }
  func encode(_ value: UInt64, forKey key: Key) { single.encode(value) }
  func encode(_ value: UInt128, forKey key: Key) { single.encode(value) }
  func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
    try output.encode(value)
  }

  /// Positions stand for names, so an absent value is written down too.
  private func put<Value>(_ value: Value?, _ body: (Value) -> Void) {
    output.put(value != nil)
    value.map(body)
  }

  func encodeIfPresent(_ value: Bool?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: String?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: Double?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: Float?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: Int?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: Int8?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: Int16?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: Int32?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: Int64?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: UInt?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: UInt8?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: UInt16?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: UInt32?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: UInt64?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent(_ value: UInt128?, forKey key: Key) { put(value, single.encode) }
  func encodeIfPresent<Value: Encodable>(_ value: Value?, forKey key: Key) throws {
    output.put(value != nil)
    if let value { try output.encode(value) }
  }

  /// An enum's case.
  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> {
    output.put(key.stringValue)
    return KeyedEncodingContainer(KeyedOutput<NestedKey>(output: output))
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    preconditionFailure("not for caches")
  }
  func superEncoder() -> any Encoder {
    preconditionFailure("classes that inherit are not for caches")
  }
  func superEncoder(forKey key: Key) -> any Encoder { superEncoder() }
}
