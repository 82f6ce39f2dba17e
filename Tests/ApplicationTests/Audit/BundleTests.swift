import Application
import Crypto
import Domain
import EventLog
import Foundation
import JSON
import Merkle
import TestSupport
import Testing

@testable import Application

@Suite struct BundleTests {
  /// Somebody who agreed, got texts and said no; and an older published head.
  private func story(_ fixture: ExportHouse) async throws -> (TestOrg, Identifier) {
    let org = try await fixture.house.org()
    let contact = try await org.contact("+12125550111", name: "Zoë")
    _ = try await fixture.desk.notary.publish(org.id)
    for number in 0..<4 { _ = try await org.contact("+1212555012\(number)", name: "N\(number)") }
    _ = try await fixture.desk.notary.publish(org.id)
    return (org, contact)
  }

  @Test func `a whole book is accepted by both verifiers, and holds its own export's record`()
    async throws
  {
    try await ExportHouse.with { fixture in
      let (org, _) = try await story(fixture)
      let bundle = try await fixture.export(of: org.id)
      let report = bundle.verify()
      #expect(report.problems == [])
      #expect(report.isAuthenticated && report.withheldPartCount == 0)
      #expect(report.olderHeadCount == 2 && report.proofCount == 1)
      #expect(report.size == bundle.summary.eventCount)
      #expect(try StandAlone.check([bundle.path], key: bundle.key) == [0])
      let lines = String(decoding: try bundle.bytes("readable/events.jsonl"), as: UTF8.self)
        .split(separator: "\n")
      #expect(lines.last?.contains("org.audit_exported") == true)
      #expect(UInt64(lines.count) == report.size)
      let kept = String(
        decoding: try bundle.bytes(try #require(try bundle.names.first { $0.hasPrefix("since/") })),
        as: UTF8.self)
      #expect(bundle.verify(kept: [kept]).problems == [])
    }
  }

  /// Each file: the first and the last byte, and of each kind of byte in it (digit, letter, …) the middle one.
  @Test func `a bundle in which one byte of any file differs is refused by both verifiers`()
    async throws
  {
    try await ExportHouse.with { fixture in
      let (org, _) = try await story(fixture)
      let bundle = try await fixture.export(of: org.id)
      var spoiled: [String] = []
      for name in try bundle.names {
        let bytes = try bundle.bytes(name)
        for (index, offset) in Self.places(in: bytes).enumerated() {
          let copy = "\(bundle.path)-\(spoiled.count)"
          let changed = try bundle.changing(name, to: copy) { $0[offset] ^= 1 }
          #expect(!changed.verify().isSound, "\(name), byte \(offset), change \(index)")
          spoiled.append(copy)
        }
      }
      let codes = try StandAlone.check(spoiled, key: bundle.key)
      #expect(codes == spoiled.map { _ in 2 })
    }
  }

  private static func places(in bytes: [UInt8]) -> [Int] {
    var byClass: [Int: [Int]] = [:]
    for (offset, byte) in bytes.enumerated() { byClass[kind(of: byte), default: []].append(offset) }
    let middles = byClass.values.map { $0[$0.count / 2] }
    return Set([0, bytes.count - 1] + middles).filter { bytes.indices.contains($0) }.sorted()
  }

  private static func kind(of byte: UInt8) -> Int {
    switch byte {
    case 0x30...0x39: 0
    case 0x41...0x5a: 1
    case 0x61...0x7a: 2
    case 0x20...0x7e: 3
    case 0..<0x20: 4
    default: 5
    }
  }

  /// The operator can sign any manifest: then the tree, the commitments and the proofs have to tell.
  @Test func `a change is refused also where the manifest was signed again to fit it`()
    async throws
  {
    try await ExportHouse.with { fixture in
      let (org, _) = try await story(fixture)
      let bundle = try await fixture.export(of: org.id)
      let own = ["manifest", "checkpoint", "readable/events.csv", "readable/events.jsonl"]
      var spoiled: [String] = []
      for name in try bundle.names where !own.contains(name) {
        let copy = "\(bundle.path)-\(spoiled.count)"
        let changed = try bundle.changing(name, to: copy) { bytes in
          let middle = bytes.count / 2
          bytes[middle] = bytes[middle] == 0x41 ? 0x42 : 0x41
        }
        try changed.signManifest()
        #expect(!changed.verify().isSound, "\(name)")
        spoiled.append(copy)
      }
      let copy = bundle.path + "-withheld"
      let withheld = try bundle.changing("openings/000.jsonl", to: copy) { bytes in
        bytes.removeSubrange(...(bytes.firstIndex(of: 10) ?? 0))
      }
      try withheld.signManifest()
      #expect(withheld.verify().problems.contains { $0.contains("withheld") })
      spoiled.append(copy)
      let codes = try StandAlone.check(spoiled, key: bundle.key)
      #expect(codes == spoiled.map { _ in 2 }, "\(spoiled)")
    }
  }

  /// One key signs for many logs, and a signature covers the text alone: under the right name may stand another's head.
  @Test func `a proof under another log's head is refused by both verifiers`() async throws {
    try await ExportHouse.with { fixture in
      let (org, _) = try await story(fixture)
      let bundle = try await fixture.export(of: org.id)
      let key = try Notary.key(fixture.log.identity, directory: fixture.directory)
      let signer = key.instanceSigner(incarnation: 1)
      let head = try bundle.signer.verifier.open(
        String(decoding: try bundle.bytes("checkpoint"), as: UTF8.self))
      let root = MerkleTree.leafHash(Array(head.utf8))
      func proof(under origin: String) throws -> [UInt8] {
        let note = try signer.sign("\(origin)\n1\n\(Base64.encode(root.bytes))\n")
        return Array(InclusionProof(index: 0, path: [], checkpoint: note).text.utf8)
      }
      let name = "instance.tlog-proof"
      // What differs is the name alone.
      let ours = try bundle.changing(name, to: bundle.path + "-ours") {
        $0 = try proof(under: signer.name)
      }
      let others = try bundle.changing(name, to: bundle.path + "-others") {
        $0 = try proof(under: "elsewhere/instance")
      }
      for copy in [ours, others] { try copy.signManifest() }
      #expect(ours.verify().isSound && !others.verify().isSound)
      #expect(try StandAlone.check([ours.path, others.path], key: bundle.key) == [0, 2])
    }
  }

  @Test func `another's key, a missing file and a file too many are refused`() async throws {
    try await ExportHouse.with { fixture in
      let (org, _) = try await story(fixture)
      let bundle = try await fixture.export(of: org.id)
      let other = NoteSigner(
        name: bundle.signer.name, key: try Ed25519.PrivateKey(seed: Array(0..<32)))
      var foreign = AuditBundle(
        directory: bundle.path, verifierKey: other.verifier.verifierKey)
      #expect(!foreign.verify().isSound)
      #expect(
        try StandAlone.check([bundle.path], key: other.verifier.verifierKey) == [2])
      let more = try bundle.changing("policy", to: bundle.path + "-more") { _ in }
      try Data("x".utf8).write(to: URL(filePath: more.path + "/extra"))
      let less = try bundle.changing("policy", to: bundle.path + "-less") { _ in }
      try FileManager.default.removeItem(atPath: less.path + "/openings/000.jsonl")
      let linked = try bundle.changing("policy", to: bundle.path + "-linked") { _ in }
      try FileManager.default.createSymbolicLink(
        atPath: linked.path + "/more", withDestinationPath: bundle.path)
      #expect(!more.verify().isSound && !less.verify().isSound && !linked.verify().isSound)
      #expect(
        try StandAlone.check([more.path, less.path, linked.path], key: bundle.key) == [2, 2, 2])
    }
  }

  @Test func `a scope opens what it asks for, proves each event, and hides nothing's existence`()
    async throws
  {
    try await ExportHouse.with { fixture in
      let (org, contact) = try await story(fixture)
      let bundle = try await fixture.export(
        .contact(contact), of: org.id, opensCredentials: false)
      let report = bundle.verify()
      #expect(report.problems == [])
      #expect(report.scope == "contact \(contact)")
      #expect(report.proofCount > 0 && UInt64(report.proofCount) == bundle.summary.openedCount)
      #expect(report.withheldPartCount > 0)
      let text = String(decoding: try bundle.bytes("readable/events.jsonl"), as: UTF8.self)
      #expect(text.contains("Zoë") && !text.contains("N2"))
      let found = try fixture.desk.contacts(with: "+12125550111", of: org.id)
      #expect(found == [contact])
      let byNumber = try await fixture.export(
        .number(contacts: found), of: org.id, to: "by-number")
      #expect(byNumber.verify().problems == [])
      #expect(
        try StandAlone.check([bundle.path, byNumber.path], key: bundle.key) == [0, 0])
    }
  }

  @Test func `credentials stay closed for those who may not see them`() async throws {
    try await ExportHouse.with { fixture in
      let (org, _) = try await story(fixture)
      let bundle = try await fixture.export(of: org.id, opensCredentials: false)
      let report = bundle.verify()
      #expect(report.problems == [] && report.withheldPartCount == 1)
      let openings = String(decoding: try bundle.bytes("openings/000.jsonl"), as: UTF8.self)
      #expect(!openings.contains(Base64.encode(Array("{\"auth_token\":\"token\"}".utf8))))
    }
  }

  private func evidence(_ bundle: Bundle) throws -> String {
    String(
      decoding: try bundle.bytes("evidence.pdf").map { $0 < 0x80 ? $0 : 0x3f }, as: UTF8.self)
  }

  /// A hook, a letter: whoever comes to have the number later, the no is the number's.
  @Test func `the no of a number that nobody had is in the evidence of the number`() async throws {
    let number = "+12125550144"
    try await ExportHouse.with { fixture in
      let (org, _) = try await story(fixture)
      try await org.perform { workspace throws(CommandError) in
        try workspace.optOut(phone: number, email: nil, channel: .sms)
        try workspace.optOut(phone: "+12125550155", email: nil, channel: .sms)
      }
      let none = try await fixture.export(
        .number(contacts: []), number: number, of: org.id, to: "none")
      let contact = try await org.contact(number, consents: [])
      let texts = [
        none, try await fixture.export(.contact(contact), of: org.id, to: "contact"),
        try await fixture.export(
          .number(contacts: [contact]), number: number, of: org.id, to: "number"),
      ]
      for bundle in texts {
        #expect(bundle.verify().problems == [])
        let text = try evidence(bundle)
        #expect(!text.contains("No revocation is"), "\(bundle.path)")
        #expect(text.contains("org.address_suppressed"), "\(bundle.path)")
        #expect(text.contains("source: opt_out:api"), "\(bundle.path)")
        #expect(text.contains("Nothing was handed out after it on this channel"), "\(bundle.path)")
        let lines = String(decoding: try bundle.bytes("readable/events.jsonl"), as: UTF8.self)
        // Another's stays closed.
        #expect(lines.split(separator: "\n").count { $0.contains("org.address_suppressed") } == 1)
      }
    }
  }

  /// Whether what is not shown says otherwise, nobody can read here.
  @Test func `evidence that leaves events out says nothing of them`() async throws {
    try await ExportHouse.with { fixture in
      let (org, contact) = try await story(fixture)
      let (record, published) = try await fixture.desk.begin(
        TestOrg.call, org: org.id, scope: .contact(contact), opensCredentials: true)
      try await org.perform { workspace throws(CommandError) in
        try workspace.optOut(phone: "+12125550111", email: nil, channel: .sms)
      }
      func text(leavingOut count: Int) throws -> String {
        var evidence = Evidence(org: org.id, record: record, published: published)
        let own = try fixture.log.readStream(
          org: OrgID(org.id.value), stream: StreamID(contact.value), from: 1, limit: 100,
          direction: .forwards)
        let yes = try #require(own.first { $0.type == "contact.created" })
        let no = try #require(own.first { $0.type == "contact.opted_out" })
        try evidence.add(no, try EventJSON.object(no))
        for _ in 0..<4_999 + count { try evidence.add(yes, ["data": [:]]) }
        return String(decoding: evidence.pdf().map { $0 < 0x80 ? $0 : 0x3f }, as: UTF8.self)
      }
      let whole = try text(leavingOut: 0)
      for words in [
        "Nothing was handed out after it on this channel", "No consent is on record",
        "No message is on record", "0 messages were not sent after it, by the verdicts below.",
      ] {
        #expect(whole.contains(words), "\(words)")
      }
      #expect(!whole.contains("among the events"))
      let cut = try text(leavingOut: 1)
      for words in [
        "1 further events are in the bundle only",
        "Among the events shown here, nothing was handed out after it on this channel",
        "No consent is among the events shown here", "No message is among the events shown here",
        "0 messages were not sent after it, by the verdicts below, among the events shown here",
      ] {
        #expect(cut.contains(words), "\(words)")
      }
      #expect(!cut.contains("is on record."))
    }
  }

  @Test func `what a person's export shows reads in words, and is a sound PDF`() async throws {
    try await ExportHouse.with { fixture in
      let (org, contact) = try await story(fixture)
      _ = try await org.send("Sale!", to: contact)
      let bundle = try await fixture.export(.contact(contact), of: org.id)
      let pdf = try bundle.bytes("evidence.pdf")
      let text = String(decoding: pdf.map { $0 < 0x80 ? $0 : 0x3f }, as: UTF8.self)
      for words in [
        "What was agreed to", "wording: I agree", "No revocation is on record", bundle.signer.name,
        "Rule by rule:", "opt_out             2026-11-21.4  nothing against it",
        "quiet_hours         2026-11-21.4  ",
      ] {
        #expect(text.contains(words), "\(words)")
      }
      // Each entry of the cross-reference table leads to its object.
      let table = try #require(text.range(of: "xref\n0 "))
      let entries = text[table.upperBound...].split(separator: "\n").dropFirst(2)
        .prefix { $0.hasSuffix("n ") }
      for (index, entry) in entries.enumerated() {
        let offset = try #require(Int(entry.prefix(10)))
        let expected = Array("\(index + 1) 0 obj".utf8)
        #expect(Array(pdf[offset..<offset + expected.count]) == expected)
      }
      #expect(text.contains("/Size \(entries.count + 1) /Root \(entries.count) 0 R"))
      #expect(text.contains("\n\(entries.count) 0 obj\n<< /Type /Catalog"))
      await #expect(throws: CommandError.notFound(Identifier(.message, 1))) {
        _ = try await fixture.export(.message(Identifier(.message, 1)), of: org.id, to: "none")
      }
    }
  }

  /// The commitments outlive the key: leaves, head and older proofs stay as they were, and the erasure explains
  /// what is not opened any more.
  @Test func `an erasure leaves every proof valid and withholds what was erased`() async throws {
    try await ExportHouse.with { fixture in
      let (org, contact) = try await story(fixture)
      let before = try await fixture.export(.contact(contact), of: org.id)
      #expect(before.verify().problems == [])
      try await fixture.log.erase([SubjectID(contact.value)], org: OrgID(org.id.value))
      #expect(before.verify().problems == [])
      #expect(try StandAlone.check([before.path], key: before.key) == [0])
      let after = try await fixture.export(.contact(contact), of: org.id, to: "after")
      let report = after.verify(kept: [
        String(decoding: try before.bytes("checkpoint"), as: UTF8.self)
      ])
      #expect(report.problems == [])
      #expect(after.summary.erasedPartCount > 0)
      for name in try before.names where name.hasPrefix("proofs/") && name.hasSuffix(".leaf") {
        #expect(try after.bytes(name) == before.bytes(name), "\(name)")
      }
      let text = String(decoding: try after.bytes("readable/events.jsonl"), as: UTF8.self)
      #expect(!text.contains("Zoë"))
      #expect(try StandAlone.check([after.path], key: after.key) == [0])
      // Of a whole book, what is neither opened nor named by an erasure event is missing.
      let whole = try await fixture.export(of: org.id, to: "whole")
      #expect(whole.verify().problems.contains { $0.contains("no erasure names its key") })
      #expect(try StandAlone.check([whole.path], key: whole.key) == [2])
      try await recordErasure(of: contact, org)
      let explained = try await fixture.export(of: org.id, to: "explained")
      let erased = explained.verify()
      #expect(erased.problems == [])
      #expect(erased.erasedPartCount > 0 && erased.withheldPartCount == 0)
      #expect(try StandAlone.check([explained.path], key: explained.key) == [0])
    }
  }

  /// A backup folder that is away, or a read model, keeps an erasure from its end for days.
  @Test func `a book that is exported in the middle of an erasure is whole`() async throws {
    try await ExportHouse.with { fixture in
      let (org, contact) = try await story(fixture)
      try await org.perform { workspace throws(CommandError) in
        try workspace.requestErasure(of: contact, reason: .personAsked)
      }
      try await fixture.log.erase([SubjectID(contact.value)], org: OrgID(org.id.value))
      let bundle = try await fixture.export(of: org.id, to: "meanwhile")
      let report = bundle.verify()
      #expect(report.problems == [])
      #expect(report.erasedPartCount > 0 && report.withheldPartCount == 0)
      #expect(try StandAlone.check([bundle.path], key: bundle.key) == [0])
      // Of somebody else nothing may be missing.
      let other = try await org.contact("+12125550177", name: "Zelda")
      try await fixture.log.erase([SubjectID(other.value)], org: OrgID(org.id.value))
      let short = try await fixture.export(of: org.id, to: "short")
      #expect(short.verify().problems.contains { $0.contains("no erasure names its key") })
      #expect(try StandAlone.check([short.path], key: short.key) == [2])
    }
  }

  /// The writer has in memory what it read before, and would make the folder again.
  @Test func `an export that is under way ends with the erasure that overtakes it`() async throws {
    try await ExportHouse.with { fixture in
      let (org, contact) = try await story(fixture)
      let reader = InterruptedReader(fixture.log)
      let directory = fixture.directory + "/overtaken"
      let desk = try ExportDesk(
        engine: fixture.house.engine, reader: reader, notary: fixture.desk.notary,
        directory: directory, report: { Issue.record("\($0)") })
      let record = try await desk.begin(
        TestOrg.call, org: org.id, scope: .contact(contact), opensCredentials: true
      ).record
      let discarded = TestSupport.Gate()
      reader.interrupt {
        Task {
          do { try await desk.discardAll(of: org.id) } catch { Issue.record(error) }
          discarded.open()
        }
        // Discarding either calls the writer off, or takes the folder away from under it.
        let folder = "\(directory)/\(record.id)"
        while !Task.isCancelled, FileManager.default.fileExists(atPath: folder) {
          Thread.sleep(forTimeInterval: 0.001)
        }
      }
      _ = try await desk.start(record, org: org.id)
      await discarded.wait()
      try await wait("the export is over") {
        desk.status(record.id, of: org.id)?["status"]?.string != "running"
      }
      #expect(desk.status(record.id, of: org.id)?["status"]?.string == "failed")
      #expect(desk.archive(record.id, of: org.id)?.path == nil)
      #expect(
        try FileManager.default.subpathsOfDirectory(atPath: directory)
          == [record.id.text, "\(record.id)/export.json"])
      // The next one, which found nothing of the person, is not held back.
      try await desk.discardAll(of: org.id)
      #expect(desk.status(record.id, of: org.id) == nil)
    }
  }

  /// Goal: a program of its own, which no erasure calls off, leaves no folder that shows who was erased meanwhile, or that a verifier
  /// finds incomplete. Method: the erasure comes between two reads; of somebody whom the export is about, and of another.
  @Test func `an export that no erasure calls off throws away what it has of the erased`()
    async throws
  {
    try await ExportHouse.with { fixture in
      let (org, contact) = try await story(fixture)
      let other = try await org.contact("+12125550177", name: "Zelda")
      let third = try await org.contact("+12125550178", name: "Zoran")
      for (number, (scope, erased, isOver)) in [
        (AuditScope.contact(other), contact, false), (.contact(other), other, true),
        (.account, third, true),
      ].enumerated() {
        let (record, published) = try await fixture.desk.begin(
          TestOrg.call, org: org.id, scope: scope, opensCredentials: true)
        try await org.perform { workspace throws(CommandError) in
          try workspace.requestErasure(of: erased, reason: .personAsked)
        }
        try await fixture.log.erase([SubjectID(erased.value)], org: OrgID(org.id.value))
        let name = "overtaken\(number)"
        if isOver {
          #expect(throws: AuditError.erasedMeanwhile) {
            try fixture.write(record, published, of: org.id, to: name)
          }
          #expect(!FileManager.default.fileExists(atPath: fixture.directory + "/" + name))
        } else {
          let bundle = try fixture.write(record, published, of: org.id, to: name)
          #expect(bundle.verify().problems == [])
        }
      }
      let bundle = try await fixture.export(of: org.id, to: "again")
      #expect(bundle.verify().problems == [])
    }
  }

  /// As the reactor does it: `subject.erased` names the keys by the ids that leaves show.
  private func recordErasure(of contact: Identifier, _ org: TestOrg) async throws {
    try await org.perform { workspace throws(CommandError) in
      try workspace.requestErasure(of: contact, reason: .personAsked)
    }
    try await org.perform { workspace throws(CommandError) in
      try workspace.recordDestruction(of: contact)
      try workspace.recordErasure(of: contact)
    }
  }
}
