import Domain
import EventLog
import Foundation
import HTTP
import Synchronization

/// Runs the reactors of every org, those there are and those that come.
package final class ReactorHost: Sendable {
  private let engine: Engine
  private let providers: MessageProviders
  private let payments: [any PaymentProvider]
  private let webhookClient: HTTPClient
  private let settings: ReactorSettings
  private let cursorDirectory: String
  private let hold: SendingHold
  private let erasing: ErasureTools?
  private let report: @Sendable (String) -> Void
  private let desk: RateDesk
  private let running = Mutex(Running())

  private struct Running {
    var tasks: [Task<Void, Never>] = []
    var isStopped = false
  }

  /// `erasing` nil: erasures stay requests. `report` takes one line about something that failed and is tried again: ids and codes only.
  package init(
    engine: Engine, providers: MessageProviders,
    payments: [any PaymentProvider] = [], webhookClient: HTTPClient,
    settings: ReactorSettings, cursorDirectory: String, hold: SendingHold,
    erasing: ErasureTools? = nil, report: @escaping @Sendable (String) -> Void
  ) throws {
    self.engine = engine
    self.providers = providers
    self.payments = payments
    self.webhookClient = webhookClient
    self.settings = settings
    desk = RateDesk(rates: settings.rates)
    self.cursorDirectory = cursorDirectory
    self.hold = hold
    self.erasing = erasing
    self.report = report
    try FileManager.default.createDirectory(
      atPath: cursorDirectory, withIntermediateDirectories: true)
    try engine.deliveries.keep(in: cursorDirectory)
  }

  /// Begins, or, after a restore, waits for the release first.
  package func start() {
    // Nobody waits for a release to be unreadable.
    if let erasing {
      let erasures = ErasureReactor(
        engine: engine, tools: erasing, hold: hold, report: report)
      keep { await erasures.run() }
    }
    keep {
      do {
        let restored = try await self.hold.waitUntilReleased()
        try Task.checkCancellation()
        self.start(restored: restored)
      } catch is CancellationError {
        return
      } catch {
        // Held, then: nothing goes out on a guess.
        self.report("the record of the restore cannot be read, nothing is sent: \(error)")
      }
    }
  }

  private func start(restored: RestoreRecord?) {
    let workflows = WorkflowReactor(
      engine: engine, cursor: CursorFile(directory: cursorDirectory, name: "workflows"),
      report: report)
    keep { await workflows.run() }
    let prices = PriceReactor(
      engine: engine, cursor: CursorFile(directory: cursorDirectory, name: "prices"),
      report: report)
    keep { await prices.run() }
    let post = AdministratorPost(
      engine: engine, providers: providers, publicURL: settings.links.publicURL,
      isRestored: restored != nil, report: report)
    keep { await post.run() }
    engine.forEachOrg { [weak self] executor in self?.start(executor, restored: restored) }
  }

  private func start(_ executor: OrgExecutor, restored: RestoreRecord?) {
    let reactor = OrgReactor(
      executor: executor, providers: providers, log: engine.log, settings: settings,
      desk: desk, restored: restored,
      texts: CursorFile(directory: cursorDirectory, name: "texts-\(executor.org.text)"),
      report: report)
    let webhooks = WebhookReactor(
      executor: executor, log: engine.log, client: webhookClient,
      cursorDirectory: cursorDirectory, board: engine.deliveries, report: report)
    let payments = PaymentReactor(executor: executor, providers: payments, report: report)
    keep { await reactor.run() }
    keep { await payments.run() }
    keep { await webhooks.run() }
  }

  private func keep(_ work: @escaping @Sendable () async -> Void) {
    running.withLock { running in
      guard !running.isStopped else { return }
      running.tasks.append(Task { await work() })
    }
  }

  /// Ends all reactors, for good: nothing of them runs any more when this returns. Calls to providers
  /// that do not end soon are cut off, and settled after the next start.
  package func stop() async {
    let tasks = running.withLock { running in
      running.isStopped = true
      defer { running.tasks = [] }
      return running.tasks
    }
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
  }
}
