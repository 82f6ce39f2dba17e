import Domain

/// How far each unfinished campaign is: counted from its messages' states, never incremented apart.
struct CampaignIndex {
  struct Progress: Equatable {
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
  private(set) var progress: [Identifier: Progress] = [:]

  mutating func apply(_ event: Campaign.Event, of campaign: Identifier) {
    switch event {
    case .launched:
      running.insert(campaign)
      progress[campaign] = Progress()
    case .completed, .cancelled:
      running.remove(campaign)
      progress[campaign] = nil
    case .created, .audienceRecorded, .batchPlanned:
      break
    }
  }

  mutating func apply(from before: Message.State?, to after: Message.State) {
    guard let campaign = after.plan?.campaign, var counts = progress[campaign] else { return }
    Self.count(before?.status, by: -1, in: &counts)
    Self.count(after.status, by: 1, in: &counts)
    progress[campaign] = counts
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
