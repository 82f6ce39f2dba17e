import BinaryCoding
import Domain
import EventLog
import Glibc
import ScratchFile
import Testing

@testable import Application

/// Goal: a table with room for a handful of contacts answers as a dictionary does, whatever comes in whatever order, and after it
/// was put aside as bytes too. Method: random events, notes and questions beside a dictionary.
@Suite struct ContactTableTests {
  private static var narrow: ContactMemory {
    var memory = ContactMemory(hotCount: 5, waitingBytes: 700)
    memory.segmentBytes = 6_000
    memory.slackBytes = 2_000
    return memory
  }

  @Test(arguments: 0..<6 as Range<UInt64>)
  func `a table with room for five answers as a dictionary does`(seed: UInt64) throws {
    var dice = SplitMix64(seed: seed)
    var table = ContactTable(Self.narrow)
    var model = ContactModel()
    for step in 0..<3_000 {
      let id = model.anyID(&dice)
      switch Int.random(in: 0..<20, using: &dice) {
      case 0..<12:
        let event = model.anyEvent(of: id, &dice)
        table.apply(event, to: id)
        model.apply(event, to: id)
      case 12..<16:
        let micros = Micros(step)
        table.note(id) { $0.activity.record(.messageSent, atMicros: micros) }
        model.note(id) { $0.activity.record(.messageSent, atMicros: micros) }
      case 16:
        table.note(id) { $0.lastInboundMicros[.email] = Micros(step) }
        model.note(id) { $0.lastInboundMicros[.email] = Micros(step) }
      case 17 where step % 7 == 0: table = try Self.reloaded(table)
      default: break
      }
      try #require(table[id] == model.records[id], "seed \(seed) step \(step)")
      try #require(table.isErased(id) == (model.records[id]?.state.isErased ?? false))
      if step % 50 == 0 { try model.check(table, "seed \(seed) step \(step)") }
      try #require(table.fault == nil)
    }
    try model.check(table, "seed \(seed)")
    try model.check(try Self.reloaded(table), "seed \(seed) reloaded")
  }

  @Test func `the same contacts have the same bytes, wherever they are kept`() throws {
    var dice = SplitMix64(seed: 9)
    let tables = [ContactTable(), ContactTable(Self.narrow)]
    var model = ContactModel()
    for _ in 0..<500 {
      let id = model.anyID(&dice)
      let event = model.anyEvent(of: id, &dice)
      model.apply(event, to: id)
      for table in tables { table.apply(event, to: id) }
    }
    let bytes = try tables.map { try BinaryCoding.canonicalBytes(of: $0) }
    #expect(bytes[0] == bytes[1])
    #expect(try BinaryCoding.canonicalBytes(of: try Self.reloaded(tables[0])) == bytes[0])
  }

  @Test func `what changes often does not make the files grow without end`() throws {
    let files = TestFiles()
    let table = ContactTable(files.memory(hotCount: 5))
    for number in 0..<300 { table.apply(.anybody(number), to: .contact(number)) }
    for round in 0..<200 {
      for number in stride(from: round % 7, to: 300, by: 7) {
        table.apply(.tagged(tag: "round \(round % 9)"), to: .contact(number))
      }
    }
    #expect(table.fault == nil)
    #expect(files.madeCount > 10)
    // 300 records of some 150 bytes; twice that, the slack, and one segment that is being emptied.
    #expect(table.fileBytes < 2 * 300 * 170 + 2_000 + 2 * 6_000)
    #expect(table[.contact(299)]?.state.tags.contains("round 0") == true)
  }

  @Test func `a snapshot with a contact twice, or cut off, is refused`() throws {
    let table = ContactTable()
    table.apply(.anybody(1), to: .contact(1))
    let bytes = try BinaryCoding.canonicalBytes(of: table)
    let twice = [2] + bytes.dropFirst() + bytes.dropFirst()
    #expect(throws: BinaryCodingError.malformed) {
      try BinaryCoding.decode(ContactTable.self, from: Array(twice))
    }
    #expect(throws: BinaryCodingError.endsEarly) {
      try BinaryCoding.decode(ContactTable.self, from: Array(bytes.dropLast()))
    }
  }

  @Test func `a few contacts never come into a file`() {
    let files = TestFiles()
    let table = ContactTable(files.memory(hotCount: 300))
    for number in 0..<300 { table.apply(.anybody(number), to: .contact(number)) }
    #expect(files.madeCount == 0)
  }

  private static func reloaded(_ table: ContactTable) throws -> ContactTable {
    var pieces: [[UInt8]] = []
    try BinaryCoding.encode(table, pieceBytes: 300) { pieces.append($0) }
    var rest = pieces[...]
    return try BinaryCoding.decode(ContactTable.self, context: narrow) { rest.popFirst() }
  }
}

// MARK: - Faults

