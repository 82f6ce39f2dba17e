import Domain
import EventCodec
import EventLog

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
    let follower = LogFollower(
      name: "prices", log: engine.log, types: Self.types, cursor: cursor, report: report)
    await follower.run { events in
      for event in events { try await react(to: try StreamFold.decode(event)) }
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
