import Domain
import Testing

@testable import Application

@Suite struct ContactAddressesTests {
  @Test(arguments: [
    ("a@b.c", "a@b.c"), ("  Ann@Example.com\t", "Ann@Example.com"),
    ("\u{a0}é@exämple.com\u{2003}", "é@exämple.com"),
    ("a.b+c@d.example.org\r\n", "a.b+c@d.example.org"), ("例@例え.テスト", "例@例え.テスト"),
    ("e\u{301}va@cafe\u{301}.fr", "e\u{301}va@cafe\u{301}.fr"),
  ])
  func `an email has no blanks around it`(raw: String, email: String) throws {
    #expect(try ContactAddresses.email(raw) == email)
  }

  @Test(arguments: [
    "", " ", "a", "@b.c", "a@", "a@b", "a@.b", "a@b.", "a@b.c@d.e", "a b@c.d", "a@b\u{a0}c.d",
    "a@b\tc.d", String(repeating: "a", count: 251) + "@b.c",
  ])
  func `what has no name, one at and a domain is no email`(raw: String) {
    #expect(throws: CommandError.self) { try ContactAddresses.email(raw) }
  }

  /// What stands there for a reader is no sign then, and no mail server looks for it.
  @Test(arguments: [
    "a@\u{301}x.com", "a@x.\u{301}com", "a@x.\u{20dd}com", "a@x.com.\u{200d}", "\u{600}@x.com",
  ])
  func `an at or a dot with a mark on it is none`(raw: String) {
    #expect(throws: CommandError.self) { try ContactAddresses.email(raw) }
  }

  @Test(arguments: [
    ("", ""), (" ", ""), ("a", "a"), (" a", "a"), ("a ", "a"), ("\u{2003}a b\n", "a b"),
    ("é\u{a0}", "é"), ("\r\na\r\n", "a"), ("a\u{300}", "a\u{300}"),
  ])
  func `blanks at both ends go, those inside stay`(text: String, trimmed: String) {
    #expect(text.trimmingBlanks() == trimmed)
  }
}
