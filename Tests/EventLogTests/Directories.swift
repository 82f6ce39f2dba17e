import Foundation
import Glibc
import LMDB
import Testing

/// Runs `body` with the path of a new directory, and removes it afterwards.
@discardableResult
func withLogDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  let directory = FileManager.default.temporaryDirectory.appending(
    path: "daybook-log-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer {
    // Left behind in the temporary directory at worst.
    _ = try? FileManager.default.removeItem(at: directory)
  }
  return try await body(directory.path)
}

/// A file system of so many mebibytes, which can grow.
struct SmallDisk {
  /// A folder on it that is there and empty.
  let home: String
  fileprivate let root: String

  func grow(toMebibytes size: Int) throws {
    try #require(unsafe mount("tmpfs", root, "tmpfs", UInt(MS_REMOUNT), "size=\(size)m") == 0)
  }
}

/// Whether this process may mount something: a test that has to is `.enabled(if: canMount, …)`, so that the run tells that it was left out.
let canMount: Bool = {
  let directory = FileManager.default.temporaryDirectory.appending(
    path: "daybook-mount-\(UUID().uuidString)"
  ).path(percentEncoded: false)
  guard unsafe mkdir(directory, 0o700) == 0 else { return false }
  defer { unsafe rmdir(directory) }
  guard unsafe mount("tmpfs", directory, "tmpfs", 0, "size=1m") == 0 else { return false }
  unsafe umount2(directory, Int32(MNT_DETACH))
  return true
}()

/// Runs `body` with a real file system that fills up, and removes it.
func withSmallDisk(mebibytes: Int, _ body: (SmallDisk) async throws -> Void) async throws {
  try await withLogDirectory { directory async throws in
    try #require(unsafe mount("tmpfs", directory, "tmpfs", 0, "size=\(mebibytes)m") == 0)
    defer { unsafe umount2(directory, Int32(MNT_DETACH)) }
    let home = directory + "/home"
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    try await body(SmallDisk(home: home, root: directory))
  }
}

/// Runs `body` with a new environment of one table of numbers, and the path of its folder, which it removes afterwards.
func withEnvironment(
  maxHeldBytes: Int? = nil, _ body: (Environment, Table, String) throws -> Void
) async throws {
  try await withLogDirectory { directory in
    var options = Environment.Options(mapBytes: 64 << 20, tables: ["values": .number])
    if let maxHeldBytes { options.maxHeldBytes = maxHeldBytes }
    let environment = try Environment.open(path: directory, options: options)
    defer { environment.close() }
    try body(environment, environment.table("values"), directory)
  }
}
