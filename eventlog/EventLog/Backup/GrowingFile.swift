import Crypto
import Glibc

/// A file that is written piece by piece, hashed on the way, and gets its name once it is whole. What never gets one is removed.
///
/// Large ones go to the disk in slices, with a rest after each as long as it took: the flush of somebody else waits for one
/// slice at most, and more often for none.
final class GrowingFile {
  /// What is on its way to the disk at most.
  private static let sliceByteCount = 128 << 10

  private let temporary: String
  private let descriptor: Int32
  private var sum = SHA256()
  private var unflushedByteCount = 0
  private var isMoved = false
  private(set) var byteCount = 0

  /// `temporary`: its name until `move`.
  init(_ temporary: String) throws(EventLogError) {
    self.temporary = temporary
    descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("open") }
  }

  deinit {
    Glibc.close(descriptor)
    // Nobody reads under this name; the next writer would begin anew in it.
    if !isMoved { unsafe unlink(temporary) }
  }

  /// Of what was written, in hex.
  var digest: String { Hex.encode(sum.finalize()) }

  func append(_ bytes: [UInt8]) throws(EventLogError) {
    sum.update(bytes)
    byteCount += bytes.count
    var used = 0
    while used < bytes.count {
      // The last slice is flushed by `move`.
      if unflushedByteCount == Self.sliceByteCount { try flushSlice() }
      let end = min(used + Self.sliceByteCount - unflushedByteCount, bytes.count)
      try PlainFiles.append(bytes[used..<end], to: descriptor)
      unflushedByteCount += end - used
      used = end
    }
  }

  private func flushSlice() throws(EventLogError) {
    let start = SystemClock.monotonicNanos()
    guard fdatasync(descriptor) == 0 else { throw .system("fdatasync") }
    unflushedByteCount = 0
    usleep(UInt32(clamping: (SystemClock.monotonicNanos() - start) / 1000))
  }

  /// Gives it its name. Whole on the disk then; a crash may still lose the name until the folder is flushed.
  func move(to path: String) throws(EventLogError) {
    guard fsync(descriptor) == 0 else { throw .system("fsync") }
    guard unsafe rename(temporary, path) == 0 else { throw .system("rename") }
    isMoved = true
  }
}
