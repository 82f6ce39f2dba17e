import EventLog
import Synchronization

/// What erasures ask of the log, counted; what is left of them once the keys are destroyed may fail.
final class ErasureProbe: Sendable {
  struct Counts: Sendable {
    var destroyings = 0
    var discardings = 0
    /// Whose keys those were.
    var subjects: Set<SubjectID> = []
    /// Successful or not.
    var erasings = 0
  }

  private let state = Mutex((counts: Counts(), isBackupAway: false, isRefused: false))

  var counts: Counts { state.withLock { $0.counts } }

  /// As where a backup folder is not there: the keys are destroyed, and the erasure does not come to its end.
  func setBackup(away isAway: Bool) { state.withLock { $0.isBackupAway = isAway } }

  /// As on a full disk: nothing is begun.
  func setRefused(_ isRefused: Bool) { state.withLock { $0.isRefused = isRefused } }

  func noteDiscarding() { state.withLock { $0.counts.discardings += 1 } }

  func probing(_ eraser: any SubjectEraser) -> any SubjectEraser { Probed(eraser, self) }

  private final class Probed: SubjectEraser {
    private let eraser: any SubjectEraser
    private let probe: ErasureProbe

    init(_ eraser: any SubjectEraser, _ probe: ErasureProbe) {
      (self.eraser, self.probe) = (eraser, probe)
    }

    func destroyKeys(of subjects: Set<SubjectID>, org: OrgID) async throws(EventLogError) {
      probe.state.withLock {
        $0.counts.destroyings += 1
        $0.counts.subjects.formUnion(subjects)
      }
      try await eraser.destroyKeys(of: subjects, org: org)
    }

    func erase(_ subjects: Set<SubjectID>, org: OrgID) async throws(EventLogError) {
      if probe.state.withLock({ $0.isRefused }) {
        probe.state.withLock { $0.counts.erasings += 1 }
        throw .storage(reason: "there is no room")
      }
      try await eraser.erase(subjects, org: org)
      let isAway = probe.state.withLock { state in
        state.counts.erasings += 1
        return state.isBackupAway
      }
      guard !isAway else { throw .storage(reason: "a backup is not there") }
    }
  }
}
