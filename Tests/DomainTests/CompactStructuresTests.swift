import Testing

@testable import Domain

/// What keeps states of contacts small behaves as what it replaces.
struct CompactStructuresTests {
  @Test func `fields of an org's own behave as a dictionary, whatever is done to them`() throws {
    for seed in UInt64(1)...40 {
      var dice = SplitMix64(seed: seed)
      var model: [String: FieldValue] = [:]
      var fields = FieldValues()
      for step in 0..<200 {
        let name = ["", "a", "ab", "b", "é", "z\u{301}", "stadt", "zip"].randomElement(
          using: &dice)!
        let value: FieldValue? =
          Bool.random(using: &dice)
          ? .number(Double(step)) : Bool.random(using: &dice) ? nil : .flag(true)
        model[name] = value
        fields[name] = value
        try #require(fields[name] == value, "seed \(seed)")
        try #require(fields == FieldValues(model), "seed \(seed)")
        try #require(fields.fields.map(\.name) == model.keys.sorted(), "seed \(seed)")
        try #require(fields.isEmpty == model.isEmpty, "seed \(seed)")
      }
      for (name, value) in model { try #require(fields[name] == value, "seed \(seed)") }
    }
  }

  @Test func `a copy of a boxed value keeps what it was when the other one changes`() {
    let first = Boxed([1, 2])
    var second = first
    #expect(second.isIdentical(to: first))
    second.value.append(3)
    #expect(first.value == [1, 2])
    #expect(second.value == [1, 2, 3])
    #expect(first != second)
    second.value.removeLast()
    #expect(first == second && !second.isIdentical(to: first))
  }

  @Test func `a contact's state is a value, and a slot in a table of them is one pointer`() {
    var state = Contact.State()
    let unknown = state
    state.exists = true
    state.tags.insert("vip")
    state.details.custom["city"] = .text("Lima")
    state.erasure = Erasure(reason: .objection, by: "user:x", requestedAtMicros: 1)
    var copy = state
    copy.erasure?.rewrittenAtMicros = 5
    copy.tags.remove("vip")
    #expect(unknown == Contact.State() && !unknown.exists)
    #expect(state.tags == ["vip"] && state.erasure?.rewrittenAtMicros == nil)
    #expect(copy.tags == [] && copy.erasure?.status == .rewritten)
    #expect(MemoryLayout<Contact.State>.size == MemoryLayout<UInt>.size)
  }
}
