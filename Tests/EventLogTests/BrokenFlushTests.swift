import EventLog
import Foundation
import Glibc
import Testing

/// A flush that fails in this process, without a disk that does: a device that is always full takes the place of the
/// descriptor that LMDB writes meta pages through.
@Suite struct BrokenFlushTests {
  /// Goal: a flush that fails under a compaction is the compaction's failure and nobody else's. Method: the meta page of the
  /// transaction that puts a large block in place cannot be written, after which no transaction begins in that environment.
  @Test func `a commit after a compaction whose flush failed is stored`() async throws {
    try await withLogDirectory { directory async throws in
      var options = LMDBEventLog.Options()
      options.compaction.pauseFactor = nil
      options.reached = { if $0 == .blockMerged { Self.failMetaPages(of: directory) } }
      let log = try LMDBEventLog(directory: directory, options: options)
      for number in 1...300 { _ = try await log.append(commit([event(UInt128(number))])) }
      let refusal = await failureOfCompaction(log)
      #expect(refusal?.code == "storage_failure")
      #expect(try await log.append(commit([event(1)])).firstPosition == 301)
      #expect(log.health == .writable)
      #expect(try log.verify().problems == [])
      await log.close()
      let again = try LMDBEventLog(directory: directory)
      #expect(try again.head() == 301)
      _ = try await again.compact()
      #expect(try again.verify().problems == [])
      await again.close()
    }
  }

  private func failureOfCompaction(_ log: LMDBEventLog) async -> EventLogError? {
    do throws(EventLogError) {
      _ = try await log.compact()
      return nil
    } catch {
      return error
    }
  }

  /// Until the environment is opened again. Source: mdb.c, `mdb_env_open`: the descriptor for meta pages alone has O_DSYNC.
  private static func failMetaPages(of directory: String) {
    let path = directory + "/log/data.mdb"
    let full = unsafe open("/dev/full", O_WRONLY | O_CLOEXEC)
    defer { close(full) }
    var replacedCount = 0
    // Tests beside this one have hundreds of files open.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    for descriptor in names.compactMap({ Int32($0) })
    where fcntl(descriptor, F_GETFL) & O_DSYNC == O_DSYNC {
      let link = "/proc/self/fd/\(descriptor)"
      guard (try? FileManager.default.destinationOfSymbolicLink(atPath: link)) == path else {
        continue
      }
      if dup2(full, descriptor) == descriptor { replacedCount += 1 }
    }
    #expect(replacedCount == 1, "LMDB has one descriptor for meta pages")
  }
}
