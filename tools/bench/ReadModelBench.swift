import AuditProjection
import ContactsProjection
import Domain
import EventCodec
import EventLog
import Foundation
import Postgres
import ProjectionRuntime
import ReadModels
import SeedData
import SegmentsProjection
import TimelineProjection

/// Read models of a seeded org, in a database of their own.
struct SeededModels {
  let log: LMDBEventLog
  let connectionString: String
  /// As the API has them.
  let readers: PostgresPool
  let options: SeedData.Options

  var org: Identifier { options.org }
  var nowMicros: Micros { options.untilMicros }

  /// Seeds, rebuilds the read models, calls `body` and removes everything.
  static func with(
    _ bench: Bench.Options, _ names: [String], _ report: (Bench.Figure) -> Void,
    _ body: (SeededModels) async throws -> Void
  ) async throws {
    try await withBenchDirectory { directory in
      let log = try LMDBEventLog(directory: directory + "/log")
      // 2026-11-20: figures of two runs are of the same rows.
      let options = SeedData.Options(
        contactCount: bench.contactCount,
        eventCount: max(bench.eventCount, bench.contactCount * 10), seed: 1,
        untilMicros: 1_795_132_800_000_000, keyHash: String(repeating: "0", count: 64))
      let start = SystemClock.monotonicNanos()
      let written = try await SeedData.write(options, to: log)
      let seconds = Double(SystemClock.monotonicNanos() - start) / 1e9
      report(
        Bench.Figure(
          bench: "seed", caseName: "events", metric: "per_second",
          value: Double(written.eventCount) / seconds))
      var cluster = PostgresCluster.Options()
      cluster.lifetime = .thisProcess
      let server = try PostgresCluster.start(in: directory + "/postgres", options: cluster)
      do {
        try await rebuild(log, server.connectionString(), names, written.eventCount, report)
        let readers = PostgresPool(
          connectionString: server.connectionString(), size: 2,
          prepare: { try $0.execute("SET ROLE \(Catalog.readerRole)") })
        try await body(
          SeededModels(
            log: log, connectionString: server.connectionString(), readers: readers,
            options: options))
        readers.close()
        try server.stop()
      } catch {
        try server.stop()
        throw error
      }
      await log.close()
    }
  }

  private static func rebuild(
    _ log: LMDBEventLog, _ connectionString: String, _ names: [String], _ eventCount: Int,
    _ report: (Bench.Figure) -> Void
  ) async throws {
    let projections = try names.map { try ReadModels.named($0) }
    let caseName = names.count == ReadModels.all.count ? "all" : names.joined(separator: "+")
    let memory = MemoryWatch()
    let cpu = processorSeconds()
    let start = SystemClock.monotonicNanos()
    try await Rebuilder(
      reader: log, connectionString: connectionString, projections: projections
    ).rebuild()
    let seconds = Double(SystemClock.monotonicNanos() - start) / 1e9
    memory.stop()
    for (metric, value) in [
      ("per_second", Double(eventCount) / seconds), ("ms", seconds * 1_000),
      ("cpu_us_per_event", (processorSeconds() - cpu) / Double(max(1, eventCount)) * 1e6),
      ("rss_mb", memory.peakMegabytes), ("rss_without_log_mb", memory.peakAnonymousMegabytes),
    ] {
      report(Bench.Figure(bench: "rebuild", caseName: caseName, metric: metric, value: value))
    }
    // Index-only scans need to know which pages everybody sees: autovacuum's work, done now.
    try PostgresConnection(connectionString).execute("VACUUM ANALYZE")
  }

  /// Times `question`, and a question that reads nothing for the floor.
  func measure(
    _ bench: String, _ caseName: String, count: Int, _ report: (Bench.Figure) -> Void,
    _ question: (Int) async throws -> Void
  ) async throws {
    let latencies = Latencies()
    let floor = Latencies()
    for number in 0..<count {
      latencies.add([try await Self.nanos { try await question(number) }])
      floor.add([
        try await Self.nanos {
          try await Reading.read(readers, org: org) { _ = try $0.query("SELECT 1") }
        }
      ])
    }
    for (metric, share) in [("p50_ms", 0.5), ("p95_ms", 0.95)] {
      report(
        Bench.Figure(
          bench: bench, caseName: caseName, metric: metric, value: latencies.percentile(share),
          floor: floor.percentile(share)))
    }
  }

  private static func nanos(_ body: () async throws -> Void) async throws -> Int64 {
    let start = SystemClock.monotonicNanos()
    try await body()
    return SystemClock.monotonicNanos() - start
  }
}

