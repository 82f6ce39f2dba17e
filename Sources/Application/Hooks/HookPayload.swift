import Domain
import EventCodec
import JSON

/// What a hook was told, and what of it its mapping takes.
package struct HookPayload: Sendable {
  /// A value that its field cannot take.
  package struct Problem: Sendable, Equatable {
    package let field: String
    package let code: String
    package let message: String
  }

  private let json: JSON

  package init(_ json: JSON) { self.json = json }

  /// The fields of a form; one that comes several times is an array.
  package init(form: [(name: String, value: String)]) {
    // A form may have hundreds of thousands of them, of one name or of as many.
    var places: [String: Int] = [:]
    var fields: [(name: String, values: [JSON])] = []
    for (name, value) in form {
      if let place = places[name] {
        fields[place].values.append(.string(value))
      } else {
        places[name] = fields.count
        fields.append((name, [.string(value)]))
      }
    }
    json = .object(
      JSONObject(
        fields.map {
          (key: $0.name, value: $0.values.count == 1 ? $0.values[0] : .array($0.values))
        }
      ))
  }

  /// The value at `path`: keys and places of arrays between dots. A key with dots in it is found too.
  package func value(at path: String) -> JSON? { Self.value(at: path[...], in: json) }

  private static func value(at path: Substring, in json: JSON) -> JSON? {
    if let whole = json[String(path)] { return whole.isNull ? nil : whole }
    guard let dot = path.firstIndex(of: ".") else {
      guard let index = Int(path), let item = json[index], !item.isNull else { return nil }
      return item
    }
    let first = String(path[..<dot])
    guard let inner = json[first] ?? Int(first).flatMap({ json[$0] }) else { return nil }
    return value(at: path[path.index(after: dot)...], in: inner)
  }

  /// What the mapping finds, by field; fields without a value are not there.
  package func values(_ mapping: [HookSettings.Mapping]) -> [String: JSON] {
    var values: [String: JSON] = [:]
    for entry in mapping {
      let value =
        entry.source.hasPrefix("=")
        ? JSON.string(String(entry.source.dropFirst())) : value(at: entry.source)
      guard let value, value.string?.isBlank != true else { continue }
      values[entry.field] = value
    }
    return values
  }
}

