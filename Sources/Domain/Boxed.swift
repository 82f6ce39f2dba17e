/// A value behind one pointer: what holds many of them holds 8 bytes for each. Copied when it is changed while
/// somebody else has it too, so it is a value like any other.
package struct Boxed<Value: Sendable>: Sendable {
  /// `@unchecked Sendable`: `value` is written only by whoever holds the sole reference.
  private final class Storage: @unchecked Sendable {
    var value: Value

    init(_ value: Value) { self.value = value }
  }

  private var storage: Storage

  package init(_ value: Value) { storage = Storage(value) }

  package var value: Value {
    _read { yield storage.value }
    _modify {
      if !isKnownUniquelyReferenced(&storage) { storage = Storage(storage.value) }
      yield &storage.value
    }
  }

  /// What `body` makes of the value, where it lies.
  func look<Result>(_ body: (borrowing Value) -> Result) -> Result { body(storage.value) }

  /// Whether both are one and the same piece of memory: nobody changed either.
  package func isIdentical(to other: Boxed) -> Bool { storage === other.storage }
}

extension Boxed: Equatable where Value: Equatable {
  package static func == (left: Boxed, right: Boxed) -> Bool {
    left.storage === right.storage || left.storage.value == right.storage.value
  }
}

// Coded as the value itself.
extension Boxed: Encodable where Value: Encodable {
  package func encode(to encoder: any Encoder) throws { try storage.value.encode(to: encoder) }
}

extension Boxed: Decodable where Value: Decodable {
  package init(from decoder: any Decoder) throws { self.init(try Value(from: decoder)) }
}
