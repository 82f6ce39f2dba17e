import Domain
import EventCodec
import EventLog
import JSON

/// Follows the log and writes what agencies ask of their clients into the clients' books: also where the
/// process died between the agency's commit and theirs, and for a client that began just then.
///
/// What a book says already is not said again, and prices keep the moment from which they hold: an event
/// that is met again, late or in another order, changes nothing.
struct PriceReactor: Sendable {
  let engine: Engine
  let cursor: CursorFile
  let report: @Sendable (String) -> Void

  private static let types: Set<String> = ["org.price_set", "org.created"]

  func run() async {
    while !Task.isCancelled {
      do {
        try await follow()
      } catch is CancellationError {
        return
      } catch {
        report("prices: \(error)")
        // Cut short only by cancellation, which the loop notices itself.
        try? await Task.sleep(for: .seconds(1))
      }
    }
  }

  private func follow() async throws {
    var position = UInt64(exactly: try cursor.read()?["position"]?.int ?? 0) ?? 0
    var written = position
    while !Task.isCancelled {
      let page = try engine.log.read(
        after: position, limit: 500, filter: EventFilter(types: Self.types))
      for recorded in page.events { try await react(to: try StreamFold.decode(recorded)) }
      if page.scannedTo > position {
        position = page.scannedTo
        // What is not ours need not be remembered one by one: looking at it once more costs little.
        guard !page.events.isEmpty || position - written >= CursorFile.idleStride else { continue }
        try cursor.write(["position": .int(Int64(position))])
        written = position
      } else {
        _ = try await engine.log.waitForHead(beyond: position, timeoutMillis: 60_000)
      }
    }
  }

  private func react(to event: RecordedDomainEvent) async throws {
    let call = Call(
      actor: "system:prices", origin: "reactor", correlation: event.context.correlation,
      causation: event.position, depth: event.context.depth + 1)
    switch event.event {
    case .org(.priceSet(let price)) where price.reach == .agency:
      // In a client's book it is the answer to what its agency asked.
      let executor = try engine.executor(for: event.org)
      let kind = try await executor.read { workspace throws(CommandError) in
        workspace.settings.kind
      }
      guard kind == .agency else { return }
      _ = try await engine.spread(price, of: event.org, call)
    case .org(.created(_, _, let agency?, _, _, _)):
      let prices = try await engine.executor(for: agency).read {
        workspace throws(CommandError) in workspace.clientPrices
      }
      guard !prices.isEmpty else { return }
      _ = try await engine.executor(for: event.org).perform(call) {
        workspace throws(CommandError) in
        for price in prices { try workspace.takeOver(price) }
      }
    default:
      break
    }
  }
}
