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
    guard let end = html.lowercased().ranges(of: "</body").last else { return html + text }
    // Lower case changes no length in UTF-8 of what stands before: counted in characters.
    let offset = html.lowercased().distance(
      from: html.lowercased().startIndex, to: end.lowerBound)
    let place = html.index(html.startIndex, offsetBy: offset)
    return html[..<place] + text + html[place...]
  }

  /// The values of `href="http…"`, in quotes of either kind.
  private static func hrefs(in html: String) -> [Range<String.Index>] {
    var found: [Range<String.Index>] = []
    var rest = html.startIndex..<html.endIndex
    while let name = html[rest].firstRange(of: /(?i)\bhref\s*=\s*["']/) {
      let quote = html[html.index(before: name.upperBound)]
      guard let end = html[name.upperBound...].firstIndex(of: quote) else { break }
      let value = name.upperBound..<end
      if html[value].wholeMatch(of: /(?i)https?:\/\/.+/) != nil { found.append(value) }
      rest = end..<html.endIndex
    }
    return found
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
