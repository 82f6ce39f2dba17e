import Domain
import EventCodec
import EventLog
import Testing

@testable import Application

extension HouseTests {
  /// What may have been sent in the part of history that a restore lost.
  @Suite(.serialized) struct RestoredSendingTests {
    private static let phone = "+12125550123"

    /// An hour after the data ends, and released at once.
    private func record(_ house: House) -> RestoreRecord {
      let nowMicros = house.clock.nowMicros()
      return RestoreRecord(
        restoredAtMicros: nowMicros, head: 1, dataUpToMicros: nowMicros - Moment.hourMicros,
        incarnation: 1, releasedAtMicros: nowMicros)
    }

    private func running(
      _ org: TestOrg, _ providers: [any MessageProvider], _ record: RestoreRecord,
      _ body: () async throws -> Void
    ) async throws {
      var settings = ReactorSettings(
        links: OutboundLinks(publicURL: "http://127.0.0.1:1", tokens: LinkTokens(secret: [1])))
      settings.doubtGraceMillis = 0
      let reactor = OrgReactor(
        executor: try org.executor, providers: MessageProviders(providers), log: org.house.log,
        settings: settings, desk: RateDesk(rates: RateTable()), restored: record,
        texts: CursorFile(directory: org.house.cursorDirectory, name: "texts"), report: { _ in })
      let running = Task { await reactor.run() }
      let result: Result<Void, any Error>
      do {
        result = .success(try await body())
      } catch {
        result = .failure(error)
      }
      running.cancel()
      await running.value
      try result.get()
    }

    /// A campaign of one that was drafted before the data ends and is launched after the restore.
    private func launch(
      _ channel: Channel, in house: House, _ org: TestOrg, laterByMicros: Int64 = 1_000_000
    ) async throws -> RestoreRecord {
      if channel == .email {
        try await org.perform { workspace throws(CommandError) in
          try workspace.configureProvider(
            ProviderSettings(
              service: .email, provider: "sendgrid", baseURL: "http://127.0.0.1:1",
              options: ["from": "hi@acme.example"], secrets: .known(["api_key": "k"])))
        }
      }
      let contact = try await org.contact(Self.phone, tags: ["all"])
      try await org.perform { workspace throws(CommandError) in
        try workspace.updateContact(
          contact, [FieldChange(field: "email", value: .text("ann@example.com"))])
      }
      let segment = try await org.segment(tagged: "all")
      let draft = try await org.output { workspace throws(CommandError) in
        var definition = CampaignDefinition(
          name: "Draft", segment: segment, channel: channel, purpose: .transactional, body: "News")
        if channel == .email { definition.subject = "News" }
        return try workspace.createCampaign(definition)
      }
      house.clock.advance(byMicros: 2 * Moment.hourMicros)
      let record = record(house)
      house.clock.advance(byMicros: laterByMicros)
      try await org.perform { workspace throws(CommandError) in
        try workspace.launchCampaign(draft)
      }
      return record
    }

    /// A draft that was launched before the restore, in what is lost, would be sent twice; whoever launches it after it
    /// is answered for by themselves.
    @Test(arguments: [
      (Channel.sms, nil), (.email, ProviderError.failed(status: 403, code: "http_403")),
    ])
    func `what is launched after a restore goes out where no list proves anything`(
      channel: Channel, error: ProviderError?
    ) async throws {
      let provider = ToldProvider(
        channel == .sms ? SMSCredentials.provider : "sendgrid", [channel])
      provider.change {
        $0.provesAbsence = false
        $0.error = error
        $0.outcome = .accepted(providerID: "SM1")
      }
      try await House.with(log: nil, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550124")
        let before = try await org.send("Before", to: contact).id
        let record = try await launch(channel, in: house, org)
        try await running(org, [provider], record) {
          try await wait("the campaign's message is taken") {
            house.clock.advance(byMicros: 1_000_000)
            return provider.sentCount > 0
          }
          if channel == .sms { try await org.waitFor(before, .failed) }
        }
        #expect(provider.sentCount == 1)
        #expect(provider.sentBodies.allSatisfy { $0.hasPrefix("News") })
      }
    }

    /// The token is the one of the backup, say, and somebody has rolled it since.
    @Test func `what cannot be asked about yet is not sent`() async throws {
      let texts = ToldProvider()
      texts.change { $0.error = .unauthorized }
      try await House.with(log: nil, isRunning: false) { house in
        let org = try await house.org()
        let record = try await launch(.sms, in: house, org)
        try await running(org, [texts], record) {
          try await wait("it is asked") { texts.questionCount > 0 }
          texts.list("SM1", atMicros: record.restoredAtMicros - Moment.hourMicros / 2)
          texts.change { $0.error = nil }
          // By then it is asked again.
          house.clock.advance(byMicros: Moment.hourMicros)
          try await wait("it is on record as sent") {
            try org.messages.values.contains { $0.providerID == "SM1" }
          }
        }
        #expect(texts.sentCount == 0)
      }
    }

