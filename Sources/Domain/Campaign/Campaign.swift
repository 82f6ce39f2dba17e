/// One message to every contact of a segment. Stream: the campaign's id.
///
/// Invariants: launched once; its audience is fixed at launch and recorded; it completes only when
/// every planned recipient has a final state: planned = sent + failed + skipped + cancelled.
package enum Campaign: Decider {
  package enum Command: Sendable, Equatable {
    case create(CampaignDefinition)
    /// `audience` is what the segment held at this moment, in order of contact id.
    case launch(filter: Filter, audience: [Identifier], batchSize: Int)
    /// The messages of a batch were planned.
    case markBatchPlanned(ordinal: Int)
    case complete(CampaignOutcome)
    case cancel(by: String)
    /// What is planned or queued waits; nothing of it is handed out from this commit on.
    case pause(by: String)
    case resume(by: String)
    /// How fast its messages are handed out; nil: as fast as the sender may.
    case setPace(perMinute: Int?)
    /// Another definition, as long as nothing went out.
    case update(CampaignDefinition)
    /// It is not shown any more; what it sent stays on record.
    case delete
  }

  package enum Event: Sendable, Equatable {
    case created(CampaignDefinition)
    case launched(filter: Filter, plannedCount: Int)
    /// A slice of the audience, from 0 on.
    case audienceRecorded(ordinal: Int, contacts: [Identifier])
    case batchPlanned(ordinal: Int)
    case completed(CampaignOutcome)
    case cancelled(by: String)
    case paused(by: String)
    case resumed(by: String)
    case paceSet(perMinute: Int?)
    case updated(CampaignDefinition)
    case deleted
  }

  package enum Status: String, Sendable, CaseIterable, Codable {
    case draft, running, paused, completed, cancelled
  }

  package struct State: Sendable, Equatable, Codable {
    package var status: Status?
    package var definition: CampaignDefinition?
    package var plannedCount = 0
    /// Slices of the audience, planned or not.
    package var batchCount = 0
    /// Recorded slices whose messages are not planned yet.
    package var openBatches: [Int: [Identifier]] = [:]
    package var outcome: CampaignOutcome?
    package var pacePerMinute: Int?
    package var isDeleted = false

    package init() {}
  }

  package enum Rejection: Error, Equatable {
    case alreadyExists
    case notFound
    case alreadyLaunched
    case emptyName
    case emptyBody
    case emptyAudience
    case audienceTooLarge(limit: Int)
    case batchSizeNotPositive
    case unknownBatch(ordinal: Int)
    case notConserved(planned: Int, ended: Int)
    case notAllowed(status: Status)
    case paceOutOfRange(limit: Int)
    case holdoutOutOfRange(limit: Int)
  }

  /// Messages a minute at most, where a pace is set.
  package static let paceLimit = 600_000

  package static let initialState = State()
}

package struct CampaignDefinition: Sendable, Equatable, Codable {
  package var name: String
  package var segment: Identifier
  package var channel: Channel
  package var purpose: Purpose
  /// With merge fields such as `{{first_name}}`.
  package var body: String
  /// Of an email.
  package var subject: String?
  package var html: String?
  /// Of a call: what is left on an answering machine.
  package var voicemail: String?
  /// Where the texts came from.
  package var template: TemplateUse?
  /// Of a hundred people that it could go to, how many are kept out to compare with.
  package var holdoutPercent: Int?

  package init(
    name: String, segment: Identifier, channel: Channel, purpose: Purpose, body: String,
    subject: String? = nil, html: String? = nil, voicemail: String? = nil,
    template: TemplateUse? = nil, holdoutPercent: Int? = nil
  ) {
    self.name = name
    self.segment = segment
    self.channel = channel
    self.purpose = purpose
    self.body = body
    self.subject = subject
    self.html = html
    self.voicemail = voicemail
    self.template = template
    self.holdoutPercent = holdoutPercent
  }
}

extension CampaignDefinition {
  /// Each text with the name of its field.
  package var texts: [(field: String, text: String)] {
    [("body", body), ("subject", subject), ("html", html), ("voicemail", voicemail)]
      .compactMap { field, text in text.map { (field, $0) } }
  }
}

