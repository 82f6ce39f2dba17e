import Domain
import EventCodec
import JSON
import YAML

/// Why a document is not a workflow: what is wrong and where.
package struct WorkflowDocumentError: Error, Equatable, CustomStringConvertible {
  package let message: String
  /// From 1.
  package let line: Int
  package let column: Int

  package var code: String { "invalid_workflow" }
  package var isRetryable: Bool { false }
  package var description: String { "\(code): \(message), line \(line), column \(column)" }

  init(_ message: String, at place: YAMLPosition) {
    self.message = message
    line = place.line
    column = place.column
  }
}

/// Reads a workflow as people write it. Branches nest in the document; the definition is flat: every step
/// has an id, and names the step after it. Steps without an `id` of their own get one from their place:
/// `step-2`, and in its branches `step-2-then-1`, `step-2-else-1`.
package struct WorkflowDocument {
  static let depthLimit = 10
  static let stepLimit = 200

  private var steps: [WorkflowStep] = []
  private var ids: Set<String> = []

  /// The definition that `source` describes: YAML, or JSON, which is YAML too.
  package static func definition(
    of source: String
  ) throws(WorkflowDocumentError) -> WorkflowDefinition {
    let root: YAMLNode
    do throws(YAMLError) {
      root = try YAMLNode(parsing: source)
    } catch {
      throw WorkflowDocumentError(error.message, at: error.position)
    }
    return try definition(root)
  }

  private static func definition(_ root: YAMLNode) throws(WorkflowDocumentError)
    -> WorkflowDefinition
  {
    try root.allow(["name", "trigger", "steps"])
    let name = try root.required("name").nonBlankText("the name")
    let trigger = try trigger(root.required("trigger"))
    var document = WorkflowDocument()
    let steps = try root.required("steps").nonEmptyList("steps")
    try document.read(steps, named: "step-", next: nil, depth: 1)
    return WorkflowDefinition(name: name, trigger: trigger, steps: document.steps)
  }

  // MARK: - Trigger

  private static func trigger(
    _ node: YAMLNode
  ) throws(WorkflowDocumentError) -> WorkflowDefinition.Trigger {
    if let word = node.text { return try trigger(word, true, at: node.position) }
    guard let fields = node.mapping, let field = fields.first, fields.count == 1 else {
      throw WorkflowDocumentError("a trigger is one of \(triggerNames)", at: node.position)
    }
    if field.key == "tag_added" { return .tagAdded(try field.value.nonBlankText("the tag")) }
    return try trigger(field.key, field.value.json, at: field.keyPosition)
  }

  private static func trigger(
    _ word: String, _ value: JSON, at place: YAMLPosition
  ) throws(WorkflowDocumentError) -> WorkflowDefinition.Trigger {
    guard value == true || value == .null else {
      throw WorkflowDocumentError("\(word) takes no value but true", at: place)
    }
    switch word {
    case "contact_created": return .contactCreated
    case "message_received": return .messageReceived
    case "manual": return .manual
    case "tag_added": throw WorkflowDocumentError("tag_added needs a tag", at: place)
    default: throw WorkflowDocumentError("a trigger is one of \(triggerNames)", at: place)
    }
  }

  private static let triggerNames = "tag_added, contact_created, message_received, manual"

  // MARK: - Steps

  /// Appends `nodes` and all that is inside them. Returns the id of the first; `next` is where the last
  /// one goes on.
  @discardableResult
  private mutating func read(
    _ nodes: [YAMLNode], named prefix: String, next: String?, depth: Int
  ) throws(WorkflowDocumentError) -> String? {
    guard depth <= Self.depthLimit else {
      throw WorkflowDocumentError(
        "branches nest more than \(Self.depthLimit) deep", at: nodes[0].position)
    }
    var names: [String] = []
    for (index, node) in nodes.enumerated() {
      names.append(try name(of: node, generated: prefix + String(index + 1)))
    }
    for (index, node) in nodes.enumerated() {
      let following = index + 1 < names.count ? names[index + 1] : next
      try read(node, id: names[index], next: following, depth: depth)
    }
    return names.first
  }

  private mutating func name(
    of node: YAMLNode, generated: String
  ) throws(WorkflowDocumentError) -> String {
    let own = node["id"]
    let name = try own?.nonBlankText("an id") ?? generated
    guard ids.insert(name).inserted else {
      throw WorkflowDocumentError(
        "another step has the id \(name)", at: own?.position ?? node.position)
    }
    return name
  }

  private mutating func read(
    _ node: YAMLNode, id: String, next: String?, depth: Int
  ) throws(WorkflowDocumentError) {
    guard steps.count < Self.stepLimit else {
      throw WorkflowDocumentError("more than \(Self.stepLimit) steps", at: node.position)
    }
    guard let fields = node.mapping else {
      throw WorkflowDocumentError("a step is one of \(Self.stepNames)", at: node.position)
    }
    if node["if"] != nil {
      try node.allow(["id", "if", "then", "else"])
      return try readBranch(node, id: id, next: next, depth: depth)
    }
    guard let action = fields.first(where: { $0.key != "id" }) else {
      throw WorkflowDocumentError("a step is one of \(Self.stepNames)", at: node.position)
    }
    let read = try Self.action(action)
    try node.allow(["id", action.key])
    steps.append(WorkflowStep(id: id, action: read, next: next))
  }

  private mutating func readBranch(
    _ node: YAMLNode, id: String, next: String?, depth: Int
  ) throws(WorkflowDocumentError) {
    let condition = try Self.condition(node.required("if"))
    let place = steps.count
    // Keeps its place before its branches; what they are called is known after them.
    steps.append(
      WorkflowStep(id: id, action: .branch(condition, then: nil, otherwise: nil), next: next))
    let then = try node.required("then").nonEmptyList("then")
    let first = try read(then, named: id + "-then-", next: next, depth: depth + 1)
    var other: String?
    if let node = node["else"] {
      other = try read(
        node.nonEmptyList("else"), named: id + "-else-", next: next, depth: depth + 1)
    }
    steps[place] = WorkflowStep(
      id: id, action: .branch(condition, then: first, otherwise: other), next: next)
  }

  // MARK: - Actions

  private static let stepNames = "send_sms, send_email, call, wait, if, add_tag, remove_tag"

  private static func action(
    _ field: YAMLNode.Entry
  ) throws(WorkflowDocumentError) -> WorkflowStep.Action {
    switch field.key {
    case "send_sms": return try sendSMS(field.value)
    case "send_email": return .send(try email(field.value))
    case "call": return .send(try call(field.value))
    case "wait": return .wait(durationMicros: try duration(field.value))
    case "add_tag": return .addTag(try field.value.nonBlankText("the tag"))
    case "remove_tag": return .removeTag(try field.value.nonBlankText("the tag"))
    case "then", "else":
      throw WorkflowDocumentError("\(field.key) needs an if", at: field.keyPosition)
    default:
      throw WorkflowDocumentError(
        "\(field.key) is not known: a step is one of \(stepNames)", at: field.keyPosition)
    }
  }

  private static func sendSMS(
    _ node: YAMLNode
  ) throws(WorkflowDocumentError) -> WorkflowStep.Action {
    guard node.mapping != nil else {
      return .sendSMS(body: try body(node), purpose: .marketing)
    }
    try node.allow(["body", "purpose", "template"])
    let purpose = try purpose(node)
    if let template = try template(node) {
      return .send(StepMessage(channel: .sms, purpose: purpose, body: "", template: template))
    }
    return .sendSMS(body: try body(node.required("body")), purpose: purpose)
  }

  private static func email(_ node: YAMLNode) throws(WorkflowDocumentError) -> StepMessage {
    try node.allow(["subject", "body", "html", "purpose", "template"])
    let purpose = try purpose(node)
    if let template = try template(node) {
      return StepMessage(channel: .email, purpose: purpose, body: "", template: template)
    }
    return StepMessage(
      channel: .email, purpose: purpose, body: try body(node.required("body")),
      subject: try body(node.required("subject")), html: try optionalBody(node["html"]))
  }

  private static func call(_ node: YAMLNode) throws(WorkflowDocumentError) -> StepMessage {
    try node.allow(["body", "voicemail", "max_minutes", "purpose", "template"])
    var message = StepMessage(channel: .voice, purpose: try purpose(node), body: "")
    message.template = try template(node)
    if message.template == nil {
      message.body = try body(node.required("body"))
      message.voicemail = try optionalBody(node["voicemail"])
    }
    guard let minutes = node["max_minutes"] else { return message }
    let limits = 1...VoicePlan.minutesLimit
    guard let count = minutes.text.flatMap({ Int($0) }), limits.contains(count) else {
      throw WorkflowDocumentError(
        "max_minutes is a whole number from 1 to \(VoicePlan.minutesLimit)", at: minutes.position)
    }
    message.maxMinutes = count
    return message
  }

  private static func purpose(_ node: YAMLNode) throws(WorkflowDocumentError) -> Purpose {
    guard let given = node["purpose"] else { return .marketing }
    guard let purpose = given.text.flatMap(Purpose.init) else {
      throw WorkflowDocumentError("a purpose is marketing or transactional", at: given.position)
    }
    return purpose
  }

  /// In place of words of the step's own: whatever the template says when the step is reached.
  private static func template(_ node: YAMLNode) throws(WorkflowDocumentError) -> Identifier? {
    guard let given = node["template"] else { return nil }
    guard let id = given.text.flatMap({ Identifier($0, kind: .template) }) else {
      throw WorkflowDocumentError("a template is named by its id: tpl_…", at: given.position)
    }
    let words = ["body", "subject", "html", "voicemail"].compactMap { node[$0] }.first
    if let words {
      throw WorkflowDocumentError("a step has words of its own or a template", at: words.position)
    }
    return id
  }

  private static func optionalBody(_ node: YAMLNode?) throws(WorkflowDocumentError) -> String? {
    guard let node else { return nil }
    return try body(node)
  }

  private static func body(_ node: YAMLNode) throws(WorkflowDocumentError) -> String {
    let body = try node.nonBlankText("the text")
    do throws(MergeFieldError) {
      _ = try MergeFields.fields(of: body)
    } catch {
      throw WorkflowDocumentError(error.description, at: node.position)
    }
    return body
  }

  private static func condition(
    _ node: YAMLNode
  ) throws(WorkflowDocumentError) -> WorkflowStep.Condition {
    guard let text = node.text else {
      do throws(FilterError) {
        return .contact(try FilterGrammar.parse(node.json))
      } catch {
        throw WorkflowDocumentError(error.description, at: node.position(at: error.path))
      }
    }
    switch text.split(separator: " ").joined(separator: " ") {
    case "replied": return .replied
    case "not replied": return .not(.replied)
    default:
      throw WorkflowDocumentError(
        "a condition is replied, not replied or a filter", at: node.position)
    }
  }
}

