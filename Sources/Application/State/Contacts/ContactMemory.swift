import ScratchFile

/// How much of an org's contacts is kept decoded, and where the rest goes.
package struct ContactMemory: Sendable {
  /// Contacts that are kept decoded: about 1.5 KB each.
  package var hotCount: Int
  /// Of encoded contacts that wait for being written. While they are fewer there is no file. What is dead is cleared away in
  /// pieces of four times this: some milliseconds.
  package var waitingBytes: Int
  package var segmentBytes = 32 << 20
  /// Dead bytes that are no reason to write anything anew.
  package var slackBytes: UInt64 = 16 << 20
  /// Makes a file without a name: a descriptor, which its taker closes.
  package var makeFile: @Sendable () throws(ScratchFile.Failure) -> Int32
  /// Takes a line, without personal data, where the file cannot be written, and where it can be again.
  package var report: @Sendable (String) -> Void

  /// `folder`: where the file is made; without one, where large temporary files go.
  package init(
    folder: String? = nil, hotCount: Int = 16_384, waitingBytes: Int = 256 << 10,
    report: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.hotCount = hotCount
    self.waitingBytes = waitingBytes
    self.report = report
    makeFile = { () throws(ScratchFile.Failure) in try ScratchFile.makeFile(in: folder) }
  }

  /// What one of `orgCount` orgs of a process has of it. Each has all of `waitingBytes`: a small org needs no file, and a process
  /// has only so many.
  func shared(by orgCount: Int) -> ContactMemory {
    var share = self
    share.hotCount = max(min(64, hotCount), hotCount / max(1, orgCount))
    return share
  }
}

/// A contact that is not in memory could not be read back. The state that it belongs to is of no use any more: it is read from
/// the log again.
package enum ContactFault: Error, Equatable {
  case file(ScratchFile.Failure)
  /// What was read is not what was written.
  case damaged
}

extension ContactFault: CustomStringConvertible {
  package var code: String {
    switch self {
    case .file: "contact_file_failed"
    case .damaged: "contact_file_damaged"
    }
  }

  /// Once the state was read again.
  package var isRetryable: Bool { true }

  package var description: String {
    switch self {
    case .file(let failure): "\(code): \(failure.description)"
    case .damaged: "\(code): what was read from the file of contacts is not what was written"
    }
  }
}
