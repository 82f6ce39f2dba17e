// Little-endian numbers and LEB128 varints: into arrays, out of spans. Source of the varints:
// the DWARF standard's LEB128, at most ten bytes for 64 bits.

/// Bytes that end too early or hold a number out of range. Callers add where.
struct MalformedBytes: Error {
  let reason: String
}

extension RawSpan {
  /// Traps outside the span: whoever calls has compared the sizes.
  @inline(__always)
  func load64(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset &+ 8 <= byteCount, "a load inside the span")
    return unsafe UInt64(
      littleEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  @inline(__always)
  func load32(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset &+ 4 <= byteCount, "a load inside the span")
    return unsafe UInt32(
      littleEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
  }

  @inline(__always)
  func load8(at offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < byteCount, "a load inside the span")
    return unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt8.self)
  }

  /// The number of `width` bytes (1 to 8) at `offset`.
  @inline(__always)
  func load(width: Int, at offset: Int) -> UInt64 {
    if offset + 8 <= byteCount {
      return load64(at: offset) & (UInt64.max &>> UInt64(64 &- 8 &* width))
    }
    var value: UInt64 = 0
    for index in 0..<width {
      value |= UInt64(load8(at: offset + index)) &<< UInt64(8 &* index)
    }
    return value
  }
}

extension Array where Element == UInt8 {
  mutating func appendLittle<Number: FixedWidthInteger>(_ value: Number) {
    unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
  }

  mutating func appendLittle(_ value: UInt64, width: Int) {
    unsafe Swift.withUnsafeBytes(of: value.littleEndian) {
      unsafe append(contentsOf: $0.prefix(width))
    }
  }

  mutating func appendBig<Number: FixedWidthInteger>(_ value: Number) {
    unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
  }

  /// Over the bytes from `offset` on, which are there.
  mutating func storeBig<Number: FixedWidthInteger>(_ value: Number, at offset: Int) {
    unsafe withUnsafeMutableBytes { bytes in
      unsafe bytes.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Number.self)
    }
  }

  @inline(__always)
  mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest &>>= 7
    }
    append(UInt8(truncatingIfNeeded: rest))
  }

  @inline(__always)
  mutating func appendVarint(_ value: Int) {
    appendVarint(UInt64(value))
  }

  /// Small numbers of either sign in few bytes.
  mutating func appendZigzag(_ value: Int64) {
    appendVarint(UInt64(bitPattern: (value &<< 1) ^ (value &>> 63)))
  }

  /// Writes `count` bytes of `source`, from `offset` on, over those at `target`.
  mutating func copy(_ source: [UInt8], from offset: Int, count: Int, to target: Int) {
    precondition(offset + count <= source.count && target + count <= self.count, "inside both")
    unsafe source.withUnsafeBytes { source in
      unsafe withUnsafeMutableBytes { bytes in
        unsafe bytes[target..<target + count].copyBytes(from: source[offset..<offset + count])
      }
    }
  }

  mutating func appendLengthAndBytes(of text: String) {
    appendVarint(text.utf8.count)
    append(contentsOf: text.utf8)
  }
}

extension MutableRawSpan {
  @inline(__always)
  mutating func storeBig<Number: FixedWidthInteger & BitwiseCopyable>(
    _ value: Number, at offset: Int
  ) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: Number.self)
  }

  @inline(__always)
  mutating func store(_ source: RawSpan, at offset: Int) {
    precondition(offset >= 0 && offset &+ source.byteCount <= byteCount, "inside the span")
    unsafe withUnsafeMutableBytes { target in
      unsafe source.withUnsafeBytes { source in
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: source)
      }
    }
  }
}

/// Reads an array front to back.
struct ByteReader {
  private let bytes: [UInt8]
  private(set) var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { offset == bytes.count }

  @inline(__always)
  mutating func varint() throws(MalformedBytes) -> UInt64 {
    guard offset < bytes.count else { throw MalformedBytes(reason: "ends early") }
    let first = bytes[offset]
    if first < 0x80 {
      offset &+= 1
      return UInt64(first)
    }
    let (value, end) = try Self.longVarint(bytes, from: offset)
    offset = end
    return value
  }

  /// The number, and where it ends. Not `mutating`: a reader that a loop has to itself stays in registers.
  private static func longVarint(
    _ bytes: [UInt8], from start: Int
  ) throws(MalformedBytes) -> (UInt64, Int) {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    var offset = start
    while offset < bytes.count, shift < 64 {
      let byte = bytes[offset]
      offset &+= 1
      value |= UInt64(byte & 0x7f) &<< shift
      if byte < 0x80 { return (value, offset) }
      shift &+= 7
    }
    throw MalformedBytes(reason: "a number without an end")
  }

  @inline(__always)
  mutating func zigzag() throws(MalformedBytes) -> Int64 {
    let value = try varint()
    return Int64(bitPattern: (value &>> 1) ^ (0 &- (value & 1)))
  }

  /// A count or size: refused above `limit`, so that damage cannot ask for endless memory.
  @inline(__always)
  mutating func count(upTo limit: Int) throws(MalformedBytes) -> Int {
    let value = try varint()
    guard value <= UInt64(limit) else { throw MalformedBytes(reason: "a count out of range") }
    return Int(value)
  }

  /// An index into something with `count` elements.
  @inline(__always)
  mutating func index(below count: Int) throws(MalformedBytes) -> Int {
    let value = try varint()
    guard value < UInt64(count) else { throw MalformedBytes(reason: "an index out of range") }
    return Int(value)
  }

  @inline(__always)
  mutating func uint128() throws(MalformedBytes) -> UInt128 {
    guard offset + 16 <= bytes.count else { throw MalformedBytes(reason: "ends early") }
    let low = unsafe bytes.span.bytes.load64(at: offset)
    let high = unsafe bytes.span.bytes.load64(at: offset + 8)
    offset += 16
    return UInt128(high) << 64 | UInt128(low)
  }

  mutating func string() throws(MalformedBytes) -> String {
    let size = try count(upTo: bytes.count)
    guard offset + size <= bytes.count else { throw MalformedBytes(reason: "ends early") }
    defer { offset += size }
    return String(decoding: bytes[offset..<offset + size], as: UTF8.self)
  }
}
