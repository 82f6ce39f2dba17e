import Crypto
import EventLog
import Foundation
import JSON

/// A log of each format version, kept for ever: `eventlog/golden/v<version>/`. `log.bundle` is the log's folder,
/// `expected.json` what it must be read as.
package enum GoldenLog {
  package static let orgs = (1...4).map { OrgID(UInt128($0) << 64 | 0xD0) }
  package static let erased = SubjectID(0xE1)
  private static let people = (0..<6).map { SubjectID(0xA0 + UInt128($0)) }
  private static let startMicros: Int64 = 1_790_000_000_000_000

  /// Makes a log of today's format, and writes both files into `folder`.
  package static func make(at folder: String) async throws {
    let scratch = NSTemporaryDirectory() + "daybook-golden-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: scratch, withIntermediateDirectories: true)
    defer {
      // Left behind in the temporary directory at worst.
      _ = try? FileManager.default.removeItem(atPath: scratch)
    }
    let expected = try await write(to: scratch)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(try FileBundle.pack(scratch)).write(to: URL(filePath: folder + "/log.bundle"))
    try Data((expected.text + "\n").utf8).write(to: URL(filePath: folder + "/expected.json"))
  }

  /// A log of everything that today's format has: merged runs, tiles and stored nodes, large blocks, a dictionary and small
  /// blocks that were made with it, somebody erased. Returns what it must be read as.
  @discardableResult
  package static func write(to directory: String) async throws -> JSON {
    let ticks = TickingClock(startMicros)
    var options = LMDBEventLog.Options()
    options.nowMicros = { ticks.next() }
    options.compaction.pauseFactor = nil
    options.compaction.dictionaryEvents = 512
    let log = try LMDBEventLog(directory: directory, options: options)
    try await fill(log)
    try await log.erase([erased], org: orgs[0])
    let expected = try expectation(of: log)
    await log.close()
    return expected
  }

  /// What a reader is told about everything in the log.
  package static func expectation(of log: LMDBEventLog) throws -> JSON {
    let digest = try EventDigest.of(log)
    var books: [JSON] = []
    for (org, count) in try log.orgs().sorted(by: { $0.key < $1.key }) {
      books.append([
        "org": .string(String(org.value, radix: 16)), "events": .int(Int64(count)),
        "root": .string(Hex.encode(try log.root(of: org, size: count).bytes)),
      ])
    }
    return [
      "events": .int(Int64(digest.eventCount)), "digest": .string(digest.finish()),
      "books": .array(books), "keys": .array(try keys.map { try answer(to: $0, log) }),
    ]
  }

  private static let keys = ["first", "batch-3", "single-100", "single-599", "never used"]

  private static func answer(to name: String, _ log: any EventReader) throws -> JSON {
    let receipt = try log.receipt(org: orgs[0], idempotencyKey: key(name))
    return [
      "name": .string(name), "position": JSON(receipt.map { Int64($0.firstPosition) }),
      "sequence": JSON(receipt.map { Int64($0.firstOrgSequence) }),
    ]
  }

  package static func key(_ name: String) -> IdempotencyKey {
    IdempotencyKey(name: name, fingerprint: UInt128(name.utf8.count))
  }

  // MARK: Content

  private static func fill(_ log: LMDBEventLog) async throws {
    _ = try await log.append(
      commit(
        orgs[0],
        [event(1, "org.created", "{\"name\":\"Lakeside\"}"), event(2, "wallet.opened", "")],
        key: "first"))
    // Many events in one commit, over several streams; a payload that compresses, one that does not.
    for number in 0..<6 {
      let org = orgs[number % orgs.count]
      let events = (0..<40).map { index in
        event(UInt128(10 + index % 7), "message.queued", "{\"batch\":\(number),\"n\":\(index)}")
      }
      _ = try await log.append(commit(org, events, key: "batch-\(number)"))
    }
    let noise = String(decoding: Hex.encode(Random.bytes(3_000)).utf8, as: UTF8.self)
    _ = try await log.append(
      commit(
        orgs[1],
        [
          event(3, "import.row", String(repeating: "the same again ", count: 600)),
          event(3, "import.row", noise),
        ]))
    // A block each: enough for nine index runs, eight of which become one, and for two tiles.
    for number in 0..<600 {
      let org = orgs[number % 10 == 9 ? 2 : 0]
      let person = people[number % people.count]
      let personal =
        number % 5 == 0 ? [Part(subject: person, payload: Array("Zoë №\(number)".utf8))] : []
      _ = try await log.append(
        commit(
          org, [event(UInt128(20 + number % 11), "contact.tagged", "{\"n\":\(number)}", personal)],
          key: org == orgs[0] ? "single-\(number)" : nil, causation: UInt64(number)))
    }
    try await fillPeople(log)
    // Large blocks and a dictionary, small ones behind that were made with it, and ids that are stored as numbers.
    try await fillConversations(log, 0..<400)
    _ = try await log.compact()
    try await fillConversations(log, 400..<460)
    guard try log.usage()["dictionaries"] != 0 else { throw CrashError("no dictionary was learnt") }
  }

  private static func fillConversations(_ log: LMDBEventLog, _ numbers: Range<Int>) async throws {
    for number in numbers {
      let text =
        "{\"to\":\"+1415555\(1000 + number)\",\"body\":\"Hi, your appointment is tomorrow at \(number % 12)\"}"
      let part = Part(subject: SubjectID(0x1000 + UInt128(number % 90)), payload: Array(text.utf8))
      let correlation =
        number.isMultiple(of: 2)
        ? "req_01jd3xabcdefghjkmnpqrst\(100 + number)"
        : "0191d2c4-7b1e-4a5f-9c3d-0123456\(10000 + number)"
      _ = try await log.append(
        commit(
          orgs[3],
          [event(UInt128(40 + number % 13), "message.sent", "{\"n\":\(number)}", [part])],
          correlation: correlation))
    }
  }

  /// Several people in one event, and one who is erased afterwards.
  private static func fillPeople(_ log: LMDBEventLog) async throws {
    let long = String(repeating: "what she wrote, ", count: 40)
    _ = try await log.append(
      commit(
        orgs[0],
        [
          event(
            5, "contact.created", "{}",
            [
              Part(subject: erased, payload: Array("Ann Example".utf8)),
              Part(subject: people[0], payload: Array("Bob Example".utf8)),
            ]),
          event(5, "contact.noted", "{}", [Part(subject: erased, payload: Array(long.utf8))]),
          event(6, "contact.noted", "{}", [Part(subject: people[1], payload: Array(long.utf8))]),
        ]))
  }

  private static func event(
    _ stream: UInt128, _ type: String, _ payload: String, _ personal: [Part] = []
  ) -> NewEvent {
    NewEvent(
      stream: StreamID(stream), type: type, schemaVersion: UInt16(1 + payload.utf8.count % 2),
      parts: [Part(subject: nil, payload: Array(payload.utf8))] + personal)
  }

  package static func commit(
    _ org: OrgID, _ events: [NewEvent], key name: String? = nil, causation: UInt64? = nil,
    correlation: String? = nil
  ) -> Commit {
    Commit(
      org: org, events: events, idempotencyKey: name.map { key($0) },
      context: CommitContext(
        actor: "user:usr_1", origin: "api", correlation: correlation ?? "req_\(events.count)",
        causation: causation, depth: causation == nil ? 0 : 2,
        occurredAtMicros: startMicros - 1_000_000))
  }
}
