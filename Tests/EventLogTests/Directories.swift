import Foundation
import LMDB

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
