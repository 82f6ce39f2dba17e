import Application
import Domain
import HTTP
import Testing

@testable import TwilioProvider

@Suite struct TwilioAnswerTests {
  private func outcome(_ status: Int, _ body: String, _ headers: HTTPHeaders = [:]) -> SendOutcome {
    TwilioAnswer.outcome(status: status, headers: headers, body: Array(body.utf8))
  }

  private func error(_ code: Int, _ status: Int) -> String {
    #"{"code":\#(code),"message":"m","more_info":"u","status":\#(status)}"#
  }

  @Test func `a 201 with a sid is accepted`() {
    #expect(outcome(201, #"{"sid":"SM1","status":"queued"}"#) == .accepted(providerID: "SM1"))
  }

  @Test(arguments: ["", "<html>", "{}", #"{"sid":""}"#, #"{"sid":7}"#])
  func `a 201 without a sid is in doubt`(body: String) {
    #expect(outcome(201, body) == .inDoubt(reason: "HTTP 201 without a sid"))
  }

  @Test(arguments: [21211, 21408, 21606, 21610, 21612, 21614, 21617])
  func `a 400 is refused with Twilio's code`(code: Int) {
    #expect(outcome(400, error(code, 400)) == .refused(code: String(code)))
  }

  @Test func `a 400 without Twilio's error object is refused with the status`() {
    #expect(outcome(400, "Bad Request") == .refused(code: "http_400"))
  }

  @Test func `too many requests were not taken, and the wait that is asked for is kept`() {
    let body = error(20429, 429)
    #expect(outcome(429, body) == .notTaken(code: "20429", retryAfterMillis: nil))
    #expect(
      outcome(429, body, ["Retry-After": "7"]) == .notTaken(code: "20429", retryAfterMillis: 7000))
    #expect(
      outcome(429, body, ["retry-after": "9223372036854775807"])
        == .notTaken(code: "20429", retryAfterMillis: 3_600_000))
    #expect(
      outcome(429, body, ["Retry-After": "-1"]) == .notTaken(code: "20429", retryAfterMillis: nil))
  }

  @Test func `a full queue was not taken although it is a 400`() {
    #expect(
      outcome(400, error(21611, 400)) == .notTaken(code: "21611", retryAfterMillis: 60_000))
  }

  @Test(arguments: [301, 401, 403, 404])
  func `wrong settings refuse no message for good`(status: Int) {
    #expect(
      outcome(status, error(20003, status)) == .notTaken(code: "20003", retryAfterMillis: 60_000))
  }

  @Test(arguments: [500, 502, 503, 504])
  func `a failure of Twilio leaves the message in doubt`(status: Int) {
    #expect(
      outcome(status, error(20500, status)) == .inDoubt(reason: "HTTP \(status), code 20500"))
  }

  @Test func `only what went out is in doubt when there is no answer`() {
    #expect(
      TwilioProvider.outcome(of: .notSent(.connectionFailed))
        == .notTaken(code: "http_not_sent_connection_failed", retryAfterMillis: nil))
    #expect(
      TwilioProvider.outcome(of: .unknown(.timeout)) == .inDoubt(reason: "http_unknown_timeout"))
  }

  @Test func `a list without dates or sids is malformed, not empty`() {
    for body in ["", "{}", #"{"messages":[{"sid":"SM1"}]}"#, #"{"messages":[{}]}"#] {
      #expect(throws: ProviderError.self) { try TwilioMessagePage(parsing: Array(body.utf8)) }
    }
  }
}

@Suite struct RFC2822DateTests {
  @Test(arguments: [
    ("Thu, 01 Jan 1970 00:00:00 +0000", 0), ("Thu, 24 Aug 2023 05:01:45 +0000", 1_692_853_305),
    ("Thu, 24 Aug 2023 07:31:45 +0230", 1_692_853_305),
    ("29 Feb 2024 00:00:00 -0100", 1_709_168_400),
    ("Sun, 01 Mar 2026 12:00:00 +0000", 1_772_366_400),
  ])
  func `a date is the instant that it names`(text: String, seconds: Int64) {
    #expect(RFC2822Date.micros(parsing: text) == seconds * 1_000_000)
  }

  @Test(arguments: [
    "", "2023-08-24T05:01:45Z", "Thu, 24 Foo 2023 05:01:45 +0000",
    "Thu, 24 Aug 2023 24:01:45 +0000",
    "Thu, 24 Aug 2023 05:01:45 GMT", "Thu, 24 Aug 2023 05:01 +0000",
    "Thu, 0 Aug 2023 05:01:45 +0000",
  ])
  func `what is no such date is none`(text: String) {
    #expect(RFC2822Date.micros(parsing: text) == nil)
  }
}
