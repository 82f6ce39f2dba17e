import Application
import Domain
import HTTP
import JSON

/// What a command refuses in a value of the right shape: an email that is none, a consent without an address.
///
/// Commands look at such things themselves and end at the first fault. A rule says the same of the body alone, by the
/// same checks. It is asked once a request was refused: its caller hears of every fault at once, and a sound request
/// is looked at once.
package struct SchemaRule: Sendable {
  /// The codes that its faults have: the document names them.
  let codes: [String]
  /// Each fault at its path below the value; an empty path is the value itself.
  let faults: @Sendable (JSON, RuleContext) -> [APIError.Detail]
  /// What the document says of it, as far as JSON Schema can.
  let statements: [Schema.Statement]

  init(
    codes: [String], states statement: Schema.Statement? = nil,
    faults: @escaping @Sendable (JSON, RuleContext) -> [APIError.Detail]
  ) {
    self.codes = codes
    self.faults = faults
    statements = [statement].compactMap(\.self)
  }

  /// Of a text: what `check` throws.
  static func text(
    refuses codes: [String], pattern: String? = nil,
    _ check: @escaping @Sendable (String, RuleContext) throws(CommandError) -> Void
  ) -> SchemaRule {
    let statement = pattern.map { regex -> Schema.Statement in
      { ["pattern": .string(regex)] }
    }
    return SchemaRule(codes: codes, states: statement) { value, context in
      guard let text = value.string else { return [] }
      do throws(CommandError) {
        try check(text, context)
        return []
      } catch {
        return APIError(error).details.map { detail in
          APIError.Detail(param: "", code: detail.code, message: detail.message)
        }
      }
    }
  }

  /// Of a text: `refusal` where it is blank.
  static func notBlank(_ refusal: CommandError) -> SchemaRule {
    text(refuses: APIError(refusal).details.map(\.code), pattern: TextPattern.notBlank) {
      text, _ throws(CommandError) in
      if text.isBlank { throw refusal }
    }
  }

  /// Of an object: what is wrong with its fields together. Some may be missing or of another type.
  static func object(
    refuses codes: [String], states statement: Schema.Statement? = nil,
    _ faults: @escaping @Sendable (JSONObject, RuleContext) -> [CommandError]
  ) -> SchemaRule {
    SchemaRule(codes: codes, states: statement) { value, context in
      guard let object = value.object else { return [] }
      return faults(object, context).flatMap { APIError($0).details }
    }
  }
}

/// What rules know beside the value.
final class RuleContext: Sendable {
  let tools: Tools
  /// The account's own time.
  let nowMicros: Micros

  init(tools: Tools, nowMicros: Micros) {
    self.tools = tools
    self.nowMicros = nowMicros
  }
}

// MARK: - Rules of many

extension SchemaRule {
  /// `isBlankNone`: a blank text says that there is no address.
  static func email(isBlankNone: Bool) -> SchemaRule {
    let pattern = isBlankNone ? TextPattern.emailOrBlank : TextPattern.email
    return text(refuses: ["invalid_email"], pattern: pattern) { text, _ throws(CommandError) in
      if isBlankNone, text.isBlank { return }
      _ = try ContactAddresses.email(text)
    }
  }

  /// As people write it; `isBlankNone` as for an email.
  static func phone(isBlankNone: Bool) -> SchemaRule {
    text(refuses: ["invalid_phone"]) { text, context throws(CommandError) in
      if isBlankNone, text.isBlank { return }
      _ = try ContactAddresses.e164(text, context.tools.numbers)
    }
  }

  static let timeZone = text(refuses: ["unknown_time_zone"]) { text, context throws(CommandError) in
    try Workspace.check(timeZone: text, context.tools)
  }
}

// MARK: - Asking them

extension Schema {
  /// What is wrong with the shape of `value`, and, where that says nothing of a place, what the rules have against it.
  func problems(in value: JSON, asking context: RuleContext) -> [APIError.Detail] {
    var found = problems(in: value, at: "")
    ask(value, at: "", context, &found)
    return found
  }

  private func ask(
    _ value: JSON, at path: String, _ context: RuleContext, _ found: inout [APIError.Detail]
  ) {
    switch shape {
    case .object(let properties, let others):
      for (key, part) in value.object?.fields ?? [] {
        let place = path.isEmpty ? key : path + "." + key
        if let property = properties.first(where: { $0.name == key }) {
          property.schema.ask(part, at: place, context, &found)
        } else if case .each(let schema) = others {
          schema.ask(part, at: place, context, &found)
        }
      }
    case .array(let item, _):
      for (index, element) in (value.array ?? []).enumerated() {
        item.ask(element, at: "\(path)[\(index)]", context, &found)
      }
    case .anything, .boolean, .integer, .number, .text, .either: break
    }
    for rule in rules {
      for fault in rule.faults(value, context) {
        found.adopt(fault.below(path))
      }
    }
  }
}

extension APIError.Detail {
  fileprivate func below(_ path: String) -> APIError.Detail {
    guard !path.isEmpty else { return self }
    var detail = self
    let isJoined = param.isEmpty || param.hasPrefix("[")
    detail.param = isJoined ? path + param : path + "." + param
    return detail
  }

  /// Whether it is about the field at `path` or a part of it.
  fileprivate func isAbout(_ path: String) -> Bool {
    guard param.hasPrefix(path) else { return false }
    guard let next = param.utf8.dropFirst(path.utf8.count).first else { return true }
    return next == UInt8(ascii: ".") || next == UInt8(ascii: "[")
  }
}

extension [APIError.Detail] {
  /// Adds what is wrong with a field, unless that or a part of it is known to be wrong: one fault is enough.
  mutating func adopt(_ detail: APIError.Detail) {
    guard count < APIError.detailLimit else { return }
    if !contains(where: { $0.isAbout(detail.param) }) { append(detail) }
  }
}

// MARK: - A request that was refused

extension Exchange {
  /// The refusal with everything else that is wrong with the body, where it is about fields: one answer names them all,
  /// whoever found the first of them.
  func completed(_ error: APIError) -> APIError {
    guard error.isAboutFields, let body = operation.body, let schema = body.jsonSchema,
      request.mediaType ?? body.contents[0].mediaType == "application/json",
      let value = try? JSON(parsing: request.body), value.object != nil
    else { return error }
    let nowMicros = knownCaller == nil ? engine.tools.clock.nowMicros() : nowMicros
    var found = schema.problems(
      in: value, asking: RuleContext(tools: engine.tools, nowMicros: nowMicros))
    for detail in error.details { found.adopt(detail) }
    return .invalid(found)
  }
}

extension APIError {
  fileprivate var isAboutFields: Bool {
    status == 400 && type == "invalid_request" && !details.isEmpty && code == details[0].code
  }
}
