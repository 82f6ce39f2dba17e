import Foundation

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
