import Domain

extension Workspace {
  package mutating func createTemplate(
    name: String, channel: Channel, _ content: TemplateContent
  ) throws(CommandError) -> Identifier {
    let id = newID(.template)
    try run(
      Template.self, id, .create(name: name, channel: channel, content), isNew: true)
    return id
  }

  package mutating func reviseTemplate(
    _ id: Identifier, name: String, _ content: TemplateContent
  ) throws(CommandError) {
    guard try current(Template.self, id).exists else { throw .notFound(id) }
    try run(Template.self, id, .revise(name: name, content))
  }

  package mutating func restoreTemplate(_ id: Identifier) throws(CommandError) {
    try run(Template.self, id, .restore)
  }

  package mutating func archiveTemplate(_ id: Identifier) throws(CommandError) {
    guard try current(Template.self, id).exists else { throw .notFound(id) }
    try run(Template.self, id, .archive)
  }

  /// The org's templates, newest first.
  package var templates: [Identifier] { state.tables.templates.keys.sorted(by: >) }

  /// The request with what its template says; version 0 stands for the latest.
  func resolved(_ request: MessageRequest) throws(CommandError) -> MessageRequest {
    guard let use = request.template else { return request }
    let template = try current(Template.self, use.id)
    guard template.exists else { throw .notFound(use.id) }
    // A campaign that began with a version goes on with it.
    guard use.version != 0 || !template.isArchived else { throw .template(.archived) }
    let version = use.version == 0 ? template.versions.count : use.version
    guard let content = template.content(ofVersion: version) else { throw .notFound(use.id) }
    guard template.channel == request.channel else { throw Self.otherChannel(field: "template") }
    var resolved = request
    resolved.body = content.body
    resolved.subject = content.subject
    resolved.html = content.html
    resolved.voicemail = content.voicemail
    resolved.template = TemplateUse(id: use.id, version: version)
    return resolved
  }

  static func otherChannel(field: String) -> CommandError {
    .invalid(
      field: field, code: "other_channel",
      message: "The template is for another channel than the message.")
  }

  /// The merge fields of `content` that have neither a value for this person nor a fallback.
  package func missingFields(
    of content: TemplateContent, for contact: Identifier
  ) throws(CommandError) -> [String] {
    let details = try self.contact(contact).details
    var missing: [String] = []
    for (field, text) in content.texts {
      do {
        for name in try MergeFields.missing(in: text, for: details) where !missing.contains(name) {
          missing.append(name)
        }
      } catch {
        throw .invalid(field: field, code: error.code, message: "\(error)")
      }
    }
    return missing
  }
}
