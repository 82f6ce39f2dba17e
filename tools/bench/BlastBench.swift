import Application
import Domain
import EventLog
import Foundation
import JSON
import Synchronization

/// `blast`: a campaign of 50,000 texts through gate, wallet and sandbox; STOPs in the middle of it (`StopBench`); inbound
/// texts meanwhile; a campaign of 100,000 mails, opened and clicked meanwhile; orgs in which nothing happens. Memory
/// and processor time are those of the sending process and of whoever texts it; the sandbox shares the machine, not
/// the process.
enum BlastBench {
  private static let mailCount = 100_000

  @Sendable
  static func run(_ options: Bench.Options, _ report: (Bench.Figure) -> Void) async throws {
    func wants(_ name: String) -> Bool { options.caseName ?? name == name }
    if wants("sms50k") {
      try await withHouse { try await blast($0, options.recipientCount, report) }
    }
    if wants("mail100k") { try await withHouse { try await mails($0, report) } }
    if wants("stop50k") {
      try await withHouse { try await StopBench.run($0, options.recipientCount, report) }
    }
    if wants("idle_orgs") { try await withHouse { try await idle($0, report) } }
  }

  private static func withHouse(_ body: (SendingHouse) async throws -> Void) async throws {
    try await withBenchDirectory { directory in
      let house = try await SendingHouse(directory)
      let result: Result<Void, any Error>
      do {
        result = .success(try await body(house))
      } catch {
        result = .failure(error)
      }
      try await house.close()
      try result.get()
    }
  }

  private static func figure(_ name: String, _ metric: String, _ value: Double) -> Bench.Figure {
    Bench.Figure(bench: "blast", caseName: name, metric: metric, value: value)
  }

  // MARK: - Cases

  private static func blast(
    _ house: SendingHouse, _ recipientCount: Int, _ report: (Bench.Figure) -> Void
  ) async throws {
    let executor = try await house.org()
    let campaign = try await house.audience(recipientCount, of: executor)
    let latencies = Latencies()
    let processorBefore = processorSeconds()
    let sandboxBefore = house.sandbox.cost.cpuSeconds
    let start = EventLog.SystemClock.monotonicNanos()
    _ = try await executor.perform(SendingHouse.call) { workspace throws(CommandError) in
      try workspace.launchCampaign(campaign)
    }
    let memory = MemoryWatch()
    defer { memory.stop() }
    let isOver = Flag()
    async let inbound: Void = texts(to: executor.org, house, latencies, until: isOver)
    try await waitUntil { try await taken(house) >= recipientCount }
    let seconds = Double(EventLog.SystemClock.monotonicNanos() - start) / 1e9
    report(figure("sms50k", "per_second", Double(recipientCount) / seconds))
    try await waitUntil {
      try house.engine.campaign(campaign, of: executor.org).state.status == .completed
    }
    isOver.raise()
    try await inbound
    let all = Double(EventLog.SystemClock.monotonicNanos() - start) / 1e9
    report(figure("sms50k", "completed_per_second", Double(recipientCount) / all))
    // What does not change with whatever else the machine does.
    report(
      figure(
        "sms50k", "cpu_us_per_message",
        (processorSeconds() - processorBefore) / Double(recipientCount) * 1e6))
    report(
      figure(
        "sms50k", "sandbox_cpu_us_per_message",
        (house.sandbox.cost.cpuSeconds - sandboxBefore) / Double(recipientCount) * 1e6))
    memory.stop()
    report(figure("sms50k", "rss_mb", memory.peakMegabytes))
    // Without the pages of the log that are mapped, which the kernel takes back when it wants.
    report(figure("sms50k", "anonymous_mb", memory.peakAnonymousMegabytes))
    report(figure("inbound_meanwhile", "p50_ms", latencies.percentile(0.5)))
    report(figure("inbound_meanwhile", "p99_ms", latencies.percentile(0.99)))
  }

