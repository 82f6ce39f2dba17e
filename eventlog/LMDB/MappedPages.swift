import Glibc
import Synchronization

/// Pages of mapped files that this process holds.
enum MappedPages {
  /// Where a file is mapped: addresses that are its own as long as nobody unmaps it.
  struct Place: Sendable {
    fileprivate let start: UInt
    fileprivate let byteCount: Int
  }

  /// The map that `address` lies in, where it is one of LMDB's: read-only and shared. nil where the list of maps cannot be read.
  /// Reading it takes as long as the process has maps: up to a millisecond.
  ///
  /// Source: proc(5), /proc/pid/maps: `start-end permissions offset device number path`.
  static func place(holding address: UInt) -> Place? {
    for line in contents(of: "/proc/self/maps").split(separator: 10) {
      let fields = line.split(separator: 0x20, maxSplits: 2)
      guard fields.count > 1 else { continue }
      let ends = fields[0].split(separator: UInt8(ascii: "-")).compactMap { text in
        UInt(String(decoding: text, as: UTF8.self), radix: 16)
      }
      guard ends.count == 2, ends[0] <= address, address < ends[1] else { continue }
      guard Array(fields[1]) == Array("r--s".utf8) else { return nil }
      return Place(start: ends[0], byteCount: Int(ends[1] - ends[0]))
    }
    return nil
  }

  /// Gives back the pages of `place`, where its file is mapped still: anything else that had come there would be lost. Whoever reads
  /// them again gets them from the kernel, which has them still; what was written through the file is in it. For a read-only shared
  /// map MADV_DONTNEED (madvise(2)) changes no byte.
  static func release(_ place: Place) {
    _ = unsafe madvise(
      UnsafeMutableRawPointer(bitPattern: place.start), place.byteCount, MADV_DONTNEED)
  }

  /// Bytes that this process holds of all mapped files; nil where that cannot be read.
  ///
  /// Source: proc(5), /proc/pid/statm: `size resident shared …`, in pages.
  static func heldBytes() -> Int? {
    let fields = contents(of: "/proc/self/statm").split(separator: 0x20)
    guard fields.count > 2 else { return nil }
    return Int(String(decoding: fields[2], as: UTF8.self)).map { $0 * Int(getpagesize()) }
  }

  private static func contents(of path: String) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
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

/// Notices when this process holds many pages of mapped files. Asked of the kernel, whatever touched them: it maps the
/// neighbours of a page as well, so what was read tells little.
final class HeldPages: Sendable {
  /// Asking costs two microseconds, and in this time a core reads some 10 MB.
  private static let intervalNanos = 10_000_000

  private let maxBytes: Int
  private let askedAt = Atomic<Int>(0)
  /// What was held when they were given back last, or less: that of other files, and the program itself.
  private let others: Atomic<Int>

  init(maxBytes: Int) {
    self.maxBytes = maxBytes
    others = Atomic(MappedPages.heldBytes() ?? 0)
  }

  /// False as well where it was asked a moment ago.
  func areMany() -> Bool {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &now)
    let nanos = now.tv_sec * 1_000_000_000 + now.tv_nsec
    let last = askedAt.load(ordering: .relaxed)
    guard nanos - last >= Self.intervalNanos,
      askedAt.compareExchange(expected: last, desired: nanos, ordering: .relaxed).exchanged,
      let held = MappedPages.heldBytes()
    else { return false }
    // Files that were closed since count no more.
    return held - others.min(held, ordering: .relaxed).newValue > maxBytes
  }

  func wereReleased() {
    guard let held = MappedPages.heldBytes() else { return }
    others.store(held, ordering: .relaxed)
  }
}

extension RawSpan {
  /// A few pages cost less to touch than to ask for.
  private static var minPrefetchedBytes: Int { 16 << 10 }

  /// Asks the kernel to read what is not in memory of a large value all at once. Touching one page after the other reads each
  /// alone: the map is advised to read nothing ahead. A value that this call cannot help is read as ever.
  package func prefetch() {
    guard byteCount > Self.minPrefetchedBytes else { return }
    unsafe withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      let inPage = UInt(bitPattern: start) % UInt(getpagesize())
      let page = unsafe UnsafeMutableRawPointer(mutating: start - Int(inPage))
      _ = unsafe madvise(page, bytes.count + Int(inPage), MADV_WILLNEED)
    }
  }
}