@Suite struct ContactFileTests {
  @Test func `a file that cannot be written keeps contacts in memory until it can`() throws {
    let files = TestFiles()
    files.isDiskFull = true
    let table = ContactTable(files.memory(hotCount: 5))
    for number in 0..<500 { table.apply(.anybody(number), to: .contact(number)) }
    for number in 0..<500 {
      try #require(table[.contact(number)]?.state.details.firstName == "Person \(number)")
    }
    #expect(files.lines.count == 1 && files.lines[0].contains("No space left"))
    files.isDiskFull = false
    for number in 0..<500 { table.apply(.tagged(tag: "later"), to: .contact(number)) }
    for number in 0..<500 {
      try #require(table[.contact(number)]?.state.tags == ["later"])
    }
    #expect(table.fault == nil)
    #expect(files.lines.count == 2 && files.lines[1].contains("again"))
  }

  @Test func `a file that cannot be made is tried again`() throws {
    let files = TestFiles()
    files.isRefused = true
    let table = ContactTable(files.memory(hotCount: 5))
    for number in 0..<100 { table.apply(.anybody(number), to: .contact(number)) }
    #expect(files.madeCount == 0 && files.lines.count == 1)
    files.isRefused = false
    for number in 100..<200 { table.apply(.anybody(number), to: .contact(number)) }
    #expect(files.madeCount > 0 && files.lines.count == 2)
    for number in 0..<200 {
      try #require(table[.contact(number)]?.state.details.firstName == "Person \(number)")
    }
  }

  @Test func `a contact that cannot be read back is a fault, not a contact that is not there`() {
    let files = TestFiles()
    let table = ContactTable(files.memory(hotCount: 5))
    for number in 0..<300 { table.apply(.anybody(number), to: .contact(number)) }
    files.cutOff()
    #expect(table.fault == nil)
    #expect(table.contacts(withPhone: "+15550000000").isEmpty)
    #expect(
      table.fault == .file(.init(function: "pread", errorNumber: EIO)))
    #expect(throws: ContactFault.self) { try BinaryCoding.canonicalBytes(of: table) }
  }

  @Test func `a file that says something else is a fault`() {
    let files = TestFiles()
    let table = ContactTable(files.memory(hotCount: 5))
    for number in 0..<300 { table.apply(.anybody(number), to: .contact(number)) }
    files.overwrite()
    table.forEach { _, _ in }
    #expect(table.fault == .damaged)
  }

  @Test func `nobody without the key finds a person in the files`() throws {
    let files = TestFiles()
    let table = ContactTable(files.memory(hotCount: 5))
    for number in 0..<300 { table.apply(.anybody(number), to: .contact(number)) }
    let request = ErasureRequest(
      reason: .personAsked, by: "usr_1", atMicros: 1, addresses: .known([]))
    for number in 0..<300 { table.apply(.erasureRequested(request), to: .contact(number)) }
    let bytes = files.contents
    #expect(bytes.count > 20_000)
    for text in ["Person", "+1555", "people.example"] {
      #expect(!bytes.contains(text))
    }
  }

  /// The gate decides on what is read here.
  @Test func `nothing is decided on contacts that cannot be read, and the book is read again`()
    async throws
  {
    let files = TestFiles()
    let engine = try Engine(
      log: MemoryEventLog(),
      tools: Tools(
        clock: SystemClock(), random: SystemRandom(), numbers: PhoneBook(),
        zones: SystemZoneClock()), contacts: files.memory(hotCount: 5))
    let call = Call(actor: "key:test", origin: "api", correlation: "req_test")
    let org = try await engine.createOrg(
      NewOrg(
        name: "Org", kind: .direct, agency: nil, timeZone: "America/New_York", isTest: true,
        clockOffsetMicros: 0), call)
    let made =
      try await org.perform(call) { workspace throws(CommandError) -> [Identifier] in
        var ids: [Identifier] = []
        for number in 0..<200 {
          ids.append(
            try workspace.createContact(
              ContactRequest(
                details: ContactDetails(firstName: "P", email: "p\(number)@x.example"),
                source: "test")))
        }
        return ids
      }
    let first = try #require(made.output?.first)
    files.cutOff()
    await #expect(
      throws: CommandError.contactsUnreadable(.file(.init(function: "pread", errorNumber: EIO)))
    ) {
      _ = try await org.perform(call) { workspace throws(CommandError) in
        try workspace.addTags(["vip"], to: first)
      }
    }
    _ = try await org.perform(call) { workspace throws(CommandError) in
      try workspace.addTags(["vip"], to: first)
    }
    let tags = try await org.read { workspace throws(CommandError) in
      try workspace.contact(first).tags
    }
    #expect(tags == ["vip"])
  }
}

// MARK: - Records

