// What the standard library would code through containers of its own, element by element: whole, with the count first.

extension Optional: BinaryCodable where Wrapped: Codable {
  package func write(to output: BinaryOutput) throws {
    output.put(self != nil)
    if let self { try output.encode(self) }
  }

  package init(from input: BinaryInput) throws {
    self = try input.flag() ? try input.decode(Wrapped.self) : nil
  }
}

extension Array: BinaryCodable where Element: Codable {
  package func write(to output: BinaryOutput) throws {
    output.put(varint: UInt64(count))
    for element in self {
      try output.encode(element)
      try output.emitFull()
    }
  }

  package init(from input: BinaryInput) throws {
    let count = try input.count()
    self.init()
    reserveCapacity(BinaryInput.room(count))
    for _ in 0..<count { append(try input.decode(Element.self)) }
  }
}

extension Set: BinaryCodable where Element: Codable {
  package func write(to output: BinaryOutput) throws {
    try output.putUnordered(self) { try output.encode($0) }
  }

  package init(from input: BinaryInput) throws {
    let count = try input.count()
    self.init(minimumCapacity: BinaryInput.room(count))
    for _ in 0..<count {
      guard insert(try input.decode(Element.self)).inserted else {
        throw BinaryCodingError.malformed
      }
    }
  }
}

extension Dictionary: BinaryCodable where Key: Codable, Value: Codable {
  package func write(to output: BinaryOutput) throws {
    try output.putUnordered(self) { key, value in
      try output.encode(key)
      try output.encode(value)
    }
  }

  package init(from input: BinaryInput) throws {
    let count = try input.count()
    self.init(minimumCapacity: BinaryInput.room(count))
    for _ in 0..<count {
      let key = try input.decode(Key.self)
      guard updateValue(try input.decode(Value.self), forKey: key) == nil else {
        throw BinaryCodingError.malformed
      }
    }
  }
}

extension UInt128: BinaryCodable {
  package func write(to output: BinaryOutput) {
    output.put(fixed: UInt64(truncatingIfNeeded: self))
    output.put(fixed: UInt64(truncatingIfNeeded: self >> 64))
  }

  package init(from input: BinaryInput) throws {
    let low = try input.fixed()
    self = UInt128(try input.fixed()) << 64 | UInt128(low)
  }
}
