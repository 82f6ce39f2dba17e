import Domain
import JSON

extension Template.Event: PayloadCoding {
  enum Name: String, CaseIterable {
    case created = "template.created"
    case revised = "template.revised"
    case archived = "template.archived"
    case restored = "template.restored"
  }

  static var streamKind: Identifier.Kind { .template }

  func write(to payload: inout PayloadWriter) -> Name {
    switch self {
    case .created(let name, let channel, let content):
      payload.fields.field("name", name)
      payload.fields.field("channel", channel)
      content.write(to: &payload.fields)
      return .created
    case .revised(let version, let name, let content):
      payload.fields.field("version", version)
      payload.fields.field("name", name)
      content.write(to: &payload.fields)
      return .revised
    case .archived:
      return .archived
    case .restored:
      return .restored
    }
  }

  static func read(_ name: Name, from payload: inout PayloadReader) throws(CodecError) -> Self {
    switch name {
    case .created:
      .created(
        name: try payload.fields.string("name"), channel: try payload.fields.word("channel"),
        content: try TemplateContent.read(from: &payload.fields))
    case .revised:
      .revised(
        version: try payload.fields.int("version"), name: try payload.fields.string("name"),
        content: try TemplateContent.read(from: &payload.fields))
    case .archived: .archived
    case .restored: .restored
    }
  }
}

extension TemplateContent {
  fileprivate func write(to fields: inout JSONWriter) {
    fields.field("body", body)
    fields.optional("subject", subject)
    fields.optional("html", html)
    fields.optional("voicemail", voicemail)
  }

  fileprivate static func read(from fields: inout FieldReader) throws(CodecError) -> Self {
    TemplateContent(
      body: try fields.string("body"), subject: try fields.optionalString("subject"),
      html: try fields.optionalString("html"), voicemail: try fields.optionalString("voicemail"))
  }
}
