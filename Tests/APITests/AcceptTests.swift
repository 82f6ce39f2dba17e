import HTTP
import Testing

@testable import API

@Suite struct AcceptTests {
  private static let lines = "application/x-ndjson"

  @Test(arguments: [
    (nil, false), ("*/*", false), ("application/json", false), (lines, true),
    ("\(lines), application/json", true), ("application/json;q=0.5, \(lines)", true),
    ("application/json, \(lines);q=0.1", false), ("\(lines);q=0", false),
    ("\(lines); q=0.5, */*;q=0.9", false), ("text/plain, \(lines)", true),
  ])
  func `lines are sent to whom likes them no less than JSON`(accept: String?, expected: Bool) {
    var request = HTTPRequest(method: "GET", target: "/api/contacts")
    if let accept { request.headers.set("accept", accept) }
    #expect(request.prefers(Self.lines) == expected)
  }

  @Test(arguments: [
    ("/a?q=a%20b", true), ("/a?q=%C3%A9", true), ("/a", true), ("/a?", true), ("/a?q=%zz", false),
    ("/a?q=%ff", false), ("/a?q=1%", false),
  ])
  func `a query whose escapes are no text is none`(target: String, expected: Bool) {
    #expect(HTTPRequest(method: "GET", target: target).hasValidQuery == expected)
  }
}

@Suite struct AuditLineTests {
  @Test func `a line names the first of many and counts the others`() {
    let fields = (1...300).map { "custom.field_\($0)" }
    let line = AuditRoutes.line("Changed: " + fields.joined(separator: ", "))
    #expect(line.hasPrefix("Changed: custom.field_1, custom.field_2, "))
    #expect(line.hasSuffix("custom.field_20 … and 280 more"))
    #expect(AuditRoutes.line("Changed: email, phone") == "Changed: email, phone")
    #expect(AuditRoutes.line(String(repeating: "x", count: 3_000)).count == 2_000)
  }
}
