import Domain
import EventCodec
import EventLog
import Foundation
import Testing

/// `Tests/golden/events.tsv` holds stored payloads, one a type and version. They are never changed: what
/// is in somebody's log reads like this for ever. A new type or version adds lines.
@Suite struct GoldenTests {
  /// Type, version, and the payloads of the parts.
  struct Golden: Sendable {
    let type: String
    let version: UInt16
    let payloads: [String]

    init(line: Substring) throws {
      let columns = line.split(separator: "\t")
      try #require(columns.count >= 3)
      type = String(columns[0])
      version = try #require(UInt16(columns[1]))
      payloads = columns[2...].map(String.init)
    }
  }

  static func golden() throws -> [Golden] {
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let file = tests.appending(path: "golden/events.tsv")
    return try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
      .map(Golden.init(line:))
  }

  @Test func `every type has a golden event of every version`() throws {
    let expected = EventCodec.types.flatMap { type in
      (1...type.schemaVersion).map { "\(type.name) \($0)" }
    }
    #expect(try Self.golden().map { "\($0.type) \($0.version)" } == expected)
  }

  @Test func `golden events still mean what they meant`() throws {
    let samples = Dictionary(
      uniqueKeysWithValues: SampleEvents.all.map { sample in
        (
          EventCodec.encode(sample, stream: SampleEvents.orgID, org: SampleEvents.orgID).type,
          sample
        )
      })
    for golden in try Self.golden() {
      let event = try EventCodec.decode(
        .storing(golden.type, payloads: golden.payloads, version: golden.version))
      #expect(event.event == samples[golden.type], "\(golden.type)")
    }
  }

  @Test func `golden events of the newest version are what is written today`() throws {
    let today = SampleEvents.all.map { sample in
      let event = EventCodec.encode(sample, stream: SampleEvents.orgID, org: SampleEvents.orgID)
      let payloads = event.parts.map { String(decoding: $0.payload, as: UTF8.self) }
      return ([event.type, String(event.schemaVersion)] + payloads).joined(separator: "\t")
    }
    let newest = Dictionary(
      uniqueKeysWithValues: EventCodec.types.map { ($0.name, $0.schemaVersion) })
    let stored = try Self.golden().filter { newest[$0.type] == $0.version }.map {
      ([$0.type, String($0.version)] + $0.payloads).joined(separator: "\t")
    }
    #expect(stored == today)
  }
}