  private static func mails(
    _ house: SendingHouse, _ report: (Bench.Figure) -> Void
  ) async throws {
    let executor = try await house.org()
    try await house.useMail(executor)
    let campaign = try await house.audience(mailCount, on: .email, of: executor)
    let latencies = Latencies()
    let processorBefore = processorSeconds()
    let start = EventLog.SystemClock.monotonicNanos()
    func perSecond() -> Double {
      Double(mailCount) / (Double(EventLog.SystemClock.monotonicNanos() - start) / 1e9)
    }
    _ = try await executor.perform(SendingHouse.call) { workspace throws(CommandError) in
      try workspace.launchCampaign(campaign)
    }
    let memory = MemoryWatch()
    defer { memory.stop() }
    let isOver = Flag()
    async let visits: Void = readers(of: executor.org, house, latencies, until: isOver)
    try await waitUntil(everyMillis: 100) {
      Int(try await house.control("/sandbox/stats")["mails"]?.int ?? 0) >= mailCount
    }
    report(figure("mail100k", "per_second", perSecond()))
    try await waitUntil {
      try house.engine.campaign(campaign, of: executor.org).state.status == .completed
    }
    report(figure("mail100k", "completed_per_second", perSecond()))
    isOver.raise()
    try await visits
    memory.stop()
    report(
      figure(
        "mail100k", "cpu_us_per_message",
        (processorSeconds() - processorBefore) / Double(mailCount) * 1e6))
    report(figure("mail100k", "rss_mb", memory.peakMegabytes))
    report(figure("mail100k", "anonymous_mb", memory.peakAnonymousMegabytes))
    report(figure("engagement_meanwhile", "p50_ms", latencies.percentile(0.5)))
    report(figure("engagement_meanwhile", "p99_ms", latencies.percentile(0.99)))
  }

  /// Twenty times a second somebody opens a mail that has just arrived, and follows its link.
  private static func readers(
    of org: Identifier, _ house: SendingHouse, _ latencies: Latencies, until isOver: Flag
  ) async throws {
    var position = try house.log.head()
    while !isOver.isRaised {
      let page = try house.log.read(
        after: position, limit: 1, filter: EventFilter(types: ["message.sent"]))
      position = max(page.scannedTo, position)
      if let event = page.events.first {
        latencies.add(try await house.visit(Identifier(.message, event.stream.value), org))
        // The next one is whose mail is sent now.
        position = try house.log.head()
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  /// Raised once, by one task for another. Not a cancellation: what is under way comes to its end.
  private final class Flag: Sendable {
    private let state = Atomic(false)

    func raise() { state.store(true, ordering: .relaxed) }
    var isRaised: Bool { state.load(ordering: .relaxed) }
  }

  /// Somebody writes twenty times a second.
  private static func texts(
    to org: Identifier, _ house: SendingHouse, _ latencies: Latencies, until isOver: Flag
  ) async throws {
    var number = 0
    while !isOver.isRaised {
      let before = EventLog.SystemClock.monotonicNanos()
      try await house.inbound(
        "Hello \(number)", from: SendingHouse.phone(400_000 + number % 500), org)
      latencies.add([EventLog.SystemClock.monotonicNanos() - before])
      number += 1
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  private static func idle(_ house: SendingHouse, _ report: (Bench.Figure) -> Void) async throws {
    let before = residentMegabytes()
    let count = 2_000
    for number in 0..<count {
      _ = try await house.engine.createOrg(
        NewOrg(
          name: "Idle \(number)", kind: .direct, agency: nil,
          timeZone: "America/New_York", isTest: false, clockOffsetMicros: 0), SendingHouse.call)
    }
    report(
      figure("idle_orgs", "kb_per_org", (residentMegabytes() - before) * 1_024 / Double(count)))
    let processorBefore = processorSeconds()
    let seconds = 5.0
    try await Task.sleep(for: .seconds(seconds))
    let share = (processorSeconds() - processorBefore) / seconds
    report(figure("idle_orgs", "cpu_percent", share * 100))
  }

  // MARK: - Measuring

  static func taken(_ house: SendingHouse) async throws -> Int {
    Int(try await house.control("/sandbox/stats")["received"]?.int ?? 0)
  }

  static func waitUntil(
    everyMillis: Int = 20, _ condition: () async throws -> Bool
  ) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(everyMillis)) }
  }

  /// Of this process now, from the kernel; 0 where it does not say.
  private static func residentMegabytes() -> Double {
    let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?
      .split(separator: " ")
    guard let fields, fields.count > 1, let pages = Double(fields[1]) else { return 0 }
    return pages * 4_096 / 1_048_576
  }
}
