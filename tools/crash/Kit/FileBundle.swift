import Foundation
import Zstd

/// The files of a folder in one compressed file, so that a log can be kept in the repository.
///
/// For each file: length of the path (2), path, bytes (8), stored bytes (8), a zstd frame. Numbers little-endian.
package enum FileBundle {
  /// What a process makes anew when it opens a log.
  private static let leftOut: Set<String> = ["lock.mdb", "writer.lock", "wake"]

  package static func pack(_ folder: String) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var compressor = Compressor(.level(19))
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
      let url = URL(filePath: "\(folder)/\(path)")
      guard try url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true,
        !leftOut.contains(url.lastPathComponent)
      else { continue }
      let content = [UInt8](try Data(contentsOf: url))
      var frame: [UInt8] = []
      _ = try unsafe compressor.compress(content.span.bytes, appendingTo: &frame)
      append(UInt64(path.utf8.count), 2, &bytes)
      bytes += Array(path.utf8)
      append(UInt64(content.count), 8, &bytes)
      append(UInt64(frame.count), 8, &bytes)
      bytes += frame
    }
    return bytes
  }

  /// Makes the files below `folder`, readable by their owner alone.
  package static func unpack(_ bytes: [UInt8], to folder: String) throws {
    var decompressor = Decompressor()
    var offset = 0
    while offset < bytes.count {
      let pathCount = Int(number(bytes, &offset, 2))
      let path = String(decoding: bytes[offset..<offset + pathCount], as: UTF8.self)
      offset += pathCount
      let contentCount = Int(number(bytes, &offset, 8))
      let frameCount = Int(number(bytes, &offset, 8))
      let frame = Array(bytes[offset..<offset + frameCount])
      offset += frameCount
      let content = try unsafe decompressor.decompress(frame.span.bytes, byteCount: contentCount)
      let url = URL(filePath: "\(folder)/\(path)")
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(content).write(to: url)
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o600], ofItemAtPath: url.path(percentEncoded: false))
    }
  }

  private static func append(_ value: UInt64, _ byteCount: Int, _ bytes: inout [UInt8]) {
    for index in 0..<byteCount { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
  }

  private static func number(_ bytes: [UInt8], _ offset: inout Int, _ byteCount: Int) -> UInt64 {
    defer { offset += byteCount }
    return (0..<byteCount).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
  }
}
