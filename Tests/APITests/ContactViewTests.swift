import Domain
import JSON
import Testing

@testable import API

@Suite struct ContactViewTests {
  /// Clients know these fields in this order.
  @Test func `a contact is shown with all of its fields`() {
    var state = Contact.State()
    state.details = ContactDetails(
      firstName: "Ann", email: "ann@example.com", phone: "+14155552671",
      custom: ["size": .number(12), "vip": .flag(true)])
    state.source = "api"
    state.tags = ["b", "a"]
    state.consents = [.sms: .optedIn(purpose: .marketing, atMicros: 7), .email: .optedOut]
    let view = ContactView(
      id: Identifier(.contact, 1), org: Identifier(.org, 2), state: state,
      consentSinceMicros: [.sms: 1_000_000, .voice: 5], version: 3, createdAtMicros: 0,
      updatedAtMicros: 2_000_000)
    let none = #"{"status":"none","purpose":null,"since":null}"#
    let expected =
      #"{"id":"con_00000000000000000000000001","object":"contact","first_name":"Ann","#
      + #""last_name":null,"company":null,"email":"ann@example.com","phone":"+14155552671","#
      + #""raw_phone":null,"source":"api","tags":["a","b"],"custom":{"size":12,"vip":true},"#
      + #""consent":{"sms":{"status":"opted_in","purpose":"marketing","#
      + #""since":"1970-01-01T00:00:01.000Z"},"voice":"# + none
      + #","email":{"status":"opted_out","purpose":null,"since":null}},"#
      + #""archived":false,"erased":false,"version":3,"account":"acc_00000000000000000000000002","#
      + #""created_at":"1970-01-01T00:00:00.000Z","updated_at":"1970-01-01T00:00:02.000Z"}"#
    #expect(view.json.text == expected)
    var writer = JSONWriter()
    writer.beginObject()
    view.show(in: &writer)
    writer.endObject()
    #expect(writer.bytes == Array(expected.utf8))
  }
}
