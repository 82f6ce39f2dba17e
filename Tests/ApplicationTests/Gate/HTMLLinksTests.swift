import Testing

@testable import Application

/// Which links of a mail are ours to follow, and where its end is.
@Suite struct HTMLLinksTests {
  @Test(arguments: [
    (#"<a href="https://a.example/x?y=1&amp;z=2">"#, ["https://a.example/x?y=1&z=2"]),
    (
      #"<A HREF = 'HTTP://B.example'>é</A><a title="href" href="http://c">"#,
      ["HTTP://B.example", "http://c"]
    ),
    (#"<a data-href="https://a">x</a>"#, ["https://a"]), (#"<a xhref="https://a">x</a>"#, []),
    (##"<a href="mailto:a@b.example"><a href="https://"><a href="#top">"##, []),
    (#"<a href=https://a><a href="https://open"#, []), ("href", []), ("", []),
    ("<a href=\"https://a\nb\"><a href=\n\"https://c\">", ["https://c"]),
  ])
  func `the links to the web are found in order`(html: String, addresses: [String]) {
    #expect(HTMLLinks.addresses(in: html) == addresses)
    let rewritten = HTMLLinks.rewriting(html) { "https://t.example/\($0)" }
    #expect(
      HTMLLinks.addresses(in: rewritten) == addresses.indices.map { "https://t.example/\($0)" })
    // Nothing but the links is another one.
    if addresses.isEmpty { #expect(rewritten == html) }
  }

  @Test(arguments: [
    ("<body>é</body>", "<body>é!</body>"), ("<BODY>x</Body ></html>", "<BODY>x!</Body ></html>"),
    ("</body>x</body>", "</body>x!</body>"), ("x", "x!"), ("", "!"), ("</bod", "</bod!"),
  ])
  func `what is added stands at the end of the text`(html: String, expected: String) {
    #expect(HTMLLinks.inserting("!", beforeEndOf: html) == expected)
  }
}
