import Domain
import Foundation

/// Whether anything may leave the house: after a restore nothing does until somebody has released it.
package final class SendingHold: Sendable {
  private let path: String
  private let nowMicros: @Sendable () -> Micros

  /// `path` is that of the `RestoreRecord`, which need not be there.
  package init(path: String, nowMicros: @escaping @Sendable () -> Micros) {
    self.path = path
    self.nowMicros = nowMicros
  }

  /// nil where the home was never restored.
  package func record() throws -> RestoreRecord? { try RestoreRecord.read(path) }

  /// Lets everything go out that waits. False where nothing was held.
  package func release() throws -> Bool {
    guard var record = try record(), record.isHeld else { return false }
    record.releasedAtMicros = nowMicros()
    try record.write(to: path)
    return true
  }

  /// Returns once nothing is held. The file is looked at once a second, and only while it says so: `daybook release`
  /// works without a running system too, and by hand.
  ///
  /// - Throws: `CancellationError`, or what reading throws.
  func waitUntilReleased() async throws -> RestoreRecord? {
    while true {
      let record = try record()
      guard record?.isHeld == true else { return record }
      try await Task.sleep(for: .seconds(1))
    }
  }
}

extension Identifier {
  /// When it was made, by the machine's clock.
  fileprivate var millis: Int64 { Int64(truncatingIfNeeded: value >> 80) }
}

extension RestoreRecord {
  /// Whether a message may have been sent before the restore, in the part of history that is lost: it, or the campaign
  /// or run that it belongs to, is older. What is decided later is new. A run cannot have come further there than it
  /// does here in as long as that part was, and some days for steps that wait for an hour of the day.
  func mayHaveSent(_ message: Identifier, _ plan: MessagePlan) -> Bool {
    let restoredMillis = restoredAtMicros / 1_000
    guard message.millis > restoredMillis else { return true }
    if let campaign = plan.campaign { return campaign.millis <= restoredMillis }
    guard let run = plan.run, run.millis <= restoredMillis else { return false }
    guard let releasedAtMicros else { return true }
    let lostMicros = max(0, restoredAtMicros - dataUpToMicros)
    return message.millis <= (releasedAtMicros + lostMicros) / 1_000 + Self.runSlackMillis
  }

  private static let runSlackMillis: Int64 = 3 * 86_400_000

  /// Whether somebody launched the campaign here, after what is lost: where no provider can say what it sent before, the
  /// launch counts.
  func isNew(launchMicros: Micros?) -> Bool { launchMicros.map { $0 > restoredAtMicros } ?? false }
}
