import Domain
import EventLog

extension Workspace {
  /// Recipients whose messages are planned in one commit, at most.
  static var campaignBatchSize: Int { 250 }

  /// ... of a campaign with these words: merge fields may make twice as much of them, and a commit takes 16 MiB.
  static func batchSize(of definition: CampaignDefinition) -> Int {
    let byteCount = definition.texts.reduce(4 << 10) { $0 + 2 * $1.text.utf8.count }
    return min(max(1, CommitRules.maxCommitBytes / 4 * 3 / byteCount), campaignBatchSize)
  }

  package mutating func createCampaign(
    _ definition: CampaignDefinition
  ) throws(CommandError) -> Identifier {
    let definition = try checked(definition)
    let id = newID(.campaign)
    try run(Campaign.self, id, .create(definition), isNew: true)
    return id
  }

  /// Another definition of a draft.
  package mutating func updateCampaign(
    _ id: Identifier, _ change: (inout CampaignDefinition) -> Void
  ) throws(CommandError) {
    guard var definition = try current(Campaign.self, id).definition else { throw .notFound(id) }
    change(&definition)
    definition = try checked(definition)
    try run(Campaign.self, id, .update(definition))
  }

  package mutating func deleteCampaign(_ id: Identifier) throws(CommandError) {
    guard try current(Campaign.self, id).status != nil else { throw .notFound(id) }
    try run(Campaign.self, id, .delete)
  }

  private func checked(
    _ definition: CampaignDefinition
  ) throws(CommandError) -> CampaignDefinition {
    _ = try filter(of: definition.segment)
    return try written(definition)
  }

  /// Whom the segment takes. What somebody deleted takes nobody any more, also where it was chosen before.
  func filter(of segment: Identifier) throws(CommandError) -> Filter {
    let segment = try current(Segment.self, segment)
    guard segment.exists, !segment.isDeleted else {
      throw .invalid(
        field: "segment", code: "unknown_segment", message: "There is no such segment.")
    }
    return segment.filter
  }

  /// The definition with its template's words, which stay as they are now whatever becomes of the template.
  private func written(
    _ definition: CampaignDefinition
  ) throws(CommandError) -> CampaignDefinition {
    var request = Self.request(definition, to: org)
    request = try resolved(request)
    var definition = definition
    definition.body = request.body
    definition.subject = request.subject
    definition.html = request.html
    definition.voicemail = request.voicemail
    definition.template = request.template
    let faults = CampaignWords.faults(
      in: definition.texts, on: definition.channel, for: definition.purpose)
    if let fault = faults.first { throw fault }
    return definition
  }

  /// What one recipient of a campaign gets.
  static func request(
    _ definition: CampaignDefinition, to contact: Identifier, campaign: Identifier? = nil
  ) -> MessageRequest {
    var request = MessageRequest(
      contact: contact, body: definition.body, purpose: definition.purpose, campaign: campaign,
      channel: definition.channel)
    request.subject = definition.subject
    request.html = definition.html
    request.voicemail = definition.voicemail
    request.template = definition.template
    if definition.channel == .voice {
      request.voice = VoicePlan(
        maxMinutes: VoicePlan.standardMinutes, isRecorded: false,
        isVoicemailDrop: definition.voicemail != nil)
    }
    return request
  }

  /// Fixes the audience: whoever the segment holds at this moment.
  package mutating func launchCampaign(_ id: Identifier) throws(CommandError) {
    guard let definition = try current(Campaign.self, id).definition else { throw .notFound(id) }
    _ = try sender(on: definition.channel)
    if definition.channel == .email, definition.purpose == .marketing,
      state.settings.postalAddress == nil
    {
      throw .postalAddressMissing
    }
    // Of one that was launched before, that is said, whatever became of its segment.
    let isDraft = try current(Campaign.self, id).status == .draft
    try run(
      Campaign.self, id,
      .launch(
        filter: isDraft ? try filter(of: definition.segment) : .all([]),
        audience: isDraft ? try audience(of: definition) : [],
        batchSize: Self.batchSize(of: definition)))
  }

