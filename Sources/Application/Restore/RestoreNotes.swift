import Domain
import EventLog
import Merkle

/// Tells every book of the restore that its log comes from: the first event of a history quotes the last checkpoint of the one
/// before, and says why there is another.
///
/// At every start, before anything else is recorded. A book that was told is left alone, so a start that was killed is
/// done over; the first history of a log has nothing to tell.
package struct RestoreNotes: Sendable {
  /// As many books at once: they share the flushes of the log.
  private static let bookCount = 256
  /// Where nobody has said why.
  private static let standardReason = "restored from a backup"

  private let engine: Engine
  private let notary: Notary
  private let record: RestoreRecord?
  private let report: @Sendable (String) -> Void

  /// `record`: of the restore; one of another history says nothing of this one.
  package init(
    engine: Engine, notary: Notary, record: RestoreRecord?,
    report: @escaping @Sendable (String) -> Void
  ) {
    self.engine = engine
    self.notary = notary
    self.record = record.flatMap { $0.incarnation == notary.identity.incarnation ? $0 : nil }
    self.report = report
  }

  /// Returns once the last book was told. A book that cannot be told is reported, and is told at the next start.
  package func write() async {
    guard notary.identity.incarnation > 1 else { return }
    let executors = engine.allExecutors
    var next = 0
    while next < executors.count {
      let end = min(next + Self.bookCount, executors.count)
      await withTaskGroup { group in
        for executor in executors[next..<end] {
          group.addTask { await write(to: executor) }
        }
      }
      next = end
    }
    if let failure = await notary.formerFailure {
      report("what an earlier history has signed is not quoted: \(failure)")
    }
  }

  private func write(to executor: OrgExecutor) async {
    do {
      let incarnation = Int64(notary.identity.incarnation)
      let told = try await executor.read { workspace throws(CommandError) in
        try workspace.current(Org.self, executor.org).incarnation
      }
      guard told < incarnation else { return }
      let restore = HistoryRestore(
        incarnation: incarnation, reason: record?.reason ?? Self.standardReason,
        restoredAtMicros: record?.restoredAtMicros,
        lastCheckpoint: try await notary.lastFormerHead(of: executor.org)?.text)
      let call = Call(actor: "system:notary", origin: "restore", correlation: "restore")
      _ = try await executor.perform(call) { workspace throws(CommandError) in
        try workspace.recordRestore(restore)
      }
    } catch {
      report("\(executor.org): \(error)")
    }
  }
}
