/// What takes the fields of an object in their order: a writer of bytes, or a tree. What goes out both ways is said
/// once.
package protocol JSONFields {
  mutating func field(_ name: String, _ value: String)
  mutating func field(_ name: String, _ value: Int64)
  mutating func field(_ name: String, _ value: Bool)
  mutating func field(_ name: String, _ value: JSON)
  mutating func field(_ name: String, _ values: [String])
  /// A field whose value is the object that `write` fills.
  mutating func object(_ name: String, _ write: (inout Self) -> Void)
}

extension JSONFields {
  /// `null` for nil.
  package mutating func field(_ name: String, orNull value: String?) {
    if let value { field(name, value) } else { field(name, JSON.null) }
  }
}

extension JSONWriter: JSONFields {
  package mutating func field(_ name: String, _ values: [String]) {
    key(name)
    beginArray()
    for value in values { string(value) }
    endArray()
  }

  package mutating func object(_ name: String, _ write: (inout JSONWriter) -> Void) {
    key(name)
    beginObject()
    write(&self)
    endObject()
  }
}

extension JSONObject: JSONFields {
  package mutating func field(_ name: String, _ value: String) { field(name, .string(value)) }
  package mutating func field(_ name: String, _ value: Int64) { field(name, .int(value)) }
  package mutating func field(_ name: String, _ value: Bool) { field(name, .bool(value)) }
  package mutating func field(_ name: String, _ value: JSON) { fields.append((name, value)) }

  package mutating func field(_ name: String, _ values: [String]) {
    field(name, .array(values.map(JSON.string)))
  }

  package mutating func object(_ name: String, _ write: (inout JSONObject) -> Void) {
    var object = JSONObject()
    write(&object)
    field(name, .object(object))
  }
}
