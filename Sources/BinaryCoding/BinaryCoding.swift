/// Any `Codable` value as bytes, fast and small, for caches that this very program reads again.
///
/// What the compiler synthesizes codes every stored property in the order of its declaration, so values follow each
/// other without names, and nothing can be forgotten. The price: only the program that wrote the bytes can read
/// them. Whoever keeps them has to know which program that was.
///
///     integers     LEB128 (RFC: DWARF 5, 7.6); signed ones zigzag
///     texts        count of bytes, UTF-8
///     optionals    0, or 1 and the value
///     collections  count, elements; dictionaries: count, key and value in turn
///     enums        the case's name, its values; with raw values: the raw value
///
/// Not for classes that inherit, nor for types that code one property twice or out of order.
package enum BinaryCoding {
  /// The bytes of `value` in pieces of about `pieceBytes`, in order; the last one may be empty.
  ///
  /// - Throws: What `emit` or a value's own `encode` throws.
  package static func encode(
    _ value: some Encodable, pieceBytes: Int = 1 << 20, emit: @escaping ([UInt8]) throws -> Void
  ) throws {
    let output = BinaryOutput(pieceBytes: pieceBytes, emit: emit)
    try output.encode(value)
    try emit(output.bytes)
  }

  /// All bytes at once. Canonical: sets and dictionaries in the order of their elements' bytes, so that equal values
  /// have equal bytes.
  package static func canonicalBytes(of value: some Encodable) throws -> [UInt8] {
    let output = BinaryOutput(pieceBytes: .max, isCanonical: true) { _ in }
    try output.encode(value)
    return output.bytes
  }

  /// The value whose bytes `next` gives piece by piece, as `encode` made them; nil: there are no more. `context` goes along
  /// to types that read themselves.
  ///
  /// - Throws: `BinaryCodingError` where they are something else, or what `next` throws.
  package static func decode<Value: Decodable>(
    _: Value.Type, context: (any Sendable)? = nil, next: @escaping () throws -> [UInt8]?
  ) throws -> Value {
    let input = BinaryInput(context: context, next: next)
    let value = try input.decode(Value.self)
    guard try input.isAtEnd() else { throw BinaryCodingError.bytesLeft }
    return value
  }

  package static func decode<Value: Decodable>(
    _: Value.Type, from bytes: [UInt8]
  ) throws -> Value {
    var rest: [UInt8]? = bytes
    return try decode(Value.self) {
      defer { rest = nil }
      return rest
    }
  }
}

/// Why bytes are not what was asked for.
package enum BinaryCodingError: Error, Equatable {
  case endsEarly
  case bytesLeft
  case malformed
}

/// A type whose bytes are written and read by hand: collections, and small types that there are many of.
package protocol BinaryCodable: Codable {
  func write(to output: BinaryOutput) throws
  init(from input: BinaryInput) throws
}

extension BinaryCodable {
  static func write(any value: Any, to output: BinaryOutput) throws {
    guard let own = value as? Self else { preconditionFailure("a value is of its own type") }
    try own.write(to: output)
  }

  /// `Value` is this very type, which only the caller's caller knows. A cast would ask the runtime for it with every value.
  static func read<Value>(_: Value.Type, from input: BinaryInput) throws -> Value {
    precondition(Value.self == Self.self, "a type reads values of its own")
    return unsafe unsafeBitCast(try Self(from: input), to: Value.self)
  }
}

/// Which types code themselves; asking the runtime for it each time would cost more than coding.
struct KnownTypes {
  private var types: [ObjectIdentifier: (any BinaryCodable.Type)?] = [:]

  mutating func own(_ type: Any.Type) -> (any BinaryCodable.Type)? {
    if let known = types[ObjectIdentifier(type)] { return known }
    let own = type as? any BinaryCodable.Type
    types[ObjectIdentifier(type)] = .some(own)
    return own
  }
}