/// `lists`: a page of a list at the size that was seeded, from anywhere in the list.
enum ListBench {
  private static let count = 200

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    let names = ["contacts", "segments", "timeline", "audit"]
    try await SeededModels.with(options, names, report) { try await measure($0, report) }
  }

  static func measure(
    _ models: SeededModels, _ report: (Bench.Figure) -> Void
  ) async throws {
    let contacts = try await contacts(models)
    for (name, change) in contactCases(contacts) {
      try await models.measure("lists", "contacts_\(name)", count: count, report) { number in
        var request = ContactsQueries.Request(nowMicros: models.nowMicros)
        change(number, &request)
        _ = try await ContactsQueries.list(models.readers, org: models.org, request)
      }
    }
    try await models.measure("lists", "timeline", count: count, report) { number in
      _ = try await TimelineQueries.list(
        models.readers, org: models.org,
        TimelineQueries.Request(contact: contacts[number % contacts.count].id))
    }
    try await models.measure("lists", "messages_failed", count: count, report) { _ in
      var request = MessageQueries.Request()
      request.status = .failed
      _ = try await MessageQueries.list(models.readers, org: models.org, request)
    }
    try await models.measure("lists", "audit_of_contact", count: count, report) { number in
      var request = AuditQueries.Request()
      request.contact = contacts[number % contacts.count].id
      _ = try await AuditQueries.list(models.readers, org: models.org, request)
    }
  }

  private struct Known {
    let id: Identifier
    let phone: String?
    let createdAtMicros: Micros
    let cursor: String?
  }

  /// Contacts from all over the list, and cursors into it.
  private static func contacts(_ models: SeededModels) async throws -> [Known] {
    var known: [Known] = []
    var request = ContactsQueries.Request(
      nowMicros: models.nowMicros, page: PageRequest(limit: 200))
    repeat {
      let page = try await ContactsQueries.list(models.readers, org: models.org, request)
      if let row = page.rows.last {
        known.append(
          Known(
            id: Identifier(.contact, row.contact), phone: row.state.details.phone,
            createdAtMicros: row.createdAtMicros, cursor: page.next))
      }
      request.page.after = page.next
    } while request.page.after != nil && known.count < 400
    return known
  }

  private static func contactCases(
    _ known: [Known]
  ) -> [(String, (Int, inout ContactsQueries.Request) -> Void)] {
    [
      ("newest", { number, request in request.page.after = known[number % known.count].cursor }),
      ("by_name", { _, request in request.sort = .name }),
      ("by_tag", { _, request in request.tag = "vip" }),
      ("by_phone", { number, request in request.phone = known[number % known.count].phone }),
      (
        "by_filter",
        { _, request in
          request.filter = .condition(
            Filter.Condition(field: "custom.city", comparison: .equals, value: .text("Austin")))
        }
      ),
    ]
  }
}

