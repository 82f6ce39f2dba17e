/// The header fields of a message, in order. Names compare without case; a name may repeat.
package struct HTTPHeaders: Sendable, Equatable {
  package struct Field: Sendable, Equatable {
    package let name: String
    package let value: String

    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  package private(set) var fields: [Field] = []

  package init() {}

  package init(_ fields: [Field]) { self.fields = fields }

  /// Empty, with room for `count` fields.
  init(capacity count: Int) { fields.reserveCapacity(count) }

  /// The first value under `name`. Setting replaces all of them; nil removes them.
  package subscript(name: String) -> String? {
    get { place(of: name).map { fields[$0].value } }
    set {
      if let newValue { set(name, newValue) } else { remove(name) }
    }
  }

  /// The value under `name` where there is one field of that name, and no other.
  package func only(_ name: String) -> String? {
    guard let place = place(of: name), self.place(of: name, from: place + 1) == nil else {
      return nil
    }
    return fields[place].value
  }

  /// Every value under `name`, in order.
  package func values(_ name: String) -> [String] {
    fields.filter { Self.equal($0.name, name) }.map(\.value)
  }

  /// Adds a field after all others, also where the name is there already.
  package mutating func add(_ name: String, _ value: String) {
    fields.append(Field(name: name, value: value))
  }

  /// Makes `value` the only one under `name`, at the place of the first.
  package mutating func set(_ name: String, _ value: String) {
    let field = Field(name: name, value: value)
    guard let place = place(of: name) else {
      fields.append(field)
      return
    }
    fields[place] = field
    while let other = self.place(of: name, from: place + 1) { fields.remove(at: other) }
  }

  package mutating func remove(_ name: String) {
    fields.removeAll { Self.equal($0.name, name) }
  }

  private func place(of name: String, from start: Int = 0) -> Int? {
    let fields = fields.span
    let byteCount = name.utf8.count
    // Most names that are looked at differ in their length already.
    for index in start..<fields.count
    where fields[index].name.utf8.count == byteCount && Self.equalBytes(fields[index].name, name) {
      return index
    }
    return nil
  }

  /// Whether `a` and `b` are the same field name: equal but for the case of ASCII letters.
  @inline(__always)
  package static func equal(_ a: String, _ b: String) -> Bool {
    a.utf8.count == b.utf8.count && equalBytes(a, b)
  }

  private static func equalBytes(_ a: String, _ b: String) -> Bool {
    let (left, right) = (a.utf8Span.span, b.utf8Span.span)
    for index in left.indices {
      let (one, other) = (left[index], right[index])
      guard one == other || ASCII.lowercased(one) == ASCII.lowercased(other) else { return false }
    }
    return true
  }
}

extension HTTPHeaders: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral elements: (String, String)...) {
    // A response gets some more on its way out.
    fields.reserveCapacity(elements.count + 12)
    for (name, value) in elements { add(name, value) }
  }
}

extension HTTPHeaders: Sequence {
  package func makeIterator() -> IndexingIterator<[Field]> { fields.makeIterator() }
}

extension HTTPHeaders.Field {
  /// Whether the field can be written without breaking the framing of a message.
  /// Source: RFC 9110, sections 5.1 and 5.5.
  var isWellFormed: Bool { ASCII.isToken(name) && ASCII.isPlain(value) }

  /// As it is sent: `name: value` and the end of the line.
  var byteCount: Int { name.utf8.count + value.utf8.count + 4 }
}
