/// A text that is written once and used often. Stream: the template's id.
///
/// Invariants: versions count from 1 without gaps and never change; the channel stays.
package enum Template: Decider {
  package enum Command: Sendable, Equatable {
    case create(name: String, channel: Channel, TemplateContent)
    case revise(name: String, TemplateContent)
    case archive
    case restore
  }

  package enum Event: Sendable, Equatable {
    case created(name: String, channel: Channel, content: TemplateContent)
    case revised(version: Int, name: String, content: TemplateContent)
    case archived
    case restored
  }

  package struct State: Sendable, Equatable, Codable {
    package var channel: Channel?
    package var name = ""
    package var isArchived = false
    /// The first is version 1.
    package var versions: [TemplateContent] = []

    package init() {}

    package var exists: Bool { channel != nil }

    /// nil where there is no such version; the latest where none is named.
    package func content(ofVersion version: Int? = nil) -> TemplateContent? {
      let version = version ?? versions.count
      return versions.indices.contains(version - 1) ? versions[version - 1] : nil
    }
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case archived
    case emptyName
    case emptyBody
    case emptySubject
    /// A field that templates of this channel do not have.
    case unsupportedField(String)
    case malformed(field: String, reason: String)
  }

  package static let initialState = State()
}

/// What a template says, with merge fields such as `{{first_name|there}}`.
package struct TemplateContent: Sendable, Equatable, Codable {
  package var body: String
  /// Of emails alone.
  package var subject: String?
  /// Of emails alone.
  package var html: String?
  /// Of calls alone: what is left on an answering machine.
  package var voicemail: String?

  package init(
    body: String, subject: String? = nil, html: String? = nil, voicemail: String? = nil
  ) {
    self.body = body
    self.subject = subject
    self.html = html
    self.voicemail = voicemail
  }

  /// Each text with the name of its field.
  package var texts: [(field: String, text: String)] {
    [("body", body), ("subject", subject), ("html", html), ("voicemail", voicemail)]
      .compactMap { field, text in text.map { (field, $0) } }
  }
}

// MARK: - Decide

extension Template {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    switch command {
    case .create(let name, let channel, let content):
      guard !state.exists else { throw .alreadyExists }
      try check(name, content, for: channel)
      return [.created(name: name, channel: channel, content: content)]
    case .revise(let name, let content):
      guard let channel = state.channel else { throw .notFound }
      guard !state.isArchived else { throw .archived }
      try check(name, content, for: channel)
      guard name != state.name || content != state.content() else { return [] }
      return [.revised(version: state.versions.count + 1, name: name, content: content)]
    case .archive:
      guard state.exists else { throw .notFound }
      return state.isArchived ? [] : [.archived]
    case .restore:
      guard state.exists else { throw .notFound }
      return state.isArchived ? [.restored] : []
    }
  }

  private static func check(
    _ name: String, _ content: TemplateContent, for channel: Channel
  ) throws(Rejection) {
    if let fault = faults(name: name, content, for: channel).first { throw fault }
  }

  /// Everything for which a template is refused; without a channel, on each of them.
  package static func faults(
    name: String, _ content: TemplateContent, for channel: Channel?
  ) -> [Rejection] {
    var faults: [Rejection] = []
    if name.isBlank { faults.append(.emptyName) }
    if content.body.isBlank { faults.append(.emptyBody) }
    if let channel { faults += content.faults(on: channel) }
    for (field, text) in content.texts {
      do {
        _ = try MergeFields.fields(of: text)
      } catch {
        faults.append(.malformed(field: field, reason: "\(error)"))
      }
    }
    return faults
  }
}

extension TemplateContent {
  fileprivate func faults(on channel: Channel) -> [Template.Rejection] {
    var faults: [Template.Rejection] = []
    if channel == .email {
      if subject?.isBlank != false { faults.append(.emptySubject) }
    } else {
      if subject != nil { faults.append(.unsupportedField("subject")) }
      if html != nil { faults.append(.unsupportedField("html")) }
    }
    if channel != .voice, voicemail != nil { faults.append(.unsupportedField("voicemail")) }
    return faults
  }
}

// MARK: - Evolve

extension Template {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let name, let channel, let content):
      next.channel = channel
      next.name = name
      next.versions = [content]
    case .revised(_, let name, let content):
      next.name = name
      next.versions.append(content)
    case .archived:
      next.isArchived = true
    case .restored:
      next.isArchived = false
    }
    return next
  }
}
