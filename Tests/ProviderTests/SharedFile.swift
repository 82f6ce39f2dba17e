import Foundation
import JSON

/// Public descriptions and vectors that lie beside the repository, in `../shared`.
enum SharedFile {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "shared")

  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.appending(path: path).path)
  }

  static func json(_ path: String) throws -> JSON {
    try JSON(parsing: Array(Data(contentsOf: folder.appending(path: path))))
  }
}
