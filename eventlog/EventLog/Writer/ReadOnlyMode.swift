import Dispatch

// A disk that is full or fails: the log refuses commits with a clear error, goes on serving reads, and finds out by
// itself when the disk takes a flush again.

extension WriterCore {
  private static let probeMillis = 250

  /// Tries a flush at once, and then again and again until one succeeds. On the writer thread.
  func probe(_ writer: GroupWriter, after failure: EventLogError) {
    do throws(EventLogError) {
      try writer.probe(after: failure)
      setHealth(.writable)
    } catch {
      enterReadOnly(because: failure)
      // Refused only where the log is being closed: then nobody needs to know any more.
      DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Self.probeMillis)) {
        _ = self.queue.add(.task { self.probe($0, after: failure) })
      }
    }
  }

  /// Before anybody is told of `failure`: whoever was told finds a log that does not call itself writable, until a
  /// probe says otherwise.
  func doubtDisk(because failure: EventLogError) {
    if failure.isOfTheDisk { enterReadOnly(because: failure) }
  }

  private func enterReadOnly(because failure: EventLogError) {
    if case .readOnly = health { return }
    setHealth(.readOnly(reason: failure, sinceMicros: SystemClock.nowMicros()))
  }
}

extension EventLogError {
  /// What a commit is told that was not even tried because of this earlier failure.
  var asRefusal: EventLogError {
    switch self {
    case .logFull, .readOnly: self
    case .outcomeUnknown(let reason), .storage(let reason): .readOnly(reason: reason)
    default: .readOnly(reason: code)
    }
  }

  /// Whether it is the disk's doing, and may pass.
  var isOfTheDisk: Bool {
    switch self {
    // Another root key is a file that somebody exchanged, and may put back.
    case .logFull, .readOnly, .outcomeUnknown, .wrongRootKey, .storage: true
    case .versionConflict, .sequenceConflict, .idempotencyMismatch, .invalidCommit, .overloaded,
      .closed, .writerPresent, .corrupted, .keyMissing:
      false
    }
  }
}
