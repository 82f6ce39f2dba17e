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

  private func move(_ contact: Identifier, to phone: String, in org: TestOrg) async throws {
    try await org.perform { workspace throws(CommandError) in
      try workspace.updateContact(
        contact, [FieldChange(field: "phone", value: .text(phone))])
    }
  }
}
