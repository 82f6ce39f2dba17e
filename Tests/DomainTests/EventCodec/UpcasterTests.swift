import Domain
import JSON
import Testing

@testable import EventCodec

@Suite struct UpcasterTests {
  static let type = EventType(name: "thing.done", schemaVersion: 3, streamKind: .org)

  /// 1 → 2 splits a name; 2 → 3 counts in cents.
  static let split = Upcaster(type: "thing.done", version: 1) { fields, personal in
    let words = personal?["name"]?.string?.split(separator: " ").map(String.init) ?? []
    if personal != nil {
      personal = JSONObject(words.enumerated().map { ("word\($0)", .string($1)) })
    }
    fields["words"] = .int(Int64(words.count))
  }
  static let cents = Upcaster(type: "thing.done", version: 2) { fields, _ in
    let dollars = fields["dollars"]?.int ?? 0
    fields["dollars"] = nil
    fields["cents"] = .int(dollars * 100)
  }

  @Test func `an old version passes every step in order`() throws {
    let chain = try UpcasterChain([Self.cents, Self.split], types: [Self.type])
    var fields = Array(#"{"dollars":3}"#.utf8)
    var personal: [UInt8]? = Array(#"{"name":"Ann Lee"}"#.utf8)
    try chain.upcast(&fields, personal: &personal, type: "thing.done", version: 1)
    #expect(String(decoding: fields, as: UTF8.self) == #"{"words":2,"cents":300}"#)
    #expect(personal == Array(#"{"word0":"Ann","word1":"Lee"}"#.utf8))
  }

  @Test func `a later version passes the later steps only, an erased part stays erased`() throws {
    let chain = try UpcasterChain([Self.split, Self.cents], types: [Self.type])
    var fields = Array(#"{"dollars":3}"#.utf8)
    var personal: [UInt8]?
    try chain.upcast(&fields, personal: &personal, type: "thing.done", version: 2)
    #expect(String(decoding: fields, as: UTF8.self) == #"{"cents":300}"#)
    #expect(personal == nil)
  }

  @Test func `the newest version is left byte for byte as it is`() throws {
    let chain = try UpcasterChain([Self.split, Self.cents], types: [Self.type])
    var fields = Array("not even JSON".utf8)
    var personal: [UInt8]?
    try chain.upcast(&fields, personal: &personal, type: "thing.done", version: 3)
    #expect(fields == Array("not even JSON".utf8))
  }

  @Test(arguments: [0, 4, .max] as [UInt16])
  func `a version that was never written is refused`(version: UInt16) throws {
    let chain = try UpcasterChain([Self.split, Self.cents], types: [Self.type])
    var fields: [UInt8] = []
    var personal: [UInt8]?
    #expect(throws: CodecError.unsupportedVersion(type: "thing.done", version: version)) {
      try chain.upcast(&fields, personal: &personal, type: "thing.done", version: version)
    }
  }

  @Test func `a gap, a second step and a step beyond the newest version are found at the start`() {
    let gap = UpcasterChain.Gap(type: "thing.done", version: 1)
    #expect(throws: gap) { try UpcasterChain([Self.cents], types: [Self.type]) }
    #expect(throws: gap) {
      try UpcasterChain([Self.split, Self.split, Self.cents], types: [Self.type])
    }
    let beyond = Upcaster(type: "thing.done", version: 3) { _, _ in }
    #expect(throws: UpcasterChain.Gap(type: "thing.done", version: 3)) {
      try UpcasterChain([Self.split, Self.cents, beyond], types: [Self.type])
    }
    let stray = Upcaster(type: "other", version: 1) { _, _ in }
    #expect(throws: UpcasterChain.Gap(type: "other", version: 1)) {
      try UpcasterChain([stray], types: [])
    }
  }

  @Test func `the steps that ship have no gap`() throws {
    _ = try UpcasterChain(Upcaster.all, types: EventCodec.types)
  }
}