/// A hook's command, made of the values that its mapping found.
package struct HookInput: Sendable {
  package private(set) var problems: [HookPayload.Problem] = []
  private let values: [String: JSON]

  package init(_ values: [String: JSON]) {
    self.values = values
    for field in values.keys.sorted() where values[field].map(Self.hasNUL) == true {
      // Databases keep no such text.
      fail(field, "invalid_value", "\(field) has a character NUL in it.")
    }
  }

  private static func hasNUL(_ json: JSON) -> Bool {
    switch json {
    case .string(let text): text.utf8.contains(0)
    case .array(let items): items.contains(where: hasNUL)
    case .object(let object): object.fields.contains { $0.key.utf8.contains(0) || hasNUL($0.value) }
    case .null, .bool, .int, .double: false
    }
  }

  private static let textLimit = 2_000

  private mutating func fail(_ field: String, _ code: String, _ message: String) {
    problems.append(HookPayload.Problem(field: field, code: code, message: message))
  }

  private mutating func text(_ field: String) -> String? {
    switch values[field] {
    case nil: return nil
    case .string(let text)?:
      let trimmed = text.trimmingBlanks()
      guard trimmed.utf8.count <= Self.textLimit else {
        fail(field, "too_long", "\(field) has at most \(Self.textLimit) bytes.")
        return nil
      }
      return trimmed.isEmpty ? nil : trimmed
    case .int(let number)?: return String(number)
    case .double(let number)?: return String(number)
    case .bool(let flag)?: return String(flag)
    case .null?, .array?, .object?:
      fail(field, "invalid_type", "\(field) must come from one value, not from several.")
      return nil
    }
  }

  /// Ticked, as forms and programs write it.
  private mutating func isSet(_ field: String) -> Bool {
    guard let text = text(field) else { return false }
    return ["true", "yes", "on", "1", "y", "x"].contains(text.lowercased())
  }

  private mutating func tags() -> [String] {
    switch values["tags"] {
    case nil: return []
    case .array(let items)?:
      let texts = items.compactMap(\.string)
      if texts.count < items.count { fail("tags", "invalid_type", "tags must be texts.") }
      return texts
    default:
      return (text("tags") ?? "").split(separator: ",").map { String($0).trimmingBlanks() }
        .filter { !$0.isEmpty }
    }
  }

  private mutating func custom() -> FieldValues {
    var custom = FieldValues()
    for (field, value) in values.sorted(by: { $0.key < $1.key }) where field.hasPrefix("custom.") {
      guard let own = FieldValue(json: value) else {
        fail(field, "invalid_type", "\(field) must be a text, a number or a boolean.")
        continue
      }
      if let number = value.double, number.magnitude > Double(FieldValue.numberLimit) {
        fail(field, "out_of_range", "\(field) has a number of too many digits: send it as a text.")
        continue
      }
      custom[String(field.dropFirst("custom.".count))] = own
    }
    return custom
  }

  private mutating func consents(source: String) -> [ConsentRequest] {
    let channels = Channel.allCases.filter { isSet("consent.\($0.rawValue)") }
    guard !channels.isEmpty else { return [] }
    guard let wording = text("consent_wording") else {
      fail(
        "consent_wording", "required",
        "Map the exact words that the person agreed to, or give them as =text.")
      return []
    }
    let purpose = text("consent_purpose").map { Purpose(rawValue: $0) } ?? .marketing
    guard let purpose else {
      fail(
        "consent_purpose", "invalid_value",
        "consent_purpose is one of: \(Purpose.allCases.map(\.rawValue).joined(separator: ", ")).")
      return []
    }
    let ip = text("ip")
    return channels.map {
      ConsentRequest(
        channel: $0, purpose: purpose, method: .webForm, source: source, wording: wording, ip: ip)
    }
  }

  /// The contact that the values describe.
  package mutating func contact(source: String) -> ContactRequest {
    var details = ContactDetails(
      firstName: text("first_name"), lastName: text("last_name"), company: text("company"),
      email: text("email"), phone: text("phone"), custom: custom())
    if details.firstName == nil, details.lastName == nil, let name = text("name") {
      let parts = name.split(separator: " ", maxSplits: 1).map { String($0).trimmingBlanks() }
      details.firstName = parts.first
      details.lastName = parts.count > 1 ? parts[1] : nil
    }
    let source = text("source") ?? source
    return ContactRequest(
      details: details, source: source, tags: tags(), consents: consents(source: source))
  }

  package mutating func lead(hook: Identifier, source: String) -> LeadRequest {
    let contact = contact(source: source)
    let utm = LeadOrigin.Campaign(
      source: text("utm_source"), medium: text("utm_medium"), campaign: text("utm_campaign"),
      term: text("utm_term"), content: text("utm_content"))
    return LeadRequest(
      contact: contact,
      origin: LeadOrigin(
        utm: utm, page: text("page"), referrer: text("referrer"), ip: text("ip")),
      hook: hook)
  }

  package mutating func optOut() -> (phone: String?, email: String?, channel: Channel?) {
    let (phone, email) = (text("phone"), text("email"))
    if phone == nil, email == nil {
      fail(
        "phone", "required", "The body has neither a phone nor an email where the mapping looks.")
    }
    let name = text("channel")
    let channel = name.flatMap(Channel.init(rawValue:))
    if name != nil, channel == nil {
      fail(
        "channel", "invalid_value",
        "channel is one of: \(Channel.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    return (phone, email, channel)
  }
}

/// What a hook carries out.
package enum HookCommand: Sendable {
  case lead(LeadRequest)
  case contact(ContactKey, ContactRequest, changes: [FieldChange])
  case optOut(phone: String?, email: String?, channel: Channel?)

  /// - Throws: Every problem of the body at once.
  package init(
    _ id: Identifier, _ settings: HookSettings, _ payload: HookPayload
  ) throws(HookRefusal) {
    var input = HookInput(payload.values(settings.mapping))
    switch settings.action {
    case .lead: self = .lead(input.lead(hook: id, source: settings.name))
    case .contact: self = Self.put(input.contact(source: settings.name))
    case .optOut:
      let target = input.optOut()
      self = .optOut(phone: target.phone, email: target.email, channel: target.channel)
    }
    var problems = input.problems
    if case .contact(_, let request, _) = self, request.details.phone == nil,
      request.details.email == nil
    {
      problems.append(
        HookPayload.Problem(
          field: "phone", code: "required",
          message: "The body has neither a phone nor an email where the mapping looks."))
    }
    guard problems.isEmpty else { throw HookRefusal(problems: problems) }
  }

  /// A no: the same words may follow a new yes, and one that is known already changes nothing. And how somebody is by
  /// now: gold, silver and gold again. A yes is not: told again it would lift a no that was said since.
  package var mayBeSaidAgain: Bool {
    switch self {
    case .lead: false
    case .contact(_, let request, _): request.consents.isEmpty
    case .optOut: true
    }
  }

  private static func put(_ request: ContactRequest) -> HookCommand {
    let key: ContactKey =
      request.details.email.map { .email($0) } ?? .phone(request.details.phone ?? "")
    let changes = request.details.fields.map { FieldChange(field: $0.field, value: $0.value) }
    return .contact(key, request, changes: changes)
  }

  /// Returns the contact that it was about, where there is one.
  package func carryOut(
    in workspace: inout Workspace
  ) throws(CommandError) -> Identifier? {
    switch self {
    case .lead(let request): return try workspace.captureLead(request)
    case .contact(let key, let request, let changes):
      return try workspace.putContact(key, request, changes: changes)
    case .optOut(let phone, let email, let channel):
      try workspace.optOut(phone: phone, email: email, channel: channel)
      return nil
    }
  }
}

/// A body that a hook cannot make its command of.
package struct HookRefusal: Error, Sendable, Equatable {
  package let problems: [HookPayload.Problem]
}
