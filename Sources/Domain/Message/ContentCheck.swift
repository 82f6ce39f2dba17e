/// Something that carriers, mailbox providers or the law have against a text.
package struct ContentFinding: Sendable, Equatable {
  package enum Code: String, Sendable, CaseIterable {
    /// Pretends to answer or to forward something (15 U.S.C. 7704(a)(2)).
    case deceptiveSubject = "deceptive_subject"
    /// Reads like a notice about something that happened.
    case misleadingSubject = "misleading_subject"
    case footerMissing = "footer_missing"
    case optOutNoticeMissing = "opt_out_notice_missing"
    /// Carriers block the shorteners that everybody shares (CTIA 5.3).
    case publicShortener = "public_shortener"
    /// Sex, hate, alcohol, firearms, tobacco and what else carriers do not carry.
    case forbiddenContent = "forbidden_content"
    case excessiveCapitals = "excessive_capitals"
    case spamPhrase = "spam_phrase"
    case placeholder
  }

  package let code: Code
  package let field: String
  /// What was found: words of the text.
  package var found: String?

  /// Whether advertising with it is refused; anything else is for its author to read.
  package var isRefusal: Bool { code == .deceptiveSubject }
}

/// Looks a text over before anybody gets it. Pure, and no judge of taste: what it names, a filter names too.
package enum ContentCheck {
  /// As advertising on `channel`.
  package static func findings(
    in content: TemplateContent, on channel: Channel
  ) -> [ContentFinding] {
    var findings: [ContentFinding] = []
    if channel == .email { findings += mail(content) }
    if channel == .sms, !OptOutNotice.isIn(content.body) {
      findings.append(ContentFinding(code: .optOutNoticeMissing, field: "body"))
    }
    let texts = [
      ("subject", content.subject), ("body", content.body), ("html", content.html),
      ("voicemail", content.voicemail),
    ]
    for (field, text) in texts {
      guard let text else { continue }
      findings += words(of: text, field)
    }
    return findings
  }

  /// nil where the subject of an advertisement says what it is.
  package static func deception(in subject: String) -> String? {
    let start = subject.trimmed.lowercased()
    return ["re:", "fw:", "fwd:", "aw:", "wg:", "sv:", "tr:", "rv:"]
      .first { start.hasPrefix($0) || start.hasPrefix($0.dropLast() + " :") }
  }

  private static func mail(_ content: TemplateContent) -> [ContentFinding] {
    var findings: [ContentFinding] = []
    let subject = content.subject ?? ""
    if let found = deception(in: subject) {
      findings.append(ContentFinding(code: .deceptiveSubject, field: "subject", found: found))
    }
    if let found = phrase(of: notices, in: Words.split(subject)) {
      findings.append(ContentFinding(code: .misleadingSubject, field: "subject", found: found))
    }
    for (field, text) in [("body", content.body), ("html", content.html)] {
      guard let text, !text.contains(MergeFields.unsubscribeURL) else { continue }
      findings.append(ContentFinding(code: .footerMissing, field: field))
    }
    return findings
  }

  private static func words(
    of text: String, _ field: String
  ) -> [ContentFinding] {
    let plain = withoutTags(text, marks: field == "html" ? "<{" : "{")
    let words = Words.split(plain)
    var findings: [ContentFinding] = []
    func add(_ code: ContentFinding.Code, _ found: String?) {
      guard let found else { return }
      findings.append(ContentFinding(code: code, field: field, found: found))
    }
    add(.publicShortener, shortener(in: plain))
    add(.forbiddenContent, phrase(of: forbidden, in: words))
    add(.spamPhrase, phrase(of: spam, in: words))
    add(.placeholder, placeholders.first { plain.lowercased().contains($0) })
    if shouts(plain) { findings.append(ContentFinding(code: .excessiveCapitals, field: field)) }
    return findings
  }

  /// Fields and marks of HTML are nobody's words; addresses of links stay.
  private static func withoutTags(_ text: String, marks: String) -> String {
    var plain = ""
    var rest = text[...]
    while let open = rest.firstIndex(where: marks.contains) {
      plain += rest[..<open]
      let end: Character = rest[open] == "<" ? ">" : "}"
      guard let close = rest[open...].firstIndex(of: end) else { break }
      if end == ">" { plain += " " + links(in: rest[open...close]) + " " }
      rest = rest[rest.index(after: close)...]
    }
    return plain + rest
  }

  private static func links(in tag: Substring) -> String {
    tag.split { "\"'".contains($0) }.filter { $0.contains("://") }.joined(separator: " ")
  }

  private static func shortener(in text: String) -> String? {
    for word in text.lowercased().split(whereSeparator: { $0.isWhitespace || "()[],;".contains($0) }
    ) {
      var host = word[...]
      if let scheme = host.range(ofScheme: "://") { host = host[scheme...] }
      if host.hasPrefix("www.") { host = host.dropFirst(4) }
      let name = String(host.prefix { $0 != "/" && $0 != "?" })
      if shorteners.contains(name), host.count > name.count { return name }
    }
    return nil
  }

  /// Six in ten letters, of more than a few.
  private static func shouts(_ text: String) -> Bool {
    let letters = text.filter(\.isLetter)
    guard letters.count >= 20 else { return false }
    return letters.count(where: \.isUppercase) * 10 > letters.count * 6
  }

  private static func phrase(of phrases: [[String]], in words: [String]) -> String? {
    phrases.first { phrase in
      words.indices.contains { words[$0...].starts(with: phrase) }
    }?.joined(separator: " ")
  }

  private static func list(_ text: String) -> [[String]] {
    text.split(separator: ",").map { Words.split(String($0)) }
  }

  private static let notices = list(
    """
    account suspended,account has been suspended,account locked,payment declined,payment failed,\
    invoice attached,your invoice,your order,order confirmation,security alert,final notice,\
    legal notice,delivery failed,you have won,you won
    """)

  private static let forbidden = list(
    """
    cbd,thc,cannabis,marijuana,kratom,vape,vapes,vaping,e cigarette,casino,gambling,sports betting,\
    payday loan,debt relief,debt collection,firearm,firearms,ammo,ammunition,escort,escorts,porn,xxx,\
    viagra,cialis,fireworks
    """)

  private static let spam = list(
    """
    act now,100 free,risk free,no strings attached,make money fast,work from home,get rich,\
    click here,congratulations you,winner,double your,cash bonus,guaranteed income,once in a lifetime
    """)

  private static let placeholders = ["lorem ipsum", "[name]", "[first name]", "[company]", "xxxxx"]

  private static let shorteners: Set<String> = [
    "bit.ly", "tinyurl.com", "goo.gl", "t.co", "ow.ly", "is.gd", "cutt.ly", "short.io",
    "rebrand.ly", "tiny.cc", "buff.ly", "rb.gy", "shorturl.at",
  ]
}

extension Substring {
  /// Where what follows the first `mark` begins.
  fileprivate func range(ofScheme mark: String) -> Substring.Index? {
    indices.first { self[$0...].hasPrefix(mark) }.map { index($0, offsetBy: mark.count) }
  }
}
