import Foundation
import Testing

@testable import LMDB

/// Whether the file system of the temporary folder takes direct writes: some do not, and a log there goes without.
private let areDirectWritesTaken: Bool = {
  let path = NSTemporaryDirectory() + "/room-ahead-\(UUID().uuidString)"
  defer { _ = try? FileManager.default.removeItem(atPath: path) }
  return FileManager.default.createFile(atPath: path, contents: nil)
    && RoomAhead(dataPath: path) != nil
}()

@Suite(
  .enabled(if: areDirectWritesTaken, "the temporary folder's file system takes no direct writes"))
struct RoomAheadTests {
  @Test func `only what lies behind the file is written, and it is zeros`() async throws {
    try await withFile(of: [UInt8](repeating: 0xFF, count: 5 * 4096)) { path, room in
      // The last two pages are of nobody, and were written already.
      room.provide(from: 3 * 4096)
      let bytes = try Data(contentsOf: URL(filePath: path))
      #expect(bytes.prefix(5 * 4096).allSatisfy { $0 == 0xFF })
      #expect(bytes.dropFirst(5 * 4096).allSatisfy { $0 == 0 })
      #expect(bytes.count >= 3 * 4096 + 256 << 10)
    }
  }

  @Test func `a file that grows faster has more of it, and none is written while there is enough`()
    async throws
  {
    try await withFile(of: []) { path, room in
      func size() throws -> Int { try Data(contentsOf: URL(filePath: path)).count }
      room.provide(from: 8192)
      let first = try size()
      room.provide(from: 8192 + 4096)
      #expect(try size() == first)
      room.provide(from: 8192 + 4096 + 1 << 20)
      #expect(try size() >= 8192 + 4096 + 3 << 20)
      // An import may add more at once than it is worth writing twice.
      room.provide(from: 256 << 20)
      #expect(try size() <= (256 + 8) << 20)
    }
  }

  @Test func `an environment has it behind its last page, and again once it is rewritten`()
    async throws
  {
    try await withEnvironment { environment, values, directory in
      for round in 0..<2 {
        try environment.write { transaction throws in
          try transaction.append(
            [UInt8](repeating: 7, count: 9000), forKey: UInt64(round), to: values)
        }
        let bytes = try Data(contentsOf: URL(filePath: directory + "/data.mdb"))
        let used = try #require(bytes.lastIndex { $0 != 0 })
        #expect(bytes.count - used > 128 << 10)
        try environment.rewrite()
      }
    }
  }

  private func withFile(of bytes: [UInt8], _ body: (String, RoomAhead) throws -> Void) async throws
  {
    try await withLogDirectory { directory in
      let path = directory + "/data.mdb"
      try Data(bytes).write(to: URL(filePath: path))
      let room = try #require(RoomAhead(dataPath: path))
      try body(path, room)
    }
  }
}
