internal import Glibc

/// Bytes that memory has no room for, on the disk for as long as this object lives: a file without a name, which ends
/// with its process.
///
/// Appended to and never changed. What was appended waits in memory for `flush`; until then there may be no file at
/// all. Not shared: one thread.
@safe
package final class ScratchFile {
  /// What could not be done with the file. What was appended before is there all the same, in memory.
  package struct Failure: Error, Equatable {
    package let function: String
    package let errorNumber: Int32

    package init(function: String, errorNumber: Int32) {
      self.function = function
      self.errorNumber = errorNumber
    }

    package var description: String {
      unsafe "\(function): \(String(cString: strerror(errorNumber)))"
    }
  }

  private let open: () throws(Failure) -> Int32
  /// -1: not made yet.
  private var descriptor: Int32 = -1
  /// What is in the file; `waiting` comes after it.
  private var writtenCount: UInt64 = 0
  private var waiting: [UInt8] = []

  /// `open` makes the file, once, and gives a descriptor that this object closes.
  package init(open: @escaping () throws(Failure) -> Int32) { self.open = open }

  /// In `folder`; without one in the folder for large temporary files, which is on a disk where `/tmp` may not be.
  package convenience init(folder: String? = nil) {
    self.init { () throws(Failure) in try Self.makeFile(in: folder) }
  }

  /// The descriptor of a new file in `folder` that only its owner may read and that has no name any more.
  package static func makeFile(in folder: String? = nil) throws(Failure) -> Int32 {
    let folder =
      unsafe folder ?? getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/var/tmp"
    let path = folder + "/.daybook-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let opened = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard opened >= 0 else { throw Failure(function: "open", errorNumber: errno) }
    _ = unsafe unlink(path)
    return opened
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// What was appended so far.
  package var byteCount: UInt64 { writtenCount + UInt64(waiting.count) }

  /// What is in memory still.
  package var waitingCount: Int { waiting.count }

  package func append(_ bytes: some Collection<UInt8>) { waiting.append(contentsOf: bytes) }

  /// Writes what waits. Where that fails all of it waits on, and the next call tries again.
  package func flush() throws(Failure) {
    guard !waiting.isEmpty else { return }
    if descriptor < 0 { descriptor = try open() }
    var done = 0
    while done < waiting.count {
      let count = unsafe waiting.withUnsafeBytes { bytes in
        unsafe pwrite(
          descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done,
          off_t(writtenCount) + off_t(done))
      }
      guard count > 0 else {
        if count < 0, errno == EINTR { continue }
        throw Failure(function: "pwrite", errorNumber: count < 0 ? errno : ENOSPC)
      }
      done += count
    }
    writtenCount += UInt64(done)
    // Room for the usual, not for what a full disk had let grow.
    waiting.removeAll(keepingCapacity: waiting.capacity <= 4 << 20)
  }

  /// `count` bytes from `offset` on; both have to lie within what was appended.
  package func read(at offset: UInt64, count: Int) throws(Failure) -> [UInt8] {
    precondition(offset + UInt64(count) <= byteCount, "nothing is read that was not appended")
    guard offset < writtenCount else {
      let start = Int(offset - writtenCount)
      return Array(waiting[start..<start + count])
    }
    let filed = min(count, Int(writtenCount - offset))
    let bytes = try readFiled(at: offset, count: filed)
    return filed == count ? bytes : bytes + waiting.prefix(count - filed)
  }

  private func readFiled(at offset: UInt64, count: Int) throws(Failure) -> [UInt8] {
    var failed: Int32?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { bytes, filled in
      filled = 0
      while filled < count {
        let read = unsafe pread(
          descriptor, bytes.baseAddress?.advanced(by: filled), count - filled,
          off_t(offset) + off_t(filled))
        if read < 0, errno == EINTR { continue }
        guard read > 0 else {
          failed = read < 0 ? errno : EIO
          return
        }
        filled += read
      }
    }
    if let failed { throw Failure(function: "pread", errorNumber: failed) }
    return bytes
  }
}
