import Foundation
import JSON

/// How far a follower of the log has come, in a small file of its own. Written after the work, so a
/// crash repeats the last of it: followers do nothing twice by other means.
struct CursorFile: Sendable {
  let path: String

  /// Positions that a follower may come on without writing it down, where nothing of them was for it.
  static let idleStride: UInt64 = 10_000

  init(directory: String, name: String) { path = directory + "/" + name + ".json" }

  /// nil where there is none yet.
  ///
  /// - Throws: Where the file is there and cannot be read: starting over would repeat deliveries.
  func read() throws -> JSON? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try JSON(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
  }

  /// Replaces the file in one step.
  func write(_ value: JSON) throws {
    try Data(value.bytes()).write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  func remove() throws {
    guard FileManager.default.fileExists(atPath: path) else { return }
    try FileManager.default.removeItem(atPath: path)
  }
}