    /// Its id was forgotten since, and calls are told apart by their numbers alone.
    @Test func `what was sent days after the restore is not taken for a message of the lost part`()
      async throws
    {
      let texts = ToldProvider()
      texts.change { $0.outcome = .accepted(providerID: "SM2") }
      try await House.with(log: nil, isRunning: false) { house in
        let org = try await house.org()
        let record = try await launch(
          .sms, in: house, org, laterByMicros: 72 * Moment.hourMicros)
        texts.list("SM1", atMicros: record.restoredAtMicros + 48 * Moment.hourMicros)
        try await running(org, [texts], record) {
          try await wait("it is sent") {
            house.clock.advance(byMicros: 1_000_000)
            return texts.sentCount > 0
          }
        }
        #expect(texts.questionCount > 0)
        #expect(try org.messages.values.allSatisfy { $0.providerID != "SM1" })
      }
    }

    // MARK: Runs

    /// The house may have been off for days: it is the waits that count.
    @Test func `a run's message was sent before where its waits are no longer than what is lost`()
      async throws
    {
      try await House.with(log: nil, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact(Self.phone)
        let run = Identifier(.run, millis: house.clock.nowMicros() / 1_000, random: 1)
        let day = 24 * Moment.hourMicros
        func pass(_ step: String, waiting waitMicros: Int64?, next: String) async throws {
          if let waitMicros {
            try await org.perform { workspace throws(CommandError) in
              try workspace.run(
                WorkflowRun.self, run,
                .wait(
                  step: step, timer: workspace.newID(.timer),
                  untilMicros: workspace.nowMicros + waitMicros))
            }
          }
          try await org.perform { workspace throws(CommandError) in
            try workspace.run(
              WorkflowRun.self, run,
              .advance(step: step, outcome: "done", message: nil, next: next))
          }
        }
        try await org.perform { workspace throws(CommandError) in
          try workspace.run(
            WorkflowRun.self, run,
            .start(
              workflow: Identifier(.workflow, 1), version: 1, contact: contact, firstStep: "a"),
            isNew: true)
        }
        try await pass("a", waiting: 30 * day, next: "b")
        house.clock.advance(byMicros: 31 * day)
        var record = record(house)
        let plan = MessagePlan(
          contact: contact, channel: .sms, purpose: .transactional, from: "+12125550100",
          content: .known(MessageContent(address: Self.phone, body: "Hello")), segmentCount: 1,
          encoding: "gsm7", run: run)
        func mayHaveSent() throws -> Bool {
          let id = Identifier(.message, millis: house.clock.nowMicros() / 1_000, random: 2)
          return try record.mayHaveSent(id, plan) { run in
            try record.waitedMicros(of: run, in: org.id, house.log)
          }
        }
        // Off for ten days after the release.
        house.clock.advance(byMicros: 10 * day)
        try await pass("b", waiting: nil, next: "c")
        #expect(try mayHaveSent())
        try await pass("c", waiting: 2 * day, next: "d")
        house.clock.advance(byMicros: 20 * day)
        #expect(try mayHaveSent())
        try await pass("d", waiting: 2 * day, next: "e")
        #expect(try !mayHaveSent())
        // The machine that restored has a clock that is a year behind.
        record.restoredAtMicros -= 365 * day
        #expect(record.mayHaveSent(Identifier(.message, millis: 0, random: 1), plan) { _ in 0 })
      }
    }

    // MARK: Texts that were found late

    @Test func `what follows from a text that came in the lost part is as old as the text`()
      async throws
    {
      try await House.with(log: nil, isRunning: false) { house in
        let org = try await house.org()
        try await org.perform { workspace throws(CommandError) in
          try workspace.setSendingRules(
            SendingRules(program: MessagingProgram(help: ["Aide"], helpText: "Call us.")))
        }
        let atMicros = house.clock.nowMicros()
        house.clock.advance(byMicros: 5 * Moment.hourMicros)
        let text = InboundText(
          from: Self.phone, to: org.number, body: "Aide", providerID: "SM1", segmentCount: 1)
        try await org.perform { workspace throws(CommandError) in
          _ = try workspace.take(
            ListedText(text: text, hasMedia: false, atMicros: atMicros), isFormer: false,
            isLast: true)
        }
        let made = try org.events.filter { [.contact, .message].contains($0.stream.kind) }
        #expect(Set(made.map(\.stream)).count == 3, "\(made.map(\.type))")
        #expect(made.allSatisfy { $0.stream.millis == atMicros / 1_000 })
        let starts = made.filter { ["contact.created", "message.received"].contains($0.type) }
        let runs = starts.map { WorkflowReactor.runID(of: Identifier(.workflow, 1), by: $0).millis }
        #expect(runs == [atMicros / 1_000, atMicros / 1_000])
        // An id of a moment is that of the record.
        let next = try await org.contact("+12125550124")
        #expect(next.millis >= (atMicros + 5 * Moment.hourMicros) / 1_000)
      }
    }
  }
}
