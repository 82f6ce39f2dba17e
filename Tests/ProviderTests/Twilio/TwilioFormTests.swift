import Application
import Domain
import HTTP
import Testing

@testable import TwilioProvider

@Suite struct TwilioFormTests {
  private func items(_ text: String) -> [QueryItem] { FormCoding.decode(text) }

  @Test func `a status callback becomes news for the message`() throws {
    let callback = try TwilioStatusCallback(
      form: items(
        "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003&AccountSid=AC1&From=%2B1&To=%2B2"
      ))
    #expect(callback.errorCode == "30003")
    #expect(
      callback.providerStatus(atMicros: 5)
        == ProviderStatus(kind: .failed, providerID: "SM1", errorCode: "30003", atMicros: 5))
  }

  @Test(arguments: [
    ("21610", AddressNews.optedOut), ("21614", .landline), ("30006", .landline),
    ("30004", .unreachable), ("30005", .unreachable), ("30003", nil), ("30007", nil),
    ("30008", nil), ("30034", nil),
  ])
  func `a code says what it says of the number`(code: String, news: AddressNews?) throws {
    let callback = try TwilioStatusCallback(
      form: items("MessageSid=SM1&MessageStatus=failed&ErrorCode=\(code)&AccountSid=AC1"))
    #expect(callback.providerStatus(atMicros: 5)?.address == news)
  }

  /// What is charged is multiplied with them, so that a number of that size would end the process.
  @Test(arguments: [
    ("0", 1), ("-3", 1), ("x", 1), ("12", 12), ("255", 255), ("256", 255),
    ("9223372036854775807", 255), ("-9223372036854775808", 1),
  ])
  func `a text has as many segments as one can have`(said: String, count: Int) throws {
    let message = try TwilioInboundMessage(
      form: items("MessageSid=S&AccountSid=A&From=%2B12125550123&To=%2B1&NumSegments=\(said)"))
    let text = InboundText(
      from: message.from, to: message.to, body: message.body, providerID: message.messageSID,
      segmentCount: message.segmentCount)
    #expect(text.segmentCount == count)
  }

  @Test(arguments: [
    ("0", 0), ("-1", 0), ("61", 61), ("86400", 86_400), ("9223372036854775807", 86_400),
  ])
  func `a call lasts as long as one can`(said: String, seconds: Int) throws {
    let result = try #require(
      TwilioWebhooks.result(["CallStatus": "completed", "CallDuration": said]))
    #expect(result.durationSeconds == seconds)
    #expect(result.billedMinutes == max(1, (seconds + 59) / 60))
  }

  @Test func `a number is one by whatever channel it comes`() throws {
    let message = try TwilioInboundMessage(
      form: items("MessageSid=S&AccountSid=A&From=rcs%3A%2B12125550123&To=rcs%3Aacme_agent"))
    #expect(message.from == "+12125550123")
    #expect(message.to == "rcs:acme_agent")
  }

  @Test func `the old names of sid and status are read where the new ones are missing`() throws {
    let callback = try TwilioStatusCallback(form: items("SmsSid=SM2&SmsStatus=sent&AccountSid=AC1"))
    #expect(callback.messageSID == "SM2")
    #expect(callback.status == .sent)
  }

  @Test(arguments: [
    ("accepted", ProviderStatus.Kind.accepted), ("scheduled", .accepted), ("queued", .accepted),
    ("sending", .accepted), ("sent", .sent), ("delivered", .delivered), ("read", .delivered),
    ("undelivered", .failed), ("failed", .failed), ("canceled", .failed),
    ("partially_delivered", nil), ("receiving", nil), ("received", nil), ("invented", nil),
  ])
  func `each of Twilio's statuses has one meaning`(word: String, kind: ProviderStatus.Kind?) {
    #expect(TwilioMessageStatus(word).kind == kind)
  }

  @Test(arguments: [
    ("MessageStatus=sent&AccountSid=AC1", "MessageSid"),
    ("MessageSid=SM1&AccountSid=AC1", "MessageStatus"),
    ("MessageSid=SM1&MessageStatus=sent", "AccountSid"), ("", "MessageSid"),
  ])
  func `an incomplete callback names what is missing`(form: String, parameter: String) {
    #expect(throws: TwilioFormError.missing(parameter: parameter)) {
      try TwilioStatusCallback(form: items(form))
    }
  }

  @Test func `an inbound message keeps its text as it is`() throws {
    let message = try TwilioInboundMessage(
      form: items(
        "MessageSid=SM3&AccountSid=AC1&From=%2B15550001&To=%2B15550002&Body=+STOP%0A&NumMedia=1"
          + "&MediaUrl0=https%3A%2F%2Fa%2Fb&MediaContentType0=image%2Fpng&NumSegments=2"
          + "&OptOutType=STOP"))
    #expect(message.body == " STOP\n")
    #expect(message.segmentCount == 2)
    #expect(message.media == [.init(url: "https://a/b", contentType: "image/png")])
    #expect(message.optOutType == .stop)
  }

  @Test func `a picture alone has no text, and a sender is needed`() throws {
    let form = "MessageSid=SM3&AccountSid=AC1&To=%2B15550002"
    let message = try TwilioInboundMessage(form: items(form + "&From=%2B1"))
    #expect(message.body.isEmpty)
    #expect(throws: TwilioFormError.missing(parameter: "From")) {
      try TwilioInboundMessage(form: items(form))
    }
  }

  @Test func `a number of media from outside is not believed beyond Twilio's limit`() throws {
    let message = try TwilioInboundMessage(
      form: items("MessageSid=S&AccountSid=A&From=f&To=t&NumMedia=2000000000&MediaUrl11=u"))
    #expect(message.media.isEmpty)
  }
}
