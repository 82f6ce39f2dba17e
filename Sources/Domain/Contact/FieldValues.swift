/// The fields that an org defined, of one person, by name: a dictionary that is a sorted array. People have few
/// of them, and there are many people: one allocation, no empty slots.
package struct FieldValues: Sendable, Equatable, Codable {
  package struct Field: Sendable, Equatable, Codable {
    package let name: String
    package let value: FieldValue
  }

  /// By name, each once.
  package private(set) var fields: [Field] = []

  package init() {}

  package init(_ values: [String: FieldValue]) {
    fields = values.map { Field(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
  }

  package var isEmpty: Bool { fields.isEmpty }

  /// O(log n) to read.
  package subscript(name: String) -> FieldValue? {
    get {
      let index = index(of: name)
      return index < fields.count && fields[index].name == name ? fields[index].value : nil
    }
    set {
      let index = index(of: name)
      let isThere = index < fields.count && fields[index].name == name
      switch (newValue, isThere) {
      case (let value?, true): fields[index] = Field(name: name, value: value)
      case (let value?, false): fields.insert(Field(name: name, value: value), at: index)
      case (nil, true): fields.remove(at: index)
      case (nil, false): break
      }
    }
  }

  /// Of the first field whose name is not below `name`.
  private func index(of name: String) -> Int {
    var low = 0
    var high = fields.count
    while low < high {
      let middle = (low + high) / 2
      if fields[middle].name < name { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension FieldValues: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral elements: (String, FieldValue)...) {
    for (name, value) in elements { self[name] = value }
  }
}
