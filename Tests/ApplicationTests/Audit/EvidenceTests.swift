import Domain
import EventLog
import Foundation
import Merkle
import Testing

@testable import Application

/// What the evidence for people says of revocations.
@Suite struct EvidenceTests {
  private static let number = "+12125550160"
  private static let nothing = "Nothing was handed out after it on this channel."

  private func text(_ bundle: Bundle) throws -> String {
    #expect(bundle.verify().problems == [])
    return String(
      decoding: try bundle.bytes("evidence.pdf").map { $0 < 0x80 ? $0 : 0x3f }, as: UTF8.self)
  }

  /// In the evidence of a number stand all who had it, each with all of theirs.
  @Test func `others' messages and consents say nothing of a revocation`() async throws {
    try await ExportHouse.with(isRunning: true) { fixture in
      let org = try await fixture.house.org()
      let bob = try await org.contact(Self.number, name: "Bob")
      try await move(bob, to: "+12125550162", in: org)
      let ann = try await org.contact(Self.number, name: "Ann")
      try await org.receive("STOP", from: Self.number)
      let sent = try await org.send("Your order", to: bob).id
      try await org.waitFor(sent, .delivered)
      let scope = AuditScope.number(contacts: [ann, bob].sorted())
      let first = try await fixture.export(
        scope, number: Self.number, of: org.id, to: "first")
      #expect(try text(first).contains(Self.nothing))
      #expect(try !text(first).contains("Handed out after it"))
      // Another's yes, at another number.
      try await org.perform { workspace throws(CommandError) in
        try workspace.recordConsent(TestOrg.consent, of: bob)
      }
      let second = try await fixture.export(
        scope, number: Self.number, of: org.id, to: "second")
      #expect(try text(second).contains(Self.nothing))
      // That of whoever has the number ends it.
      try await org.receive("START", from: Self.number)
      let third = try await fixture.export(
        scope, number: Self.number, of: org.id, to: "third")
      #expect(try text(third).contains("Nothing was handed out until the new consent #"))
    }
  }

  /// The later ones to the same person are not in it.
  @Test func `one message's evidence says nothing of others`() async throws {
    try await ExportHouse.with(isRunning: true) { fixture in
      let org = try await fixture.house.org()
      let ann = try await org.contact(Self.number)
      let first = try await org.send("One", to: ann).id
      try await org.waitFor(first, .delivered)
      try await org.perform { workspace throws(CommandError) in
        _ = try workspace.suppress([Self.number], on: .sms, list: .doNotCall, source: "letter")
      }
      let second = try await org.send("Two", to: ann).id
      try await org.waitFor(second, .delivered)
      let ofPerson = try text(
        try await fixture.export(.contact(ann), of: org.id, to: "person"))
      #expect(ofPerson.contains("Handed out after it: #"))
      let ofMessage = try text(
        try await fixture.export(.message(first), of: org.id, to: "message"))
      #expect(ofMessage.contains("org.address_suppressed"))
      #expect(
        ofMessage.contains(
          "Among the events shown here, nothing was handed out after it on this channel."))
      #expect(!ofMessage.contains(Self.nothing) && !ofMessage.contains("is on record."))
    }
  }

  /// The list has an address as addresses are compared, the message as it was typed.
  @Test func `a listed mailbox is the same in any case`() async throws {
    try await ExportHouse.with { fixture in
      let org = try await fixture.house.org()
      let done = try await org.perform { workspace throws(CommandError) in
        try workspace.configureProvider(
          ProviderSettings(
            service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:1",
            options: ["from": "hi@acme.example"], secrets: .known(["api_key": "k"])))
        return try workspace.createContact(
          ContactRequest(details: ContactDetails(email: "Ann@Example.com"), source: "test"))
      }
      let ann = try #require(done.output)
      try await org.perform { workspace throws(CommandError) in
        var request = MessageRequest(
          contact: ann, body: "Your receipt", purpose: .transactional, channel: .email)
        request.subject = "Receipt"
        _ = try workspace.planMessage(request)
      }
      try await org.perform { workspace throws(CommandError) in
        _ = try workspace.suppress(
          ["Ann@Example.com"], on: .email, list: .suppression, source: "letter")
      }
      let evidence = try text(try await fixture.export(.contact(ann), of: org.id))
      #expect(evidence.contains("1 messages were not sent after it"))
    }
  }

  /// Goal: what goes to a number that somebody has given up, and said no from, is in the evidence of that no.
  @Test func `a no from an old number is one of that number`() async throws {
    try await ExportHouse.with(isRunning: true) { fixture in
      let org = try await fixture.house.org()
      let ann = try await org.contact(Self.number, name: "Ann")
      let sent = try await org.send("News", to: ann, .marketing).id
      try await org.waitFor(sent, .delivered)
      try await move(ann, to: "+12125550162", in: org)
      let bob = try await org.contact(Self.number, name: "Bob")
      try await org.receive("STOP", from: Self.number)
      #expect(try await org.send("Hi", to: bob).verdict.outcome == .refused(.revoked))
      let scope = AuditScope.number(contacts: [ann, bob].sorted())
      let refused = try text(
        try await fixture.export(scope, number: Self.number, of: org.id, to: "refused"))
      // Of both, who said it with one text.
      #expect(refused.components(separatedBy: "1 messages were not sent after it").count == 3)
      try await org.receive("START", from: Self.number)
      let taken = try text(
        try await fixture.export(scope, number: Self.number, of: org.id, to: "taken"))
      #expect(!taken.contains(Self.nothing))
    }
  }

  private func move(_ contact: Identifier, to phone: String, in org: TestOrg) async throws {
    try await org.perform { workspace throws(CommandError) in
      try workspace.updateContact(
        contact, [FieldChange(field: "phone", value: .text(phone))])
    }
  }
}
