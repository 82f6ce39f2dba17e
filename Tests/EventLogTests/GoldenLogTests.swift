import CrashKit
import Foundation
import JSON
import Testing

@testable import EventLog

/// What a released version wrote can be read, and written on, for ever.
@Suite struct GoldenLogTests {
  /// `eventlog/golden/v1`, ….
  static let versions: [String] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasPrefix("v") }.sorted()
  }()

  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../eventlog/golden").standardized.path(percentEncoded: false)

  /// Without one a change of the format would be noticed by nothing: all other tests read what the same program wrote.
  @Test func `there is a golden log of every format, up to the one that is written`() {
    #expect(Self.versions == (1...Int(BlockHeader.formatVersion)).map { "v\($0)" })
  }

  @Test(arguments: versions)
  func `a golden log is read as it was written, and can be appended to`(
    version: String
  ) async throws {
    let golden = "\(Self.folder)/\(version)"
    let expected = try JSON(
      parsing: [UInt8](Data(contentsOf: URL(filePath: golden + "/expected.json"))))
    try await withLogDirectory { directory async throws in
      let bundle = [UInt8](try Data(contentsOf: URL(filePath: golden + "/log.bundle")))
      try FileBundle.unpack(bundle, to: directory)
      let log = try LMDBEventLog(directory: directory)
      #expect(try GoldenLog.expectation(of: log) == expected)
      #expect(try log.verify(isDeep: true).problems == [])
      let events = try log.read(after: 0, limit: .max, filter: .all).events
      try Self.compareStreams(events, log)
      #expect(events.contains { $0.parts.contains(.erased(subject: GoldenLog.erased)) })
      if version == "v\(BlockHeader.formatVersion)" {
        #expect(try log.usage()["dictionaries"] != 0)
      }

      let org = GoldenLog.orgs[0]
      let old = try #require(
        try log.receipt(org: org, idempotencyKey: GoldenLog.key("single-100")))
      let more = GoldenLog.commit(
        org, [NewEvent(stream: stream(1), type: "a.b", schemaVersion: 1, parts: [Self.part])])
      let repeated = GoldenLog.commit(org, more.events, key: "single-100")
      #expect(try await log.append(repeated).firstPosition == old.firstPosition)
      let receipt = try await log.append(more)
      #expect(receipt.firstPosition == UInt64(events.count) + 1)
      await log.close()

      let again = try LMDBEventLog(directory: directory)
      let all = try again.read(after: 0, limit: .max, filter: .all).events
      #expect(Array(all.dropLast()) == events)
      #expect(try again.verify(isDeep: true).problems == [])
      await again.close()
    }
  }

  private static let part = Part(subject: nil, payload: Array("{}".utf8))

  private static func compareStreams(_ events: [RecordedEvent], _ log: LMDBEventLog) throws {
    struct Key: Hashable {
      let org: OrgID
      let stream: StreamID
    }
    for (key, own) in Dictionary(grouping: events, by: { Key(org: $0.org, stream: $0.stream) }) {
      let read = try log.readStream(org: key.org, stream: key.stream, from: 1, limit: .max)
      try #require(read == own)
    }
  }
}
