import Domain
import EventLog
import JSON

/// How one aggregate's events are written and read.
protocol PayloadCoding: Sendable {
  /// The stored names, one a case. A name never changes.
  associatedtype Name: RawRepresentable<String> & CaseIterable & Sendable

  static var streamKind: Identifier.Kind { get }

  /// The version that `write` produces. The one before needs an `Upcaster`.
  static func schemaVersion(_ name: Name) -> UInt16

  /// Writes the fields in their order, and says under which name.
  func write(to payload: inout PayloadWriter) -> Name

  /// Reads the fields in the order in which `write` writes them.
  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self
}

extension PayloadCoding {
  static func schemaVersion(_ name: Name) -> UInt16 { 1 }
}

/// The parts of an event that is being encoded.
struct PayloadWriter {
  let stream: Identifier
  let org: Identifier
  /// Part 0.
  var fields = JSONWriter(form: .stored)
  private var personal: Part?

  init(stream: Identifier, org: Identifier) {
    self.stream = stream
    self.org = org
    fields.beginObject()
  }

  /// Writes what is personal to `subject` into its part; nothing where it is erased.
  mutating func personal<Value>(
    _ value: Personal<Value>, of subject: Identifier, _ write: (Value, inout JSONWriter) -> Void
  ) {
    precondition(personal == nil, "an event has one personal part")
    guard let value = value.value else { return }
    var writer = JSONWriter(form: .stored)
    writer.beginObject()
    write(value, &writer)
    writer.endObject()
    personal = Part(subject: SubjectID(subject.value), payload: writer.bytes)
  }

  /// `reason`: why whoever did it says that it was done. The last field, whatever the event.
  mutating func finish(reason: String?) -> [Part] {
    fields.optional("actor_reason", reason)
    fields.endObject()
    let shared = Part(subject: nil, payload: fields.bytes)
    return personal.map { [shared, $0] } ?? [shared]
  }
}

/// The parts of an event that is being decoded.
struct PayloadReader {
  /// Part 0.
  var fields: FieldReader
  private var personal: FieldReader?

  init(_ recorded: RecordedEvent, upcasters: UpcasterChain) throws(CodecError) {
    guard case .opened(_, var shared)? = recorded.parts.first else {
      throw .missingPart(type: recorded.type)
    }
    var own: [UInt8]?
    if recorded.parts.count > 1, case .opened(_, let payload) = recorded.parts[1] { own = payload }
    try upcasters.upcast(
      &shared, personal: &own, type: recorded.type, version: recorded.schemaVersion)
    fields = try FieldReader(shared, type: recorded.type)
    if let own { personal = try FieldReader(own, type: recorded.type) }
  }

  mutating func personal<Value>(
    _ read: (inout FieldReader) throws(CodecError) -> Value
  ) throws(CodecError) -> Personal<Value> {
    guard var reader = personal else { return .erased }
    let value = try read(&reader)
    try reader.finish()
    return .known(value)
  }

  mutating func finish() throws(CodecError) {
    _ = try fields.optionalString("actor_reason")
    try fields.finish()
  }
}