@Suite struct ContactRecordTests {
  @Test func `a record comes back as it was, whatever it holds`() throws {
    var dice = SplitMix64(seed: 3)
    var model = ContactModel()
    for step in 0..<2_000 {
      let id = model.anyID(&dice)
      let event = model.anyEvent(of: id, &dice)
      model.apply(event, to: id)
      model.note(id) { record in
        record.activity.record(
          Activity.Kind.allCases.randomElement(using: &dice) ?? .messageSent,
          atMicros: Int64.random(in: -5...5_000, using: &dice))
        record.lastInboundMicros[.sms] = Micros(step)
      }
      let record = try #require(model.records[id])
      let output = BinaryOutput()
      try record.write(to: output)
      let bytes = output.take()
      let input = BinaryInput(bytes)
      try #require(try ContactRecord(from: input) == record)
      try #require(try input.isAtEnd())
      for cut in [0, bytes.count / 2, bytes.count - 1] {
        #expect(throws: BinaryCodingError.endsEarly) {
          _ = try ContactRecord(from: BinaryInput(Array(bytes.prefix(cut))))
        }
      }
    }
  }

  /// Whoever adds a property adds it to the record's bytes, and here.
  @Test func `a record has every property that a contact has`() {
    var details = ContactDetails()
    details.custom["a"] = .flag(true)
    var record = ContactRecord()
    record.state.details = details
    record.state.grants = [
      ConsentGrant(channel: .sms, purpose: .marketing, sender: nil, atMicros: 1)
    ]
    record.activity.record(.messageSent, atMicros: 1)
    #expect(
      labels(of: record) == [
        "state": ["fields"], "activity": ["moments"], "createdAtMicros": [],
        "lastInboundMicros": [],
      ])
    #expect(
      fields(of: record.state) == [
        "consents", "details", "erasure", "exists", "grants", "isArchived", "isErased",
        "sellerOptOuts", "serviceOnly", "source", "suspectedOptOuts", "tags",
      ])
    #expect(
      names(of: details) == [
        "company", "custom", "email", "firstName", "lastName", "phone", "rawPhone",
      ])
    #expect(names(of: details.custom.fields[0]) == ["name", "value"])
    #expect(names(of: record.state.grants[0]) == ["atMicros", "channel", "purpose", "sender"])
    #expect(names(of: record.activity.moments[0]) == ["atMicros", "kind"])
  }

  private func names(of value: Any) -> [String] {
    Mirror(reflecting: value).children.compactMap(\.label).sorted()
  }

  private func labels(of record: ContactRecord) -> [String: [String]] {
    Dictionary(
      uniqueKeysWithValues: Mirror(reflecting: record).children.map { child in
        (child.label ?? "", names(of: child.value))
      })
  }

  /// What is behind the pointer of a state.
  private func fields(of state: Contact.State) -> [String] {
    var value: Any = state
    while let only = Mirror(reflecting: value).children.first,
      Mirror(reflecting: value).children.count == 1
    {
      value = only.value
    }
    return names(of: value)
  }
}

// MARK: - Indexes

@Suite struct OrdinalIndexTests {
  /// Goal: what is inserted is found, and nothing else, where many share a shard, a place and even all that is kept of
  /// their hash. Method: random insertions and removals of few hashes beside a dictionary.
  @Test(arguments: 0..<20 as Range<UInt64>)
  func `an index finds what was inserted and nothing that was removed`(seed: UInt64) throws {
    var dice = SplitMix64(seed: seed)
    // One shard has all: the lower six bits of what is kept are the same. A few hashes are next to each other.
    let hashes = (0..<30).map { number in
      let place = number < 15 ? UInt64(number) : dice.next() >> 38
      return Int(truncatingIfNeeded: (place << 6 | 5) << 32 | dice.next() >> 33)
    }
    var index = OrdinalIndex()
    var expected: [Int: Set<UInt32>] = [:]
    for step in 0..<4_000 {
      let hash = try #require(hashes.randomElement(using: &dice))
      let ordinal = UInt32.random(in: 0..<20, using: &dice)
      if expected[hash, default: []].insert(ordinal).inserted {
        index.insert(ordinal, hash: hash)
      } else if Int.random(in: 0..<3, using: &dice) > 0 {
        expected[hash]?.remove(ordinal)
        index.remove(ordinal, hash: hash)
      }
      let asked = try #require(hashes.randomElement(using: &dice))
      try #require(
        index.candidates(hash: asked) == kept(asked, expected), "seed \(seed) step \(step)")
      try #require(
        (index.first(hash: asked) { $0 == ordinal } != nil)
          == kept(asked, expected).contains(ordinal))
    }
  }

  /// The ordinals of all hashes of which the same is kept.
  private func kept(_ hash: Int, _ all: [Int: Set<UInt32>]) -> [UInt32] {
    all.filter { $0.key >> 32 == hash >> 32 }.values.flatMap(\.self).sorted()
  }
}
