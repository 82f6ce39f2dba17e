import EventLog
import Testing

/// What `daybook log stats` says.
@Suite struct StatisticsTests {
  @Test func `each event is counted once by org and by type, before and after a compaction`()
    async throws
  {
    try await withLogDirectory { directory in
      var options = LMDBEventLog.Options()
      // Sealed parts stay as they were appended.
      options.compaction.pauseFactor = nil
      let log = try LMDBEventLog(directory: directory, options: options)
      for number in 0..<200 as Range<UInt128> {
        let events = [
          event(number, "x.one", payload: "0123456789"),
          event(number, "x.two", personal: [(ann, "secret")]),
        ]
        _ = try await log.append(commit(events, org: number % 4 == 0 ? orgB : orgA))
      }
      let reader = try LMDBLogReader(directory: directory)
      try Self.expectCounts(try reader.statistics())
      let blockCount = try reader.statistics().blockCount
      _ = try await log.compact()
      try Self.expectCounts(try reader.statistics())
      #expect(try reader.statistics().blockCount < blockCount)
      reader.close()
      await log.close()
    }
  }

  private static func expectCounts(_ statistics: LogStatistics) throws {
    #expect(statistics.byOrg.keys.sorted() == [orgA, orgB])
    #expect(statistics.byOrg[orgA]?.eventCount == 300)
    #expect(statistics.byOrg[orgB]?.eventCount == 100)
    let one = try #require(statistics.byType["x.one"])
    let two = try #require(statistics.byType["x.two"])
    #expect(one.eventCount == 200 && one.payloadBytes == 2_000 && one.sealedBytes == 0)
    // Nonce, form, text and tag.
    let sealedBytes: UInt64 = 200 * (12 + 1 + 6 + 16)
    #expect(two.eventCount == 200 && two.payloadBytes == 400 && two.sealedBytes == sealedBytes)
    #expect(statistics.byType.count == 2)
    #expect(statistics.sealedBytes == sealedBytes)
    #expect(statistics.commitmentBytes == 200 * 32)
  }

  @Test func `the parts of the blocks are no more than the pages of their table`() async throws {
    try await withLogDirectory { directory in
      let log = try LMDBEventLog(directory: directory)
      for number in 0..<200 as Range<UInt128> {
        _ = try await log.append(commit([event(number, personal: [(ann, "secret \(number)")])]))
      }
      let reader = try LMDBLogReader(directory: directory)
      let statistics = try reader.statistics()
      let parts = [
        statistics.headerBytes, statistics.directoryBytes, statistics.payloadBytes,
        statistics.idBytes, statistics.commitmentBytes, statistics.sealedBytes,
      ]
      #expect(parts.allSatisfy { $0 > 0 })
      #expect(statistics.blockBytes == (try reader.verify().byteCount))
      #expect(statistics.blockBytes < UInt64(try reader.usage()["blocks"] ?? 0))
      reader.close()
      await log.close()
    }
  }
}
