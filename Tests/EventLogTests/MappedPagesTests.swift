import Foundation
import Testing

@testable import LMDB

@Suite struct MappedPagesTests {
  @Test func `what was given back counts no more and is read again as it was`() async throws {
    try await withLogDirectory { directory in
      let environment = try Environment.open(
        path: directory,
        options: Environment.Options(mapBytes: 64 << 20, tables: ["values": .number]))
      defer { environment.close() }
      let values = environment.table("values")
      func value(_ key: Int) -> [UInt8] { [UInt8](repeating: UInt8(key % 251), count: 9000) }
      try environment.write { transaction throws in
        for key in 0..<1_000 { try transaction.append(value(key), forKey: UInt64(key), to: values) }
      }
      func readAll() throws -> Int {
        try environment.read { transaction throws in
          try (0..<1_000).count { key in
            try transaction.withValue(forKey: UInt64(key), in: values) { bytes in
              unsafe bytes.withUnsafeBytes { unsafe Array($0) } == value(key)
            } == true
          }
        }
      }
      for _ in 0..<2 {
        #expect(try readAll() == 1_000)
        #expect(try heldBytes(of: directory) > 8_000_000)
        environment.releasePages()
        #expect(try heldBytes(of: directory) == 0)
        #expect(try readAll() == 1_000)
        // Another file, with another number, in the place of the first.
        try environment.rewrite()
      }
    }
  }

  /// Source: proc(5), /proc/pid/smaps.
  private func heldBytes(of directory: String) throws -> Int {
    let name = URL(filePath: directory).lastPathComponent + "/data.mdb"
    var bytes = 0
    var isMeant = false
    // Foundation reads a file at once by its size, which is none here.
    let file = try FileHandle(forReadingFrom: URL(filePath: "/proc/self/smaps"))
    defer { try? file.close() }
    let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      if fields[0].contains("-") {
        isMeant = line.hasSuffix(name)
      } else if isMeant, fields[0] == "Rss:" {
        bytes += (Int(fields[1]) ?? 0) << 10
      }
    }
    return bytes
  }
}
