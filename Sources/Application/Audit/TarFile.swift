import Foundation

/// A POSIX.1-1988 (ustar) archive of a folder's files, in the order of their names. The same files give the same
/// bytes: no times, no owners.
enum TarFile {
  private static let blockBytes = 512

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
      guard let data = FileManager.default.contents(atPath: folder + "/" + name) else {
        throw AuditError.unreadable(file: name, reason: "is missing")
      }
      try handle.write(contentsOf: Data(header(name, byteCount: data.count)))
      try handle.write(contentsOf: data)
      let rest = data.count % blockBytes
      if rest > 0 { try handle.write(contentsOf: Data(count: blockBytes - rest)) }
    }
    try handle.write(contentsOf: Data(count: 2 * blockBytes))
  }

  private static func header(_ name: String, byteCount: Int) -> [UInt8] {
    precondition(name.utf8.count < 100, "a bundle's names are short")
    var header = [UInt8](repeating: 0, count: blockBytes)
    func put(_ text: String, at offset: Int) {
      header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
    }
    put(name, at: 0)
    put("0000644", at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    put(octal(byteCount, digits: 11), at: 124)
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
