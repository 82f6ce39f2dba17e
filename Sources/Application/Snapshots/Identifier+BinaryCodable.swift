import BinaryCoding
import Domain

/// Most of a book's state is ids: 17 bytes each, kind and value, without a detour over containers and texts.
extension Identifier: BinaryCodable {
  private static let kinds = Kind.allCases
  private static let ordinals = Dictionary(
    uniqueKeysWithValues: kinds.enumerated().map { ($1, UInt8($0)) })

  package func write(to output: BinaryOutput) {
    guard let ordinal = Self.ordinals[kind] else {
      preconditionFailure("every kind is among all cases")
    }
    output.put(ordinal)
    value.write(to: output)
  }

  package init(from input: BinaryInput) throws {
    let ordinal = Int(try input.byte())
    guard ordinal < Self.kinds.count else { throw BinaryCodingError.malformed }
    self.init(Self.kinds[ordinal], try UInt128(from: input))
  }
}
