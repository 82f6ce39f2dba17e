import Foundation
import Testing

@testable import LMDB

@Suite struct MappedPagesTests {
  private static let valueCount = 1_000

  @Test func `what was given back counts no more and is read again as it was`() async throws {
    try await withEnvironment(maxHeldBytes: .max) { environment, values, directory in
      try Self.fill(environment, values)
      for _ in 0..<2 {
        #expect(try Self.soundCount(environment, values) == Self.valueCount)
        #expect(try Self.heldBytes(of: directory) > 8_000_000)
        environment.releasePages()
        #expect(try Self.heldBytes(of: directory) == 0)
        #expect(try Self.soundCount(environment, values) == Self.valueCount)
        // Another file, with another number, in the place of the first.
        try environment.rewrite()
      }
    }
  }

  @Test func `a map that has grown since is given back where it is now`() async throws {
    try await withEnvironment(maxHeldBytes: .max) { environment, values, directory in
      try Self.fill(environment, values)
      for _ in 0..<3 {
        environment.releasePages()
        try environment.grow()
        #expect(try Self.soundCount(environment, values) == Self.valueCount)
        #expect(try Self.heldBytes(of: directory) > 8_000_000)
        environment.releasePages()
        #expect(try Self.heldBytes(of: directory) == 0)
        try environment.reopen()
      }
    }
  }

  @Test func `nothing but a map of a data file is a place whose pages are given back`() {
    var own = 1
    unsafe withUnsafePointer(to: &own) {
      #expect(MappedPages.place(holding: UInt(bitPattern: $0)) == nil)
    }
    #expect(MappedPages.place(holding: 0) == nil)
  }

  @Test func `whoever has read much gives it back without being asked`() async throws {
    try await withEnvironment(maxHeldBytes: 1 << 20) { environment, values, directory in
      try Self.fill(environment, values)
      // The kernel says what the whole process holds, and other tests give back what is theirs meanwhile: it may look
      // as if nothing had been read.
      let isGivenBack = try (0..<20).contains { _ in
        #expect(try Self.soundCount(environment, values) == Self.valueCount)
        // It is not looked at all the time.
        usleep(30_000)
        try environment.read { _ in }
        return try Self.heldBytes(of: directory) < 2 << 20
      }
      #expect(isGivenBack)
    }
  }

  private static func value(_ key: Int) -> [UInt8] {
    [UInt8](repeating: UInt8(key % 251), count: 9000)
  }

  private static func fill(_ environment: Environment, _ values: Table) throws {
    try environment.write { transaction throws in
      for key in 0..<valueCount {
        try transaction.append(value(key), forKey: UInt64(key), to: values)
      }
    }
  }

  /// How many values are read as they were written.
  private static func soundCount(_ environment: Environment, _ values: Table) throws -> Int {
    try environment.read { transaction throws in
      try (0..<valueCount).count { key in
        try transaction.withValue(forKey: UInt64(key), in: values) { bytes in
          unsafe bytes.withUnsafeBytes { unsafe Array($0) } == value(key)
        } == true
      }
    }
  }

  /// Source: proc(5), /proc/pid/smaps.
  private static func heldBytes(of directory: String) throws -> Int {
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
