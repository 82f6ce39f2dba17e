/// One message to every contact of a segment. Stream: the campaign's id.
///
/// Invariants: launched once; its audience is fixed at launch and recorded; it completes only when
/// every planned recipient has a final state: planned = sent + failed + skipped + cancelled.
package enum Campaign {
  package enum Command: Sendable, Equatable {
    case create(CampaignDefinition)
    /// `audience` is what the segment held at this moment, in order of contact id.
    case launch(filter: Filter, audience: [Identifier], batchSize: Int)
    /// The messages of a batch were planned.
    case markBatchPlanned(ordinal: Int)
    case complete(CampaignOutcome)
    case cancel(by: String)
  }

  package enum Event: Sendable, Equatable {
    case created(CampaignDefinition)
    case launched(filter: Filter, plannedCount: Int)
    /// A slice of the audience, from 0 on.
    case audienceRecorded(ordinal: Int, contacts: [Identifier])
    case batchPlanned(ordinal: Int)
    case completed(CampaignOutcome)
    case cancelled(by: String)
  }

  package enum Status: String, Sendable, CaseIterable {
    case draft, running, completed, cancelled
  }

  package struct State: Sendable, Equatable {
    package var status: Status?
    package var definition: CampaignDefinition?
    package var plannedCount = 0
    /// Recorded slices whose messages are not planned yet.
    package var openBatches: [Int: [Identifier]] = [:]
    package var outcome: CampaignOutcome?

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case alreadyLaunched
    case emptyName
    case emptyBody
    case emptyAudience
    case unknownBatch(ordinal: Int)
    case notConserved(planned: Int, ended: Int)
    case notAllowed(status: Status)
  }

  package static let initialState = State()
}

package struct CampaignDefinition: Sendable, Equatable {
  package var name: String
  package var segment: Identifier
  package var channel: Channel
  package var purpose: Purpose
  /// With merge fields such as `{{first_name}}`.
  package var body: String

  package init(name: String, segment: Identifier, channel: Channel, purpose: Purpose, body: String)
  {
    self.name = name
    self.segment = segment
    self.channel = channel
    self.purpose = purpose
    self.body = body
  }
}

/// How a campaign's recipients ended.
package struct CampaignOutcome: Sendable, Equatable {
  /// Handed to the carrier (sent or delivered).
  package var sentCount: Int
  package var failedCount: Int
  package var skippedCount: Int
  package var cancelledCount: Int

  package init(sentCount: Int, failedCount: Int, skippedCount: Int, cancelledCount: Int) {
    self.sentCount = sentCount
    self.failedCount = failedCount
    self.skippedCount = skippedCount
    self.cancelledCount = cancelledCount
  }

  package var endedCount: Int { sentCount + failedCount + skippedCount + cancelledCount }
}
