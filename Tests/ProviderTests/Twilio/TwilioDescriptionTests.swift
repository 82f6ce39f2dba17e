import Application
import Domain
import Foundation
import HTTP
import JSON
import Testing

@testable import TwilioProvider

private let descriptionPath = "specs/twilio/api_v2010.trimmed.json"

/// Our requests against Twilio's own description of its API.
@Suite(
  .enabled(if: SharedFile.exists(descriptionPath), "no API descriptions beside the repository"))
struct TwilioDescriptionTests {
  let credentials = SMSCredentials(
    accountSID: "AC" + String(repeating: "a", count: 32), authToken: "t:/ é",
    baseURL: "https://api.twilio.com/")

  private func operations() throws -> JSON {
    let path = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
    return try #require(try SharedFile.json(descriptionPath)["paths"]?[path])
  }

  /// The path of `url` with the account's place for its sid, and its query.
  private func parts(_ url: String) throws -> (path: String, query: [QueryItem]) {
    let components = try #require(URLComponents(string: url))
    #expect(components.host == "api.twilio.com")
    let path = components.path.replacingOccurrences(
      of: credentials.accountSID, with: "{AccountSid}")
    return (path, FormCoding.decode(components.percentEncodedQuery ?? ""))
  }

  @Test func `a creation has the described path, method and parameters`() throws {
    let sms = OutboundSMS(
      credentials: credentials, from: "+15550001", to: "+15550002", body: "a&b=c+d é",
      statusCallbackURL: "https://example.com/cb?x=1")
    let request = TwilioProvider.creation(of: sms, timeoutMillis: 1000)
    #expect(request.method == "POST")
    #expect(try parts(request.url).path == "/2010-04-01/Accounts/{AccountSid}/Messages.json")

    let content = try operations()["post"]?["requestBody"]?["content"]
    let schema = try #require(content?[FormCoding.contentType]?["schema"])
    #expect(request.headers["Content-Type"] == FormCoding.contentType)
    let form = FormCoding.decode(bytes: request.body)
    let described = try #require(schema["properties"]?.object?.keys)
    #expect(Set(form.map(\.name)).isSubset(of: described))
    let required = try #require(schema["required"]?.array).compactMap(\.string)
    #expect(Set(required).isSubset(of: form.map(\.name)))
    #expect(form.first { $0.name == "Body" }?.value == "a&b=c+d é")
    #expect(form.first { $0.name == "StatusCallback" }?.value == "https://example.com/cb?x=1")
  }

  @Test func `a call has the described path, method and parameters`() throws {
    let call = OutboundCall(
      credentials: credentials, from: "+15550001", to: "+15550002",
      instructionsURL: "https://example.com/v?x=1", statusCallbackURL: "https://example.com/s",
      maxMinutes: 5)
    let request = TwilioProvider.creation(of: call, timeoutMillis: 1000)
    #expect(request.method == "POST")
    #expect(try parts(request.url).path == "/2010-04-01/Accounts/{AccountSid}/Calls.json")
    let spec = try SharedFile.json("specs/twilio/api_v2010.trimmed.json")
    let operation = spec["paths"]?["/2010-04-01/Accounts/{AccountSid}/Calls.json"]?["post"]
    let schema = operation?["requestBody"]?["content"]?[FormCoding.contentType]?["schema"]
    let described = try #require(schema?["properties"]?.object?.keys)
    let form = FormCoding.decode(bytes: request.body)
    #expect(Set(form.map(\.name)).isSubset(of: described))
    let required = try #require(schema?["required"]?.array).compactMap(\.string)
    #expect(Set(required).isSubset(of: form.map(\.name)))
    #expect(form.first { $0.name == "TimeLimit" }?.value == "300")
  }

  @Test func `a list has the described path and query parameters`() throws {
    let path = TwilioProvider.listPath(
      FindQuery(credentials: credentials, from: "+15550001", to: "+15550002", sinceMicros: 0))
    let (template, query) = try parts("https://api.twilio.com" + path)
    #expect(template == "/2010-04-01/Accounts/{AccountSid}/Messages.json")
    let parameters = try #require(try operations()["get"]?["parameters"]?.array)
    let described = parameters.filter { $0["in"]?.string == "query" }.compactMap {
      $0["name"]?.string
    }
    #expect(Set(query.map(\.name)).isSubset(of: described))
    #expect(query.first { $0.name == "To" }?.value == "+15550002")
    let size = try #require(parameters.first { $0["name"]?.string == "PageSize" }?["schema"])
    #expect(try #require(size["maximum"]?.int) >= Int64(TwilioProvider.pageSize))
  }

