import Glibc

// Each history of a log signs under a number of its own. Two that signed under one would be a fork, so a number is taken from
// every backup folder of the log that can be reached, and is nobody else's afterwards.

extension BackupFolder {
  private static let numberPatienceMillis = 10_000

  private var incarnationPath: String { path + "/incarnation" }

  /// The last history that this folder has heard of; 0: none.
  func lastIncarnation() throws(EventLogError) -> UInt32 {
    let stored = try PlainFiles.read(incarnationPath)
    let text = String(decoding: stored ?? [], as: UTF8.self)
    guard let last = stored == nil ? 0 : UInt32(text) else {
      throw .backupDamaged(reason: "the incarnation cannot be read")
    }
    // A log that was restored from another folder may go on in this one.
    return max(last, try vaultIncarnations().last ?? 0)
  }

  /// A number after `known` and all that this folder and `others` know of, stored in each of them before anything uses it.
  /// Where `isReadOnly`, this one is only asked.
  ///
  /// `untold`: which of them could not be asked or told, and why.
  func takeIncarnation(
    after known: UInt32, _ others: [BackupFolder], isReadOnly: Bool
  ) throws(EventLogError) -> (UInt32, untold: [String]) {
    var locks: [Int32] = []
    defer { for lock in locks { Glibc.close(lock) } }
    var last = known
    var told: [BackupFolder] = []
    var untold: [String] = []
    if isReadOnly {
      last = max(last, try inFolder { () throws(EventLogError) in try lastIncarnation() })
      untold.append("\(path): it is read-only")
    }
    let asked = (isReadOnly ? [] : [self]) + others.filter { $0.path != path }
    // In one order, whichever of them is restored from: two that each wait for the other would wait in vain.
    for each in asked.sorted(by: { $0.path < $1.path }) {
      do throws(EventLogError) {
        try each.inFolder { () throws(EventLogError) in
          guard try each.logID() == logID() else {
            throw .storage(reason: "the backup of this log is not there")
          }
          locks.append(
            try each.lock(
              each.path + "/incarnation.lock", waitMillis: Self.numberPatienceMillis))
          last = max(last, try each.lastIncarnation())
        }
        told.append(each)
      } catch {
        guard each.path != path else { throw error }
        untold.append(error.description)
      }
    }
    guard last < .max else { throw .storage(reason: "no history can follow history \(last)") }
    for each in told {
      do throws(EventLogError) {
        try each.inFolder { () throws(EventLogError) in
          try PlainFiles.write(Array(String(last + 1).utf8), to: each.incarnationPath)
        }
      } catch {
        guard each.path != path else { throw error }
        untold.append(error.description)
      }
    }
    return (last + 1, untold)
  }
}
