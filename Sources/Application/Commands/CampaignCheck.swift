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
  /// Recipients that were put before the gate.
  package var judgedCount = 0
  package var allowedCount = 0
  /// By reason.
  package var held: [String: Int] = [:]
  package var skipped: [String: Int] = [:]
  package var costMicros: Int64 = 0
}

extension Workspace {
  /// Nobody else's commands are decided meanwhile: so many take a fraction of a second.
  private static var rehearsalLimit: Int { 2_000 }

  /// Plans the messages of a campaign that was launched just now, and keeps none of them: each is judged with what
  /// those before it left in the wallet.
  package func rehearseCampaign(_ id: Identifier) throws(CommandError) -> CampaignRehearsal {
    guard let definition = try current(Campaign.self, id).definition else { throw .notFound(id) }
    let audience = try audience(of: definition)
    var rehearsal = CampaignRehearsal()
    rehearsal.plannedCount = audience.count
    var copy = self
    for contact in audience.prefix(Self.rehearsalLimit) {
      let planned = try copy.planOrSkip(Self.request(definition, to: contact, campaign: id))
      rehearsal.judgedCount += 1
      switch planned.verdict.outcome {
      case .allowed: rehearsal.allowedCount += 1
      case .held(let reason, _): rehearsal.held[reason.rawValue, default: 0] += 1
      case .refused(let reason):
        rehearsal.skipped[reason.rawValue, default: 0] += 1
        continue
      }
      rehearsal.costMicros += planned.priceMicros
    }
    return rehearsal
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
    let filter = try current(Segment.self, definition.segment).filter
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
