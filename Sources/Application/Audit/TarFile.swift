import Foundation

/// A POSIX.1-1988 (ustar) archive of a folder's files, in the order of their names. The same files give the same
/// bytes: no times, no owners. Sizes from 8 GiB on are written in base 256, as GNU tar, bsdtar and Python do.
enum TarFile {
  private static let blockBytes = 512
  /// Read at a time, so that a large book takes no more memory than a small one.
  private static let pieceBytes = 1 << 20

  static func write(folder: String, to path: String) throws {
    guard FileManager.default.createFile(atPath: path, contents: nil) else {
      throw AuditError.unreadable(file: path, reason: "cannot be created")
    }
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    defer { _ = try? handle.close() }
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
      try Task.checkCancellation()
      var isDirectory: ObjCBool = false
      _ = unsafe FileManager.default.fileExists(
        atPath: folder + "/" + name, isDirectory: &isDirectory)
      guard !isDirectory.boolValue else { continue }
      let source = try FileHandle(forReadingFrom: URL(filePath: folder + "/" + name))
      defer { _ = try? source.close() }
      let byteCount = Int(try source.seekToEnd())
      try source.seek(toOffset: 0)
      try handle.write(contentsOf: Data(header(name, byteCount: byteCount)))
      var copied = 0
      while let piece = try source.read(upToCount: pieceBytes), !piece.isEmpty {
        try Task.checkCancellation()
        try handle.write(contentsOf: piece)
        copied += piece.count
      }
      guard copied == byteCount else {
        throw AuditError.unreadable(file: name, reason: "changed while it was read")
      }
      let rest = byteCount % blockBytes
      if rest > 0 { try handle.write(contentsOf: Data(count: blockBytes - rest)) }
    }
    try handle.write(contentsOf: Data(count: 2 * blockBytes))
  }

  static func header(_ name: String, byteCount: Int) -> [UInt8] {
    precondition(name.utf8.count < 100, "a bundle's names are short")
    var header = [UInt8](repeating: 0, count: blockBytes)
    func put(_ text: String, at offset: Int) {
      header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
    }
    put(name, at: 0)
    put("0000644", at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    if byteCount < 1 << 33 {
      put(octal(byteCount, digits: 11), at: 124)
    } else {
      header[124] = 0x80
      for index in 0..<8 {
        header[135 - index] = UInt8(truncatingIfNeeded: byteCount >> (8 * index))
      }
    }
    put(octal(0, digits: 11), at: 136)
    put("        ", at: 148)
    put("0", at: 156)
    put("ustar", at: 257)
    put("00", at: 263)
    let sum = header.reduce(0) { $0 + Int($1) }
    put(octal(sum, digits: 6), at: 148)
    header[154] = 0
    return header
  }

  private static func octal(_ value: Int, digits: Int) -> String {
    let text = String(value, radix: 8)
    return String(repeating: "0", count: digits - text.count) + text
  }
}