  @Test func `the paths of the inbox and of media are described`() throws {
    let (template, query) = try parts(
      "https://api.twilio.com" + TwilioProvider.inboxPath("+15550001", credentials))
    #expect(template == "/2010-04-01/Accounts/{AccountSid}/Messages.json")
    #expect(query.first { $0.name == "To" }?.value == "+15550001")
    #expect(
      TwilioProvider.mediaPath("MM1", credentials).hasSuffix(
        "/Accounts/\(credentials.accountSID)/Messages/MM1/Media.json"))
  }

  private func item(_ sid: String?, _ direction: String, media: String = "0", date: String? = nil)
    -> JSON
  {
    [
      "sid": JSON(sid), "from": "rcs:+15550002", "to": "+15550001", "body": "Hi",
      "date_created": JSON(date), "direction": .string(direction), "num_segments": "2",
      "num_media": .string(media), "status": "received",
    ]
  }

  private func text(_ sid: String, hasMedia: Bool = false, atMicros: Micros) -> ListedText {
    ListedText(
      text: InboundText(
        from: "+15550002", to: "+15550001", body: "Hi", providerID: sid, segmentCount: 2),
      hasMedia: hasMedia, atMicros: atMicros)
  }

  @Test func `a text that somebody sent to us is told from ours`() throws {
    let date = "Fri, 24 May 2019 17:44:46 +0000"
    let page: JSON = [
      "messages": [
        item("SM1", "outbound-api", date: date), item("SM2", "outbound-reply", date: date),
        item("SM3", "outbound-call", date: date), item("MM4", "inbound", media: "1", date: date),
      ], "next_page_uri": "/2010-04-01/x",
    ]
    #expect(
      try TwilioInboxPage(parsing: page.bytes()).texts
        == ListedTexts(
          texts: [text("MM4", hasMedia: true, atMicros: 1_558_719_886_000_000)],
          nextPage: "/2010-04-01/x"))
  }

  @Test func `what is missing in one text keeps no other one back`() throws {
    let page: JSON = [
      "messages": [
        item("SM1", "inbound"), item(nil, "inbound"),
        item("SM2", "inbound", date: "Fri, 24 May 2019 17:44:46 +0000"), item("SM3", "inbound"),
        item("SM4", "inbound", date: "Fri, 24 May 2019 17:44:36 +0000"),
      ]
    ]
    let lastMicros: Micros = 1_558_719_886_000_000
    #expect(
      try TwilioInboxPage(parsing: page.bytes()).texts
        == ListedTexts(
          texts: [
            text("SM1", atMicros: lastMicros), text("SM2", atMicros: lastMicros),
            text("SM3", atMicros: lastMicros), text("SM4", atMicros: lastMicros - 10_000_000),
          ], unreadableCount: 1))
  }

  @Test func `the described example of a list is read`() throws {
    let content = try operations()["get"]?["responses"]?["200"]?["content"]?["application/json"]
    let example = try #require(content?["examples"]?["readFullPage1"]?["value"])
    let page = try TwilioMessagePage(parsing: example.bytes())
    #expect(page.messages.first?.providerID == "SMded05904ccb347238880ca9264e8fe1c")
    #expect(page.messages.first?.status == .sent)
    #expect(page.messages.first?.createdAtMicros == 1_558_719_886_000_000)
    #expect(page.nextPageURI?.hasPrefix("/2010-04-01/Accounts/") == true)
  }

  @Test func `the described example of a creation is accepted`() throws {
    let content = try operations()["post"]?["responses"]?["201"]?["content"]?["application/json"]
    let example = try #require(content?["examples"]?["create"]?["value"])
    let outcome = TwilioAnswer.outcome(status: 201, headers: [:], body: example.bytes())
    #expect(outcome == .accepted(providerID: "SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
  }

  @Test func `credentials show no token`() {
    #expect(!"\(credentials)".contains("t:/"))
    #expect(!String(reflecting: credentials).contains("t:/"))
  }
}
