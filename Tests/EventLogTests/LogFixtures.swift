import Crypto
import EventLog
import LMDB

let orgA = OrgID(0xA)
let orgB = OrgID(0xB)
let ann = SubjectID(0xA22)
let bob = SubjectID(0xB0B)

func stream(_ number: UInt128) -> StreamID { StreamID(number) }

func event(
  _ streamNumber: UInt128, _ type: String = "thing.happened", payload: String = "{}",
  personal: [(SubjectID, String)] = []
) -> NewEvent {
  NewEvent(
    stream: stream(streamNumber), type: type, schemaVersion: 1,
    parts: [Part(subject: nil, payload: Array(payload.utf8))]
      + personal.map { Part(subject: $0.0, payload: Array($0.1.utf8)) })
}

/// An event that no compressor makes smaller.
func noise(_ byteCount: Int) -> NewEvent {
  NewEvent(
    stream: stream(1), type: "thing.happened", schemaVersion: 1,
    parts: [Part(subject: nil, payload: Random.bytes(byteCount))])
}

let someContext = CommitContext(
  actor: "user:usr_1", origin: "api", correlation: "req_1", occurredAtMicros: 1_700_000_000_000_000)

func commit(
  _ events: [NewEvent], org: OrgID = orgA, expected: [StreamID: ExpectedVersion] = [:],
  key: IdempotencyKey? = nil, context: CommitContext = someContext,
  expectedOrgSequence: UInt64? = nil
) -> Commit {
  Commit(
    org: org, events: events, expected: expected, idempotencyKey: key, context: context,
    expectedOrgSequence: expectedOrgSequence)
}

extension RecordedEvent {
  /// The org's part as text.
  var text: String? {
    guard case .opened(nil, let payload)? = parts.first else { return nil }
    return String(decoding: payload, as: UTF8.self)
  }
}

/// What a failing append throws; nil where it went through.
func failure(of log: some EventLogWriter, appending commit: Commit) async -> EventLogError? {
  do throws(EventLogError) {
    _ = try await log.append(commit)
    return nil
  } catch {
    return error
  }
}

/// A log of the orgs A, B, A, B, A: a block each.
func fillTwoOrgs(_ directory: String) async throws {
  let log = try LMDBEventLog(directory: directory)
  for number in 0..<5 {
    _ = try await log.append(
      commit([event(1, payload: "\(number)")], org: number.isMultiple(of: 2) ? orgA : orgB))
  }
  await log.close()
}

/// Changes a row of the table `nodes` behind the log's back.
func tamperNode(
  _ directory: String, row: [UInt8], _ body: ([UInt8]) throws -> [UInt8]
) throws {
  let environment = try Environment.open(
    path: directory + "/log",
    options: Environment.Options(mapBytes: 1 << 30, tables: ["nodes": .bytes]))
  defer { environment.close() }
  let table = environment.table("nodes")
  try environment.write { transaction throws in
    let bytes = try transaction.reading.withValue(forKey: row, in: table) { span in
      unsafe span.withUnsafeBytes { unsafe Array($0) }
    }
    try transaction.put(try body(bytes ?? []), forKey: row, in: table)
  }
}
