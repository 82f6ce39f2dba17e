import Domain

/// Turns a planned email into the one that goes out: links and pixel of its own, and the headers by
/// which mailbox providers unsubscribe people with one click (RFC 8058).
struct EmailRendering {
  let org: Identifier
  let message: Identifier
  let links: OutboundLinks

  func email(
    _ plan: MessagePlan, _ content: MessageContent, through credentials: ProviderCredentials
  ) -> OutboundEmail {
    let unsubscribeURL = links.unsubscribe(org, message)
    // Whoever answers, from whatever address, names it (RFC 5322, 3.6.4).
    let domain = plan.from.split(separator: "@").last.map(String.init) ?? plan.from
    var headers = ["Message-ID": "<\(message.text)@\(domain)>"]
    if plan.purpose == .marketing {
      headers["List-Unsubscribe"] = "<\(unsubscribeURL)>"
      headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    }
    return OutboundEmail(
      credentials: credentials, message: message, from: plan.from,
      fromName: credentials.options["from_name"], replyTo: credentials.options["reply_to"],
      to: content.address, subject: content.subject ?? "",
      text: content.body.replacing(MergeFields.unsubscribeURL, with: unsubscribeURL),
      html: content.html.map { html($0, unsubscribeURL) }, headers: headers)
  }

  private func html(_ html: String, _ unsubscribeURL: String) -> String {
    let tracked = HTMLLinks.rewriting(html) { links.click(org, message, $0) }
      .replacing(MergeFields.unsubscribeURL, with: unsubscribeURL)
    let pixel =
      #"<img src="\#(links.open(org, message))" width="1" height="1" alt="" style="display:none">"#
    return HTMLLinks.inserting(pixel, beforeEndOf: tracked)
  }
}

/// The links of an HTML text: the `href` attributes that lead to the web.
package enum HTMLLinks {
  /// The addresses in order of their places.
  package static func addresses(in html: String) -> [String] {
    hrefs(in: html).map { unescaped(String(html[$0])) }
  }

  static func rewriting(_ html: String, _ address: (Int) -> String) -> String {
    var rewritten = ""
    var rest = html.startIndex
    for (index, range) in hrefs(in: html).enumerated() where index <= 0xFFFF {
      rewritten += html[rest..<range.lowerBound] + address(index)
      rest = range.upperBound
    }
    return rewritten + html[rest...]
  }

  /// Puts `text` before `</body>`, or at the end where there is none.
  static func inserting(_ text: String, beforeEndOf html: String) -> String {
    let bytes = Array(html.utf8)
    let end = Array("</body".utf8)
    var offset = bytes.count - end.count
    while offset >= 0, !matches(end, bytes, at: offset) { offset -= 1 }
    guard offset >= 0 else { return html + text }
    let place = html.utf8.index(html.startIndex, offsetBy: offset)
    return html[..<place] + text + html[place...]
  }

  /// The values of `href="http…"`, in quotes of either kind. By bytes: a campaign has a hundred thousand of these to
  /// read, and what is looked for is ASCII.
  private static func hrefs(in html: String) -> [Range<String.Index>] {
    let bytes = Array(html.utf8)
    let name = Array("href".utf8)
    var found: [Range<String.Index>] = []
    var offset = 0
    while offset + name.count < bytes.count {
      guard matches(name, bytes, at: offset), offset == 0 || !isWord(bytes[offset - 1]),
        let start = valueStart(bytes, after: offset + name.count)
      else {
        offset += 1
        continue
      }
      guard let end = bytes[start...].firstIndex(of: bytes[start - 1]) else { break }
      let value = bytes[start..<end]
      if leadsToWeb(value) {
        let lower = html.utf8.index(html.startIndex, offsetBy: start)
        found.append(lower..<html.utf8.index(lower, offsetBy: end - start))
      }
      offset = end
    }
    return found
  }

  /// Behind `=` and a quote, with any blanks between.
  private static func valueStart(_ bytes: [UInt8], after offset: Int) -> Int? {
    var offset = offset
    func skipBlanks() {
      while offset < bytes.count, (9...13).contains(bytes[offset]) || bytes[offset] == 32 {
        offset += 1
      }
    }
    skipBlanks()
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "=") else { return nil }
    offset += 1
    skipBlanks()
    let quotes = [UInt8(ascii: "\""), UInt8(ascii: "'")]
    return offset < bytes.count && quotes.contains(bytes[offset]) ? offset + 1 : nil
  }

  private static func leadsToWeb(_ value: ArraySlice<UInt8>) -> Bool {
    let value = Array(value)
    guard !value.contains(10), !value.contains(13) else { return false }
    return ["http://", "https://"].contains { scheme in
      value.count > scheme.utf8.count && matches(Array(scheme.utf8), value, at: 0)
    }
  }

  /// `wanted` is in small letters; those of `bytes` may be capitals.
  private static func matches(_ wanted: [UInt8], _ bytes: [UInt8], at offset: Int) -> Bool {
    guard offset + wanted.count <= bytes.count else { return false }
    return wanted.indices.allSatisfy { index in
      let byte = bytes[offset + index]
      return wanted[index] == ((65...90).contains(byte) ? byte | 0x20 : byte)
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    byte >= 0x80 || byte == UInt8(ascii: "_") || (48...57).contains(byte)
      || (65...90).contains(byte) || (97...122).contains(byte)
  }

  private static func unescaped(_ text: String) -> String {
    text.replacing("&amp;", with: "&").replacing("&quot;", with: "\"").replacing("&#39;", with: "'")
  }

  /// A value fit to stand in HTML, in attributes too.
  package static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;").replacing("'", with: "&#39;")
  }
}
