import Domain
import Testing

@Suite struct ContentCheckTests {
  private static func codes(
    _ body: String, subject: String? = nil, html: String? = nil, on channel: Channel
  ) -> [String] {
    ContentCheck.findings(
      in: TemplateContent(body: body, subject: subject, html: html), on: channel
    ).map { "\($0.field): \($0.code.rawValue)" }
  }

  private static let notice = " Reply STOP to opt out."

  @Test(arguments: ["Re: your question", "FWD: offer", "aw : hello", "  re:hi"])
  func `a subject that pretends to answer is refused`(subject: String) {
    let findings = ContentCheck.findings(
      in: TemplateContent(body: "{{unsubscribe_url}}", subject: subject), on: .email)
    #expect(findings.map(\.code) == [.deceptiveSubject] && findings[0].isRefusal)
  }

  @Test(arguments: [
    "Regarding spring", "Spring is here", "Rest easy: new beds", "Forward thinking",
  ])
  func `an honest subject is nobody's business`(subject: String) {
    #expect(Self.codes("{{unsubscribe_url}}", subject: subject, on: .email).isEmpty)
  }

  @Test func `a mail without its footer is told so, part by part`() {
    #expect(
      Self.codes("Hello", subject: "Spring", html: "<p>Hello</p>", on: .email)
        == ["body: footer_missing", "html: footer_missing"])
    #expect(
      Self.codes(
        "Bye {{unsubscribe_url}}", subject: "Spring",
        html: #"<a href="{{unsubscribe_url}}">Bye</a>"#, on: .email
      ).isEmpty)
  }

  @Test func `a text says how to end it, and has no shortener, nor what carriers do not carry`() {
    #expect(Self.codes("Doors open at nine.", on: .sms) == ["body: opt_out_notice_missing"])
    #expect(Self.codes("Doors open at nine." + Self.notice, on: .sms).isEmpty)
    #expect(
      Self.codes("See https://bit.ly/abc" + Self.notice, on: .sms) == ["body: public_shortener"])
    #expect(
      Self.codes("See www.TinyURL.com/x" + Self.notice, on: .sms) == ["body: public_shortener"])
    #expect(Self.codes("See https://habit.ly/abc, t.co" + Self.notice, on: .sms).isEmpty)
    #expect(
      Self.codes("Buy one CBD, get one" + Self.notice, on: .sms) == ["body: forbidden_content"])
    #expect(
      Self.codes("EVERYTHING MUST GO TODAY, COME IN NOW" + " Reply STOP to end", on: .sms)
        == ["body: excessive_capitals"])
  }

  @Test func `what stands in a tag is an address, not a word`() {
    let html =
      #"<a class="CBD" href="https://bit.ly/x">Hi {{first_name|CASINO}}</a> {{unsubscribe_url}}"#
    #expect(
      Self.codes("{{unsubscribe_url}}", subject: "Hi", html: html, on: .email)
        == ["html: public_shortener"])
  }

  @Test func `a notice of something that happened and a placeholder are pointed out`() {
    #expect(
      Self.codes(
        "Lorem ipsum {{unsubscribe_url}}", subject: "Your invoice", on: .email)
        == ["subject: misleading_subject", "body: placeholder"])
  }
}
