package import Domain
package import EventLog

/// A large org for measuring and for looking at: a history straight into the log, through the codec and
/// the rules of the domain.
package enum SeedData {
  package struct Options: Sendable {
    package var contactCount: Int
    /// Met within a few thousandths.
    package var eventCount: Int
    package var seed: UInt64
    /// The end of the ninety days, a midnight in UTC.
    package var untilMicros: Micros
    /// SHA-256 in hex of the secret of the org's API key.
    package var keyHash: String

    package init(
      contactCount: Int, eventCount: Int, seed: UInt64, untilMicros: Micros, keyHash: String
    ) {
      self.contactCount = contactCount
      self.eventCount = eventCount
      self.seed = seed
      self.untilMicros = untilMicros
      self.keyHash = keyHash
    }

    /// Ids lead with the time and the rest is luck: a story with the same seed has the same org.
    package var org: Identifier { SeedStory(self).org }
  }

  package struct Progress: Sendable, Equatable {
    package let contactCount: Int
    package let messageCount: Int
    package let eventCount: Int
  }

  package static var contactLimit: Int { SeedPeople.limit }

  /// Writes the history. What is written when it fails or is cancelled stays.
  ///
  /// - Throws: `EventLogError`; a decider's rejection, which is a defect of the story.
  @discardableResult
  package static func write(
    _ options: Options, to log: any EventLogWriter, progress: (Progress) -> Void = { _ in }
  ) async throws -> Progress {
    let story = SeedStory(options)
    var waiting: [PendingAppend] = []
    while let commits = try story.next() {
      try Task.checkCancellation()
      // The log flushes what is queued as one: a piece of the story is on its way while the next is told.
      for pending in waiting { _ = try await pending.receipt() }
      waiting = commits.map { log.enqueue($0) }
      progress(story.progress)
    }
    for pending in waiting { _ = try await pending.receipt() }
    return story.progress
  }
}

extension SeedStory {
  fileprivate var progress: SeedData.Progress {
    SeedData.Progress(
      contactCount: contactCount, messageCount: messageCount, eventCount: eventCount)
  }
}
