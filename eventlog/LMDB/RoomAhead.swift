import Glibc
import Synchronization

/// Zeros behind the last page of a data file, written before LMDB needs them. Why: LMDB/decisions/0001-room-ahead.md.
final class RoomAhead: Sendable {
  private struct State {
    /// The file has no holes and nothing that is only reserved before it.
    var writtenEnd: Int = 0
    /// Where the last transaction began.
    var lastEnd: Int?
  }

  /// Of the transactions that come next, at least.
  private static let minBytes = 256 << 10
  private static let maxBytes = 4 << 20
  /// Direct writes are of whole blocks, from memory that is aligned like them.
  private static let blockBytes = 4096
  private static let zeros = Zeros(byteCount: minBytes, alignment: blockBytes)

  private let descriptor: Int32
  private let state = Mutex(State())

  /// nil where the file system has no direct writes: LMDB then makes its file longer itself. What is written through the
  /// page cache would not be there before the flush that it is meant to spare.
  init?(dataPath: String) {
    descriptor = unsafe Glibc.open(dataPath, O_WRONLY | __O_DIRECT | O_CLOEXEC)
    if descriptor < 0 { return nil }
  }

  deinit { close(descriptor) }

  /// Whether the file is known to go on until `end`.
  func reaches(_ end: Int) -> Bool { state.withLock { $0.writtenEnd >= end } }

  /// Writes zeros from `end` on, where fewer are there than the next transactions need. Called at the beginning of a write
  /// transaction: nobody else writes, and nothing of what is stored lies behind `end`.
  ///
  /// What it cannot write it leaves to LMDB, which meets the same disk and reports it.
  func provide(from end: Int) {
    state.withLock { state in
      let growth = end - (state.lastEnd ?? end)
      state.lastEnd = end
      let wanted = min(max(Self.minBytes, 2 * growth), Self.maxBytes)
      guard state.writtenEnd < end + wanted else { return }
      var status = stat()
      guard unsafe fstat(descriptor, &status) == 0 else { return }
      let size = (Int(status.st_size) + Self.blockBytes - 1) & ~(Self.blockBytes - 1)
      state.writtenEnd = max(size, end)
      guard state.writtenEnd < end + wanted else { return }
      let goal = end + 2 * wanted
      while state.writtenEnd < goal {
        let count = min(goal - state.writtenEnd, Self.minBytes)
        guard Self.zeros.write(count, to: descriptor, at: state.writtenEnd) else { return }
        state.writtenEnd += count
      }
    }
  }
}

/// Memory that only ever holds zeros.
///
/// `@unchecked Sendable`: nobody changes it.
@safe
private final class Zeros: @unchecked Sendable {
  private let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int, alignment: Int) {
    unsafe bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: byteCount, alignment: alignment)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { unsafe bytes.deallocate() }

  func write(_ count: Int, to descriptor: Int32, at offset: Int) -> Bool {
    unsafe pwrite(descriptor, bytes.baseAddress, count, off_t(offset)) == count
  }
}
