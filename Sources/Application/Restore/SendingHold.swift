import Domain
import EventCodec
import EventLog
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
  var millis: Int64 { Int64(truncatingIfNeeded: value >> 80) }
}

extension RestoreRecord {
  /// The end of what is lost, as far as it is known: the clock of the machine that restored may have been behind.
  private var lostUpToMicros: Micros { max(restoredAtMicros, dataUpToMicros) }

  /// Whether a message may have been sent before the restore, in the part of history that is lost: it, or the campaign
  /// or run that it belongs to, is older. What is decided later is new.
  ///
  /// A run cannot have come further there than its waits are long. `waitedMicros`: how long those were that it has behind
  /// it since the restored part ended, however much later they ended here.
  func mayHaveSent(
    _ message: Identifier, _ plan: MessagePlan, waitedMicros: (Identifier) throws -> Int64
  ) rethrows -> Bool {
    let lostUpToMillis = lostUpToMicros / 1_000
    guard message.millis > lostUpToMillis else { return true }
    if let campaign = plan.campaign { return campaign.millis <= lostUpToMillis }
    guard let run = plan.run, run.millis <= lostUpToMillis else { return false }
    return try waitedMicros(run) <= lostUpToMicros - dataUpToMicros + Self.runSlackMicros
  }

  /// For steps that wait for an hour of the day, and for a clock that was behind.
  private static let runSlackMicros: Int64 = 3 * 86_400_000_000

  /// Whether what a provider lists may be of the part that is lost.
  func mayBeLost(_ listed: ProviderMessage) -> Bool {
    listed.createdAtMicros <= lostUpToMicros + Self.clockSlackMicros
  }

  /// As far as the clocks of machines that restore, and those of providers, may be apart.
  private static let clockSlackMicros: Int64 = 86_400_000_000

  /// Whether somebody launched the campaign here, after what is lost: where no provider can say what it sent before, the
  /// launch counts.
  func isNew(launchMicros: Micros?) -> Bool { launchMicros.map { $0 > lostUpToMicros } ?? false }

  /// How long the waits of `run` were that ended, or would have ended, since the end of what was restored.
  func waitedMicros(
    of run: Identifier, in org: Identifier, _ log: any EventReader
  ) throws(CommandError) -> Int64 {
    let events: [RecordedEvent]
    do throws(EventLogError) {
      events = try log.readStream(
        org: OrgID(org.value), stream: StreamID(run.value), from: .max,
        limit: WorkflowRun.stepLimit, direction: .backwards)
    } catch {
      throw .log(error)
    }
    var waitedMicros: Int64 = 0
    for recorded in events {
      guard
        case .run(.waiting(_, _, let untilMicros)) = try StreamFold.decode(recorded).event
      else { continue }
      // By the real clock, as the rest is.
      let offsetMicros = recorded.context.occurredAtMicros - recorded.recordedAtMicros
      let endMicros = untilMicros - offsetMicros
      waitedMicros += max(0, endMicros - max(recorded.recordedAtMicros, dataUpToMicros))
      // Those before it had ended.
      if recorded.recordedAtMicros <= dataUpToMicros { break }
    }
    return waitedMicros
  }
}