  package mutating func cancelCampaign(_ id: Identifier) throws(CommandError) {
    guard try current(Campaign.self, id).status != nil else { throw .notFound(id) }
    try run(Campaign.self, id, .cancel(by: actor))
    try cancelWaiting(of: id, limit: Self.sweepLimit)
  }

  /// Messages that one commit stops: it holds at most 65,535 events. From the commit of the cancellation
  /// or the no on, none of them can be handed out; the rest is put on record by `sweep`.
  static var sweepLimit: Int { 5_000 }

  private mutating func cancelWaiting(
    of campaign: Identifier, limit: Int
  ) throws(CommandError) {
    for message in (state.queue.stoppableByCampaign[campaign] ?? []).prefix(limit).sorted() {
      try follow(try run(Message.self, message, .cancel(by: actor)), of: message)
    }
  }

  /// Puts on record what can no longer go out: of cancelled campaigns, and to addresses that said no.
  mutating func sweep() throws(CommandError) {
    if let campaign = state.cancelledWaiting.min() {
      return try cancelWaiting(of: campaign, limit: Self.sweepLimit)
    }
    if let address = state.revokedWaiting.first { return try revokeWaiting(address) }
    try skipKilled(state.killedWaiting.prefix(Self.sweepLimit).sorted())
  }

  package mutating func pauseCampaign(_ id: Identifier) throws(CommandError) {
    guard try current(Campaign.self, id).status != nil else { throw .notFound(id) }
    try run(Campaign.self, id, .pause(by: actor))
  }

  package mutating func resumeCampaign(_ id: Identifier) throws(CommandError) {
    guard try current(Campaign.self, id).status != nil else { throw .notFound(id) }
    try run(Campaign.self, id, .resume(by: actor))
  }

  package mutating func setPace(
    of id: Identifier, perMinute: Int?
  ) throws(CommandError) {
    guard try current(Campaign.self, id).status != nil else { throw .notFound(id) }
    try run(Campaign.self, id, .setPace(perMinute: perMinute))
  }

  /// Plans the messages of one recorded slice of the audience.
  mutating func planBatch(_ ordinal: Int, of id: Identifier) throws(CommandError) {
    let campaign = try current(Campaign.self, id)
    guard campaign.status == .running, let definition = campaign.definition,
      let contacts = campaign.openBatches[ordinal]
    else { return }
    for contact in contacts {
      try planOrSkip(Self.request(definition, to: contact, campaign: id))
    }
    try run(Campaign.self, id, .markBatchPlanned(ordinal: ordinal))
  }

  /// Completes a campaign whose recipients have all come to an end.
  mutating func completeCampaign(_ id: Identifier) throws(CommandError) {
    guard let progress = state.campaigns.progress[id] else { return }
    try run(Campaign.self, id, .complete(progress.outcome))
  }
}

extension OrgState {
  /// A slice of a campaign's audience that waits to be planned.
  struct OpenBatch: Sendable {
    let campaign: Identifier
    let ordinal: Int
  }

  /// The next slice to plan of each campaign, oldest campaign first.
  func nextOpenBatches() -> [OpenBatch] {
    campaigns.running.sorted().compactMap { id in
      guard tables.campaigns[id]?.status == .running,
        let ordinal = tables.campaigns[id]?.openBatches.keys.min()
      else { return nil }
      return OpenBatch(campaign: id, ordinal: ordinal)
    }
  }

  /// The campaigns in which nobody is under way any more.
  func finishedCampaigns() -> [Identifier] {
    campaigns.running.filter { id in
      guard let campaign = tables.campaigns[id], campaign.status == .running,
        campaign.openBatches.isEmpty
      else { return false }
      return campaigns.progress[id]?.endedCount == campaign.plannedCount
    }
    .sorted()
  }
}
