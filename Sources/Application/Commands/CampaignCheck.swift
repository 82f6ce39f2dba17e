import Domain

/// What a launch would come to, found before it.
package struct CampaignCheck: Sendable, Equatable {
  /// Whoever the segment holds at this moment.
  package var recipientCount = 0
  /// Recipients whose text could not be filled, and how many of them lack each field.
  package var incompleteCount = 0
  package var missing: [String: Int] = [:]
  /// What is to be said of the words.
  package var findings: [ContentFinding] = []
}

/// What would become of a campaign's messages.
package struct CampaignRehearsal: Sendable, Equatable {
  package var plannedCount = 0
  /// Recipients that were put before the gate: all of them, unless the time ran out.
  package var judgedCount = 0
  package var allowedCount = 0
  /// By reason.
  package var held: [String: Int] = [:]
  package var skipped: [String: Int] = [:]
  package var costMicros: Int64 = 0

  package var isWhole: Bool { judgedCount == plannedCount }
}

/// A launch that is only tried: who would get what.
package struct LaunchedForTrial: Sendable {
  let campaign: Identifier
  let definition: CampaignDefinition
  let audience: [Identifier]
}

extension OrgExecutor {
  /// Plans the messages of a campaign and keeps none of them: each is judged with what those before it left of the
  /// money. Nobody else's commands wait longer than for one page, of which nothing stays but its sums.
  ///
  /// No two recipients have one address, so that nothing else of a message counts for those behind it.
  ///
  /// Where `deadline` has passed, no further page is judged.
  package func rehearse(
    _ launched: LaunchedForTrial, until deadline: ContinuousClock.Instant
  ) async throws(CommandError) -> CampaignRehearsal {
    var rehearsal = CampaignRehearsal()
    rehearsal.plannedCount = launched.audience.count
    var spending = TrialSpending()
    var place = 0
    while place < launched.audience.count {
      let places = place..<min(place + Workspace.campaignBatchSize, launched.audience.count)
      try read { [spending] workspace throws(CommandError) in
        var copy = copy workspace
        return try copy.rehearse(launched, places, spending)
      }.add(to: &rehearsal, &spending)
      place = places.upperBound
      if ContinuousClock.now >= deadline || Task.isCancelled { break }
      await Task.yield()
    }
    return rehearsal
  }
}

/// What the messages of a trial have set aside so far.
struct TrialSpending: Sendable {
  var heldMicros: Int64 = 0
  var committedMicros: Int64 = 0
}

/// What a page of recipients came to.
private struct RehearsedPage: Sendable {
  var outcomes = CampaignRehearsal()
  var spending: TrialSpending

  func add(to rehearsal: inout CampaignRehearsal, _ spending: inout TrialSpending) {
    rehearsal.judgedCount += outcomes.judgedCount
    rehearsal.allowedCount += outcomes.allowedCount
    rehearsal.held.merge(outcomes.held) { $0 + $1 }
    rehearsal.skipped.merge(outcomes.skipped) { $0 + $1 }
    rehearsal.costMicros += outcomes.costMicros
    spending = self.spending
  }
}

extension Workspace {
  /// What a campaign that was launched just now would be sent to.
  package func launchedForTrial(_ id: Identifier) throws(CommandError) -> LaunchedForTrial {
    guard let definition = try current(Campaign.self, id).definition else { throw .notFound(id) }
    let audience = try audience(of: definition)
    let limit = Campaign.audienceLimit(batchSize: Self.batchSize(of: definition))
    guard audience.count <= limit else { throw .campaign(.audienceTooLarge(limit: limit)) }
    return LaunchedForTrial(campaign: id, definition: definition, audience: audience)
  }

  fileprivate mutating func rehearse(
    _ launched: LaunchedForTrial, _ places: Range<Int>, _ spending: TrialSpending
  ) throws(CommandError) -> RehearsedPage {
    adopt(spending)
    var page = RehearsedPage(spending: spending)
    for contact in launched.audience[places] {
      let planned = try planOrSkip(
        Self.request(launched.definition, to: contact, campaign: launched.campaign))
      page.outcomes.judgedCount += 1
      switch planned.verdict.outcome {
      case .allowed: page.outcomes.allowedCount += 1
      case .held(let reason, _): page.outcomes.held[reason.rawValue, default: 0] += 1
      case .refused(let reason):
        page.outcomes.skipped[reason.rawValue, default: 0] += 1
        continue
      }
      page.outcomes.costMicros += planned.priceMicros
    }
    page.spending = trialSpending
    return page
  }

  /// Looks a draft over as its launch would find it: who is in the audience, whose fields are missing, and what
  /// carriers and mailbox providers have against the words. Nothing is written.
  package func checkCampaign(_ id: Identifier) throws(CommandError) -> CampaignCheck {
    guard let definition = try current(Campaign.self, id).definition else { throw .notFound(id) }
    let content = TemplateContent(
      body: definition.body, subject: definition.subject, html: definition.html,
      voicemail: definition.voicemail)
    var check = CampaignCheck()
    if definition.purpose == .marketing {
      check.findings = ContentCheck.findings(in: content, on: definition.channel)
    }
    for contact in try audience(of: definition) {
      check.recipientCount += 1
      let missing = try missingFields(of: content, for: contact)
      if !missing.isEmpty { check.incompleteCount += 1 }
      for field in missing { check.missing[field, default: 0] += 1 }
    }
    return check
  }

  /// Whoever the segment holds at this moment, in order of contact id.
  func audience(of definition: CampaignDefinition) throws(CommandError) -> [Identifier] {
    let filter = try filter(of: definition.segment)
    var audience: [Identifier] = []
    state.contacts.forEach { id, record in
      if filter.matches(record.facts, atMicros: nowMicros) { audience.append(id) }
    }
    return audience.sorted()
  }

  /// Before a launch that is not to leave anybody out for want of a field.
  package func requireComplete(_ id: Identifier) throws(CommandError) {
    guard try current(Campaign.self, id).status == .draft else { return }
    let check = try checkCampaign(id)
    guard check.incompleteCount == 0 else {
      throw .recipientsIncomplete(
        count: check.incompleteCount, fields: check.missing.keys.sorted())
    }
  }
}