// MARK: - Durations

extension WorkflowDocument {
  /// A year: what is further away should be a trigger of its own.
  static let durationLimitMicros: Int64 = 366 * 86_400_000_000

  /// `1 day`, `90 minutes`, `2 hours 30 minutes`, `1 week and 2 days`.
  private static func duration(_ node: YAMLNode) throws(WorkflowDocumentError) -> Int64 {
    let words = (node.text ?? "").split(whereSeparator: { " ,".contains($0) }).filter {
      $0 != "and"
    }
    var micros: Int64 = 0
    guard !words.isEmpty, words.count.isMultiple(of: 2) else { throw wrongDuration(node) }
    for index in stride(from: 0, to: words.count, by: 2) {
      guard let count = Int64(words[index]), (1...1_000_000_000).contains(count),
        let unit = unitMicros(words[index + 1])
      else { throw wrongDuration(node) }
      let (product, isTooLong) = count.multipliedReportingOverflow(by: unit)
      guard !isTooLong, product <= durationLimitMicros - micros else {
        throw WorkflowDocumentError("a wait is a year at most", at: node.position)
      }
      micros += product
    }
    return micros
  }

  private static func unitMicros(_ word: Substring) -> Int64? {
    switch word {
    case "second", "seconds": 1_000_000
    case "minute", "minutes": 60_000_000
    case "hour", "hours": 3_600_000_000
    case "day", "days": 86_400_000_000
    case "week", "weeks": 7 * 86_400_000_000
    default: nil
    }
  }

