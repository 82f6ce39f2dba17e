import Crypto
import Foundation

/// The files of an export as they are written, and the hash of each.
struct BundleFolder {
  let directory: String
  private(set) var files: [(name: String, digest: String)] = []

  init(directory: String) { self.directory = directory }

  /// - Throws: `AuditError.notEmpty` where something lies there already.
  func prepare() throws {
    try Self.requireEmpty(directory)
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
  }

  static func requireEmpty(_ directory: String) throws {
    var isDirectory: ObjCBool = false
    if unsafe FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory) {
      guard isDirectory.boolValue,
        try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty
      else { throw AuditError.notEmpty(directory) }
    }
  }

  mutating func write(_ name: String, _ text: String) throws {
    try write(name, bytes: Array(text.utf8))
  }

  mutating func write(_ name: String, bytes: [UInt8]) throws {
    var file = try HashedFile(directory: directory, name: name)
    try file.write(bytes)
    add(try file.close())
  }

  mutating func add(_ file: (name: String, digest: String)) { files.append(file) }
}

/// A file and the hash of what was written to it.
struct HashedFile {
  private static let bufferBytes = 1 << 18

  private let name: String
  private let handle: FileHandle
  private var hash = SHA256()
  private var buffer: [UInt8] = []

  /// Makes the folders that are missing.
  init(directory: String, name: String) throws {
    self.name = name
    let path = directory + "/" + name
    try FileManager.default.createDirectory(
      at: URL(filePath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
    guard FileManager.default.createFile(atPath: path, contents: nil) else {
      throw AuditError.unreadable(file: path, reason: "cannot be created")
    }
    handle = try FileHandle(forWritingTo: URL(filePath: path))
  }

  mutating func write(_ bytes: [UInt8]) throws {
    buffer += bytes
    if buffer.count > Self.bufferBytes { try flush() }
  }

  private mutating func flush() throws {
    hash.update(buffer)
    try handle.write(contentsOf: Data(buffer))
    buffer.removeAll(keepingCapacity: true)
  }

  mutating func close() throws -> (name: String, digest: String) {
    try flush()
    try handle.close()
    return (name, Hex.encode(hash.finalize()))
  }
}
