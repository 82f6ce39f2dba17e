import CrashKit
import EventLog
import Foundation
import Glibc
import Testing

/// A real file system that fills up; needs the right to mount one.
@Suite(.serialized) struct DiskFullTests {
  @Test
  func `a full disk refuses writes, serves reads, and is written to again once there is room`()
    async throws
  {
    try await withLogDirectory { directory async throws in
      guard unsafe mount("tmpfs", directory, "tmpfs", 0, "size=12m") == 0 else {
        print("not run: a file system of one's own cannot be mounted here (\(errno))")
        return
      }
      defer { unsafe umount2(directory, Int32(MNT_DETACH)) }
      let path = directory + "/home"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      let log = try LMDBEventLog(directory: path)
      let reader = try LMDBLogReader(directory: path)
      var kept: UInt64 = 0
      let failure = try await Self.fill(log, &kept)
      #expect(failure?.code == "log_full")
      #expect(failure?.isRetryable == true)
      let isReadOnly = if case .readOnly = log.health { true } else { false }
      #expect(isReadOnly)
      // Nothing half of it; what was acknowledged can be read here and beside.
      for each in [log as any EventReader, reader] {
        #expect(try each.head() == kept)
        #expect(try EventDigest.of(each).eventCount == kept)
      }
      try #require(
        unsafe mount("tmpfs", directory, "tmpfs", UInt(MS_REMOUNT), "size=64m") == 0)
      for _ in 0..<400 where log.health != .writable {
        try await Task.sleep(for: .milliseconds(25))
      }
      #expect(try await log.append(commit([event(1)])).firstPosition == kept + 1)
      #expect(try log.verify().problems == [])
      reader.close()
      await log.close()
    }
  }

  /// Noise until it is refused; `kept` is the last position that was acknowledged.
  private static func fill(
    _ log: LMDBEventLog, _ kept: inout UInt64
  ) async throws -> EventLogError? {
    for _ in 0..<100 {
      do throws(EventLogError) {
        kept = try await log.append(commit([noise(200_000)])).lastPosition
      } catch {
        return error
      }
    }
    return nil
  }
}
