import Glibc

/// Pages of mapped files that this process holds.
enum MappedPages {
  /// Gives back those of the data file with this number. Whoever reads them again gets them from the kernel, which has
  /// them still; what was written through the file is in it. Where the list of maps cannot be read nothing happens.
  ///
  /// Source: proc(5), /proc/pid/maps: `start-end permissions offset device number path`; LMDB maps its file read-only and
  /// shared, for which MADV_DONTNEED (madvise(2)) changes no byte.
  static func release(ofFile number: ino_t) {
    let wanted = Array(String(number).utf8)
    for line in maps().split(separator: 10) {
      let fields = line.split(separator: 0x20, maxSplits: 5)
      guard fields.count > 4, Array(fields[4]) == wanted, Array(fields[1]) == Array("r--s".utf8)
      else { continue }
      let ends = fields[0].split(separator: UInt8(ascii: "-")).compactMap { text in
        UInt(String(decoding: text, as: UTF8.self), radix: 16)
      }
      guard ends.count == 2, ends[0] < ends[1] else { continue }
      _ = unsafe madvise(
        UnsafeMutableRawPointer(bitPattern: ends[0]), Int(ends[1] - ends[0]), MADV_DONTNEED)
    }
  }

  private static func maps() -> [UInt8] {
    let descriptor = unsafe open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = unsafe piece.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress, $0.count)
      }
      guard count > 0 else { return count == 0 ? all : [] }
      all += piece.prefix(count)
    }
  }
}
