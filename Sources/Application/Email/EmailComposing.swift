import Domain

/// Writes an email for one person: merge fields filled, and below every marketing mail who sends it,
/// from where, and how to end it (CAN-SPAM, 16 CFR 316).
struct EmailComposing {
  let orgName: String
  let postalAddress: String?
  /// Names the mail as what it is, where the org wants that said.
  let advertisementNotice: String?

  func content(
    _ request: MessageRequest, address: String, for details: ContactDetails
  ) throws(CommandError) -> MessageContent {
    let subject = try Self.subject(request.subject)
    var text = try Self.rendered(request.body, "body", details)
    var html: String?
    if let source = request.html {
      html = try Self.rendered(source, "html", details, escape: HTMLLinks.escaped)
    }
    let line = try Self.line(subject, details)
    if request.purpose == .marketing {
      try Self.requireHonest(line)
      guard let postalAddress else { throw .postalAddressMissing }
      text = withFooter(text: text, postalAddress)
      html = html.map { withFooter(html: $0, postalAddress) }
    }
    return MessageContent(
      address: address, body: text, subject: line, html: html)
  }

  /// - Throws: `invalid` where it says nothing.
  static func subject(_ subject: String?) throws(CommandError) -> String {
    guard let subject, !subject.isBlank else { throw subjectMissing }
    return subject
  }

  static var subjectMissing: CommandError {
    .invalid(field: "subject", code: "required", message: "An email needs a subject.")
  }

  /// An advertisement answers nothing and forwards nothing (15 U.S.C. 7704(a)(2)).
  static func requireHonest(_ subject: String) throws(CommandError) {
    guard let found = ContentCheck.deception(in: subject) else { return }
    throw .invalid(
      field: "subject", code: "deceptive_subject",
      message: "A subject that begins with \(found) pretends to answer something: no marketing "
        + "goes out with it.")
  }

  /// A line break in a subject would begin a header of somebody else's making.
  private static func line(
    _ subject: String, _ details: ContactDetails
  ) throws(CommandError) -> String {
    try rendered(subject, "subject", details).split(whereSeparator: \.isNewline)
      .joined(separator: " ").trimmed
  }

  static func rendered(
    _ text: String, _ field: String, _ details: ContactDetails,
    escape: (String) -> String = { $0 }
  ) throws(CommandError) -> String {
    let rendered: String
    do {
      rendered = try MergeFields.render(text, for: details, escape: escape)
    } catch {
      switch error {
      case .missingValue(let name): throw .missingField(name)
      case .malformed(let reason): throw malformed(field, reason)
      }
    }
    guard !rendered.isBlank else { throw empty(field) }
    return rendered
  }

  static func malformed(_ field: String, _ reason: String) -> CommandError {
    .invalid(field: field, code: "invalid_merge_field", message: reason)
  }

  static func empty(_ field: String) -> CommandError {
    .invalid(field: field, code: "empty_body", message: "The text has nothing to say.")
  }

  private func withFooter(text: String, _ postalAddress: String) -> String {
    var missing: [String] = []
    if let advertisementNotice, !text.containsUTF8(advertisementNotice) {
      missing.append(advertisementNotice)
    }
    if !text.containsUTF8(postalAddress) { missing += [orgName, postalAddress] }
    if !text.containsUTF8(MergeFields.unsubscribeURL) {
      missing.append("Unsubscribe: \(MergeFields.unsubscribeURL)")
    }
    return missing.isEmpty ? text : text + "\n\n--\n" + missing.joined(separator: "\n")
  }

  private func withFooter(html: String, _ postalAddress: String) -> String {
    var missing: [String] = []
    if let notice = advertisementNotice.map(HTMLLinks.escaped), !html.containsUTF8(notice) {
      missing.append(notice)
    }
    let address = HTMLLinks.escaped(postalAddress).replacing("\n", with: "<br>")
    if !html.containsUTF8(address) { missing += [HTMLLinks.escaped(orgName), address] }
    if !html.containsUTF8(MergeFields.unsubscribeURL) {
      missing.append(#"<a href="\#(MergeFields.unsubscribeURL)">Unsubscribe</a>"#)
    }
    guard !missing.isEmpty else { return html }
    return HTMLLinks.inserting(
      #"<p style="font-size:12px;color:#666">"# + missing.joined(separator: "<br>") + "</p>",
      beforeEndOf: html)
  }
}
