// The only file that calls libyaml. Its parser gives events one by one; they are copied into Swift
// values at once, so no pointer leaves this file. Source of the rules: yaml.h of libyaml 0.2.5.

internal import CYAML

/// One event of the text, with the place where it starts.
struct YAMLEvent {
  enum Kind {
    case documentStart
    case end
    case scalar(text: [UInt8], isPlain: Bool, tag: String?)
    case sequenceStart(tag: String?)
    case sequenceEnd
    case mappingStart(tag: String?)
    case mappingEnd
    case alias
    /// The start and end of the stream, the end of a document: nothing that a tree holds.
    case other
  }

  let kind: Kind
  let hasAnchor: Bool
  let position: YAMLPosition
}

/// Reads the events of one text.
@safe
struct YAMLEventReader: ~Copyable {
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let input: UnsafeMutableBufferPointer<UInt8>

  init(_ bytes: [UInt8]) {
    // The parser keeps a pointer to the text, and its own address must not change.
    unsafe parser = .allocate(capacity: 1)
    unsafe input = .allocate(capacity: max(1, bytes.count))
    _ = unsafe input.initialize(from: bytes)
    let code = unsafe yaml_parser_initialize(parser)
    precondition(code == 1, "no memory for a YAML parser")
    unsafe yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
  }

  deinit {
    unsafe yaml_parser_delete(parser)
    unsafe parser.deallocate()
    unsafe input.deallocate()
  }

  /// The next event. The one after `end` is `other` for ever.
  mutating func next() throws(YAMLError) -> YAMLEvent {
    var event = unsafe yaml_event_t()
    guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw failure() }
    defer { unsafe yaml_event_delete(&event) }
    let mark = unsafe event.start_mark
    let position = YAMLPosition(line: mark.line + 1, column: mark.column + 1)
    let (kind, hasAnchor) = unsafe content(of: event)
    return YAMLEvent(kind: kind, hasAnchor: hasAnchor, position: position)
  }

  @unsafe
  private func content(of event: yaml_event_t) -> (YAMLEvent.Kind, hasAnchor: Bool) {
    switch unsafe event.type {
    case YAML_DOCUMENT_START_EVENT: return (.documentStart, false)
    case YAML_STREAM_END_EVENT: return (.end, false)
    case YAML_SEQUENCE_END_EVENT: return (.sequenceEnd, false)
    case YAML_MAPPING_END_EVENT: return (.mappingEnd, false)
    case YAML_ALIAS_EVENT: return (.alias, false)
    case YAML_SEQUENCE_START_EVENT:
      let start = unsafe event.data.sequence_start
      return unsafe (.sequenceStart(tag: text(start.tag)), start.anchor != nil)
    case YAML_MAPPING_START_EVENT:
      let start = unsafe event.data.mapping_start
      return unsafe (.mappingStart(tag: text(start.tag)), start.anchor != nil)
    case YAML_SCALAR_EVENT:
      let scalar = unsafe event.data.scalar
      let bytes = unsafe [UInt8](UnsafeBufferPointer(start: scalar.value, count: scalar.length))
      let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
      let kind = unsafe YAMLEvent.Kind.scalar(
        text: bytes, isPlain: isPlain, tag: text(scalar.tag))
      return unsafe (kind, scalar.anchor != nil)
    default: return (.other, false)
    }
  }

  private func failure() -> YAMLError {
    let mark = unsafe parser.pointee.problem_mark
    let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) }
    let context = unsafe parser.pointee.context.map { unsafe String(cString: $0) }
    let reason = [problem, context].compactMap { $0 }.joined(separator: " ")
    return YAMLError(
      kind: .syntax(reason.isEmpty ? "the text cannot be read" : reason),
      position: YAMLPosition(line: mark.line + 1, column: mark.column + 1))
  }
}

@unsafe
private func text(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String? {
  unsafe bytes.map { unsafe String(cString: $0) }
}