/// How a campaign's recipients ended.
package struct CampaignOutcome: Sendable, Equatable, Codable {
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

// MARK: - Decide

extension Campaign {
  package static func decide(
    _ command: Command, given state: State
  ) throws(Rejection) -> [Event] {
    if case .create(let definition) = command {
      guard state.status == nil else { throw .alreadyExists }
      try check(definition)
      return [.created(definition)]
    }
    guard let status = state.status else { throw .notFound }
    if state.isDeleted {
      guard command == .delete else { throw .notFound }
      return []
    }
    switch command {
    case .create: throw .alreadyExists
    case .launch(let filter, let audience, let batchSize):
      return try launch(filter, to: audience, batchSize: batchSize, status: status)
    case .markBatchPlanned(let ordinal):
      guard (0..<state.batchCount).contains(ordinal) else {
        throw .unknownBatch(ordinal: ordinal)
      }
      // A batch that was planned before is not news, whatever became of the campaign.
      guard state.openBatches[ordinal] != nil else { return [] }
      guard status == .running else { throw .notAllowed(status: status) }
      return [.batchPlanned(ordinal: ordinal)]
    case .complete(let outcome):
      return try complete(outcome, state, status)
    case .cancel(let by):
      switch status {
      case .cancelled: return []
      case .completed: throw .notAllowed(status: status)
      case .draft, .running, .paused: return [.cancelled(by: by)]
      }
    case .pause, .resume, .setPace:
      return try control(command, state, status)
    case .update(let definition):
      guard status == .draft else { throw .notAllowed(status: status) }
      try check(definition)
      return definition == state.definition ? [] : [.updated(definition)]
    case .delete:
      guard status != .running, status != .paused else { throw .notAllowed(status: status) }
      return [.deleted]
    }
  }

  private static func check(_ definition: CampaignDefinition) throws(Rejection) {
    guard !definition.name.isBlank else { throw .emptyName }
    guard !definition.body.isBlank else { throw .emptyBody }
    guard definition.holdoutPercent.map((1...HoldoutDraw.percentLimit).contains) ?? true else {
      throw .holdoutOutOfRange(limit: HoldoutDraw.percentLimit)
    }
  }

  private static func control(
    _ command: Command, _ state: State, _ status: Status
  ) throws(Rejection) -> [Event] {
    switch command {
    case .pause(let by):
      if status == .paused { return [] }
      guard status == .running else { throw .notAllowed(status: status) }
      return [.paused(by: by)]
    case .resume(let by):
      if status == .running { return [] }
      guard status == .paused else { throw .notAllowed(status: status) }
      return [.resumed(by: by)]
    case .setPace(let perMinute):
      guard status != .completed, status != .cancelled else { throw .notAllowed(status: status) }
      guard perMinute.map((1...paceLimit).contains) ?? true else {
        throw .paceOutOfRange(limit: paceLimit)
      }
      return state.pacePerMinute == perMinute ? [] : [.paceSet(perMinute: perMinute)]
    case .create, .launch, .markBatchPlanned, .complete, .cancel, .update, .delete:
      preconditionFailure("handled by the caller")
    }
  }

  /// How many recipients one launch can record: it is one commit, of 65,535 events and 16 MiB at most.
  package static func audienceLimit(batchSize: Int) -> Int { min(450_000, batchSize * 60_000) }

  private static func launch(
    _ filter: Filter, to audience: [Identifier], batchSize: Int, status: Status
  ) throws(Rejection) -> [Event] {
    switch status {
    case .draft: break
    case .running, .paused, .completed: throw .alreadyLaunched
    case .cancelled: throw .notAllowed(status: status)
    }
    guard batchSize > 0 else { throw .batchSizeNotPositive }
    // Nobody is written to twice, however the audience was gathered.
    let contacts = Set(audience).sorted()
    guard !contacts.isEmpty else { throw .emptyAudience }
    let limit = audienceLimit(batchSize: batchSize)
    guard contacts.count <= limit else { throw .audienceTooLarge(limit: limit) }
    let slices = stride(from: 0, to: contacts.count, by: batchSize).enumerated().map {
      Event.audienceRecorded(
        ordinal: $0, contacts: Array(contacts[$1..<min($1 + batchSize, contacts.count)]))
    }
    return [.launched(filter: filter, plannedCount: contacts.count)] + slices
  }

  private static func complete(
    _ outcome: CampaignOutcome, _ state: State, _ status: Status
  ) throws(Rejection) -> [Event] {
    if status == .completed, outcome == state.outcome { return [] }
    guard status == .running else { throw .notAllowed(status: status) }
    let counts = [
      outcome.sentCount, outcome.failedCount, outcome.skippedCount, outcome.cancelledCount,
    ]
    // Each count first: a sum of counts that nobody checked could overflow.
    guard counts.allSatisfy((0...state.plannedCount).contains),
      outcome.endedCount == state.plannedCount
    else {
      let ended = counts.reduce(0) { $0.addingReportingOverflow($1).partialValue }
      throw .notConserved(planned: state.plannedCount, ended: ended)
    }
    return [.completed(outcome)]
  }
}

// MARK: - Evolve

extension Campaign {
  package static func evolve(_ state: State, with event: Event) -> State {
    var next = state
    switch event {
    case .created(let definition):
      next.status = .draft
      next.definition = definition
    case .launched(_, let plannedCount):
      next.status = .running
      next.plannedCount = plannedCount
    case .audienceRecorded(let ordinal, let contacts):
      next.batchCount += 1
      next.openBatches[ordinal] = contacts
    case .batchPlanned(let ordinal):
      next.openBatches[ordinal] = nil
    case .completed(let outcome):
      next.status = .completed
      next.outcome = outcome
    case .cancelled:
      next.status = .cancelled
      // Nobody of them is written to any more, and there may be half a million.
      next.openBatches = [:]
    case .paused:
      next.status = .paused
    case .resumed:
      next.status = .running
    case .paceSet(let perMinute):
      next.pacePerMinute = perMinute
    case .updated(let definition):
      next.definition = definition
    case .deleted:
      next.isDeleted = true
    }
    return next
  }
}