/// `segments`: exact counts, and how soon an event shows in a membership under a steady stream.
enum SegmentBench {
  /// Events a second while latency is measured.
  private static let arrivalRate = 1_000

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await SeededModels.with(options, ["segments"], report) {
      try await measure($0, options, report)
    }
  }

  static func measure(
    _ models: SeededModels, _ options: Bench.Options, _ report: (Bench.Figure) -> Void
  ) async throws {
    let segments = try await SegmentsQueries.list(
      models.readers, org: models.org, atMicros: models.nowMicros, PageRequest()
    ).rows
    for overview in segments {
      let name = overview.segment.name.lowercased().split(separator: " ").joined(separator: "_")
      let segment = Identifier(.segment, overview.segment.key.id)
      report(
        Bench.Figure(
          bench: "segments", caseName: name, metric: "members",
          value: Double(overview.memberCount ?? 0)))
      try await models.measure("segments", "count_\(name)", count: 50, report) { _ in
        _ = try await SegmentsQueries.item(
          models.readers, org: models.org, atMicros: models.nowMicros, segment: segment)
      }
      try await models.measure("segments", "members_\(name)", count: 50, report) { _ in
        _ = try await SegmentsQueries.members(
          models.readers, org: models.org,
          SegmentsQueries.MembersRequest(segment: segment, nowMicros: models.nowMicros))
      }
    }
    try await measureLag(models, options, report)
  }

  /// From the flush of an event to its membership being readable.
  private static func measureLag(
    _ models: SeededModels, _ options: Bench.Options, _ report: (Bench.Figure) -> Void
  ) async throws {
    let contacts = try await people(models)
    guard !contacts.isEmpty else { return }
    let projector = LiveProjector(
      reader: models.log, connectionString: models.connectionString,
      projections: [try ReadModels.named("segments")])
    let work = Task { try await projector.run() }
    var round = 0
    let roundCount = Int(options.seconds * 10)
    func lag(_ caseName: String, while isWanted: () async throws -> Bool) async throws {
      let latencies = Latencies()
      while try await isWanted() {
        latencies.add([try await tick(models, contacts, round)])
        round += 1
      }
      for (metric, share) in [("p50_ms", 0.5), ("p95_ms", 0.95)] {
        report(
          Bench.Figure(
            bench: "segments", caseName: caseName, metric: metric,
            value: latencies.percentile(share)))
      }
    }
    try await lag("event_to_membership") { round < roundCount }
    let start = SystemClock.monotonicNanos()
    let segment = try await redefine(models)
    try await lag("event_to_membership_while_redefined") {
      try await SegmentsQueries.item(
        models.readers, org: models.org, atMicros: models.nowMicros, segment: segment
      )?.isRecomputing == true
    }
    report(
      Bench.Figure(
        bench: "segments", caseName: "redefined", metric: "ms",
        value: Double(SystemClock.monotonicNanos() - start) / 1e6))
    work.cancel()
    _ = await work.result
  }

  /// A tenth of a second's events, and how long they took to be seen.
  private static func tick(
    _ models: SeededModels, _ contacts: [Identifier], _ round: Int
  ) async throws -> Int64 {
    let start = SystemClock.monotonicNanos()
    let position = try await append(models, contacts, round, count: arrivalRate / 10)
    let appended = SystemClock.monotonicNanos()
    _ = try await ReadModels.wait(
      for: ["segments"], position: position, pool: models.readers, timeoutMillis: 10_000)
    let seen = SystemClock.monotonicNanos()
    let rest = 100_000_000 - (seen - start)
    if rest > 0 { try await Task.sleep(nanoseconds: UInt64(rest)) }
    return seen - appended
  }

  /// Gives the segment of those who may be texted another meaning, for about half of all contacts.
  private static func redefine(_ models: SeededModels) async throws -> Identifier {
    let segments = try await SegmentsQueries.list(
      models.readers, org: models.org, atMicros: models.nowMicros, PageRequest()
    ).rows
    guard segments.count > 1 else { throw CocoaError(.featureUnsupported) }
    let segment = Identifier(.segment, segments[1].segment.key.id)
    let changed = Segment.Event.updated(
      name: "May not be texted",
      filter: .not(
        .condition(
          Filter.Condition(field: "consent.sms", comparison: .equals, value: .text("opted_in")))))
    let position = try await models.log.append(
      Commit(
        org: OrgID(models.org.value),
        events: [EventCodec.encode(.segment(changed), stream: segment, org: models.org)],
        context: CommitContext(
          actor: "key:bench", origin: "api", correlation: "bench",
          occurredAtMicros: models.nowMicros))
    ).lastPosition
    _ = try await ReadModels.wait(
      for: ["segments"], position: position, pool: models.readers, timeoutMillis: 60_000)
    return segment
  }

  fileprivate static func people(_ models: SeededModels) async throws -> [Identifier] {
    try await SegmentsQueries.members(
      models.readers, org: models.org, try await membersOfSecond(models)
    ).rows.map { Identifier(.contact, $0.key.contact) }
  }

  private static func membersOfSecond(
    _ models: SeededModels
  ) async throws -> SegmentsQueries.MembersRequest {
    let segments = try await SegmentsQueries.list(
      models.readers, org: models.org, atMicros: models.nowMicros, PageRequest()
    ).rows
    guard segments.count > 1 else { throw CocoaError(.featureUnsupported) }
    return SegmentsQueries.MembersRequest(
      segment: Identifier(.segment, segments[1].segment.key.id), nowMicros: models.nowMicros,
      page: PageRequest(limit: 200))
  }

  /// Tags that come and go: each is a change of the segment of three conditions for some.
  fileprivate static func append(
    _ models: SeededModels, _ contacts: [Identifier], _ round: Int, count: Int
  ) async throws -> UInt64 {
    let pending = (0..<count).map { number in
      let contact = contacts[(round * count + number) % contacts.count]
      let change: Contact.Event =
        round.isMultiple(of: 2) ? .tagged(tag: "vip") : .untagged(tag: "vip")
      return models.log.enqueue(
        Commit(
          org: OrgID(models.org.value),
          events: [EventCodec.encode(.contact(change), stream: contact, org: models.org)],
          context: CommitContext(
            actor: "key:bench", origin: "api", correlation: "bench",
            occurredAtMicros: models.nowMicros)))
    }
    var position: UInt64 = 0
    for one in pending { position = max(position, try await one.receipt().lastPosition) }
    return position
  }
}

/// `readmodels`: everything that is promised of them at a size, on one seeded org: all of them rebuilt,
/// then pages, counts, memberships and catching up; after that `rebuild` and `project`.
enum ReadModelsBench {
  private static let missedCount = 20_000
  /// Events a second that it has to outrun five times.
  private static let arrivalRate = 1_000.0

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    try await SeededModels.with(options, ReadModels.all.map { $0.name }, report) { models in
      try await ListBench.measure(models, report)
      try await SegmentBench.measure(models, options, report)
      try await catchUp(models, report)
    }
    try await RebuildBench.run(options, report)
    try await ProjectBench.run(options, report)
  }

  /// What came while no projector ran, applied by all read models.
  private static func catchUp(
    _ models: SeededModels, _ report: (Bench.Figure) -> Void
  ) async throws {
    let contacts = try await SegmentBench.people(models)
    guard !contacts.isEmpty else { return }
    let projector = LiveProjector(
      reader: models.log, connectionString: models.connectionString, projections: ReadModels.all)
    try await projector.runToHead()
    for round in 0..<20 {
      _ = try await SegmentBench.append(models, contacts, round, count: missedCount / 20)
    }
    let start = SystemClock.monotonicNanos()
    try await projector.runToHead()
    let seconds = Double(SystemClock.monotonicNanos() - start) / 1e9
    report(
      Bench.Figure(
        bench: "readmodels", caseName: "catch_up", metric: "per_second",
        value: Double(missedCount) / seconds, floor: arrivalRate))
  }
}