  private static func wrongDuration(_ node: YAMLNode) -> WorkflowDocumentError {
    WorkflowDocumentError(
      "a wait is a number with seconds, minutes, hours, days or weeks, such as 2 hours 30 minutes",
      at: node.position)
  }
}

// MARK: - Nodes

extension YAMLNode {
  fileprivate func required(_ name: String) throws(WorkflowDocumentError) -> YAMLNode {
    guard let node = self[name] else {
      throw WorkflowDocumentError("\(name) is missing", at: position)
    }
    return node
  }

  /// Makes sure that there is a map with no other names.
  fileprivate func allow(_ names: Set<String>) throws(WorkflowDocumentError) {
    guard let mapping else {
      throw WorkflowDocumentError(
        "must have \(names.sorted().joined(separator: ", "))", at: position)
    }
    for field in mapping where !names.contains(field.key) {
      throw WorkflowDocumentError("\(field.key) is not known here", at: field.keyPosition)
    }
  }

  fileprivate func nonBlankText(_ what: String) throws(WorkflowDocumentError) -> String {
    guard let text, !text.isBlank, !isNull else {
      throw WorkflowDocumentError("\(what) must be a text", at: position)
    }
    return text
  }

  fileprivate func nonEmptyList(_ what: String) throws(WorkflowDocumentError) -> [YAMLNode] {
    guard let sequence, !sequence.isEmpty else {
      throw WorkflowDocumentError("\(what) must be a list with at least one step", at: position)
    }
    return sequence
  }

  /// The place of the node at a path such as `all[1].not.op`, or of the last node on the way.
  fileprivate func position(at path: String) -> YAMLPosition {
    var node = self
    for step in path.split(whereSeparator: { ".[]".contains($0) }) {
      guard let next = Int(step).flatMap({ node[$0] }) ?? node[String(step)] else { break }
      node = next
    }
    return node.position
  }
}
