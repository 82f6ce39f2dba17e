import Domain

/// How far each unfinished campaign is: counted from its messages' states, never incremented apart.
struct CampaignIndex: Codable {
  struct Progress: Equatable, Codable {
    var sentCount = 0
    var failedCount = 0
    var skippedCount = 0
    var cancelledCount = 0

    var endedCount: Int { sentCount + failedCount + skippedCount + cancelledCount }
    var outcome: CampaignOutcome {
      CampaignOutcome(
        sentCount: sentCount, failedCount: failedCount, skippedCount: skippedCount,
        cancelledCount: cancelledCount)
    }
  }

  /// Launched and neither completed nor cancelled.
  private(set) var running: Set<Identifier> = []
  /// When those were launched, by the real clock.
  private(set) var launchMicros: [Identifier: Micros] = [:]
  private(set) var progress: [Identifier: Progress] = [:]
  /// Those of their messages that came to an end.
  private var ended: [Identifier: Set<Identifier>] = [:]

  /// The messages that nobody counts any more, where the campaign ended with this event.
  mutating func apply(
    _ event: Campaign.Event, of campaign: Identifier, atRealMicros realMicros: Micros
  ) -> Set<Identifier> {
    switch event {
    case .launched:
      running.insert(campaign)
      launchMicros[campaign] = realMicros
      progress[campaign] = Progress()
    case .completed, .cancelled:
      running.remove(campaign)
      launchMicros[campaign] = nil
      progress[campaign] = nil
      return ended.removeValue(forKey: campaign) ?? []
    case .created, .audienceRecorded, .batchPlanned, .paused, .resumed, .paceSet, .updated,
      .deleted:
      break
    }
    return []
  }

  mutating func apply(
    from before: Message.State?, to after: Message.State, of message: Identifier
  ) {
    guard let campaign = after.campaign, progress[campaign] != nil else { return }
    Self.count(before?.status, by: -1, in: &progress[campaign, default: Progress()])
    Self.count(after.status, by: 1, in: &progress[campaign, default: Progress()])
    if after.status?.isEnded == true { ended[campaign, default: []].insert(message) }
  }

  private static func count(_ status: Message.Status?, by step: Int, in counts: inout Progress) {
    switch status {
    case .sent, .delivered: counts.sentCount += step
    case .failed: counts.failedCount += step
    case .skipped: counts.skippedCount += step
    case .cancelled: counts.cancelledCount += step
    case .planned, .held, .queued, .dispatched, .accepted, .unknown, .received, nil: break
    }
  }
}
