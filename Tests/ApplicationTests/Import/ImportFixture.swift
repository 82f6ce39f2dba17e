import Application
import Domain
import EventCodec
import EventLog
import Foundation

/// An org on a log in memory, and what imports leave in that log.
struct ImportFixture {
  let log: MemoryEventLog
  let engine: Engine
  let executor: OrgExecutor

  private static let tools = Tools(
    clock: SystemClock(), random: SystemRandom(), numbers: PhoneBook(), zones: SystemZoneClock())

  init() async throws {
    log = MemoryEventLog()
    engine = try Engine(log: log, tools: Self.tools)
    executor = try await engine.createOrg(
      NewOrg(
        name: "Org", kind: .direct, agency: nil, timeZone: "America/New_York",
        isTest: true, clockOffsetMicros: 0), Self.call())
  }

  /// The same org after a restart: folded from its log anew.
  init(restarting other: ImportFixture) throws {
    log = other.log
    engine = try Engine(log: log, tools: Self.tools)
    executor = try engine.executor(for: other.executor.org)
  }

  static func call(key: String? = nil) -> Call {
    Call(
      actor: "key:test", origin: "api", correlation: "req_test",
      idempotencyKey: key.map { IdempotencyName($0, fingerprint: 1) })
  }

  func run(
    _ bytes: [UInt8], _ options: ContactImport.Options = ContactImport.Options(),
    key: String? = nil, progress: @Sendable (Int, Int) -> Void = { _, _ in }
  ) async throws -> ImportReport {
    let importing = ContactImport(
      executor: executor, tools: engine.tools, options: options, call: Self.call(key: key))
    return try await importing.run(bytes, progress: progress)
  }

  func run(
    _ text: String, _ options: ContactImport.Options = ContactImport.Options(), key: String? = nil
  ) async throws -> ImportReport {
    try await run(Array(text.utf8), options, key: key)
  }

  func perform<Output: Sendable>(
    _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output
  ) async throws -> Output? {
    try await executor.perform(Self.call(), body).output
  }

  /// The org's events, as they are in the log.
  func events() throws -> [RecordedEvent] {
    try log.readOrg(OrgID(executor.org.value), from: 0, limit: 100_000)
  }

  /// The org's contacts in order of creation, folded from the log.
  func contacts() throws -> [Contact.State] {
    var order: [Identifier] = []
    var states: [Identifier: Contact.State] = [:]
    for recorded in try events() {
      let decoded = try EventCodec.decode(recorded)
      guard case .contact(let event) = decoded.event else { continue }
      if states[decoded.stream] == nil { order.append(decoded.stream) }
      states[decoded.stream] = Contact.evolve(
        states[decoded.stream] ?? Contact.initialState, with: event)
    }
    return order.compactMap { states[$0] }
  }

  /// The domain events after the first `count`.
  func news(after count: Int) throws -> [DomainEvent] {
    try events().dropFirst(count).map { try EventCodec.decode($0).event }
  }
}

/// Files that lie beside the checkout, where it has them.
enum SharedData {
  static let us300 = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../../shared/data/us-300.csv").standardizedFileURL

  static var isPresent: Bool { FileManager.default.fileExists(atPath: us300.path) }
}

extension ImportReport {
  var counts: [Int] { [created, updated, unchanged, failed] }
  var fields: [String] { columns.map(\.field) }
}
