import EventLog
import Synchronization

/// A command on its way through an executor: what became of it once what it rests on is on disk. What it answers is
/// between its giver and `body`, so that all commands are of one type: the executor decides thousands a second.
///
/// Finished once; waited for by the task that gave it.
final class PendingCommand: Sendable {
  typealias Body = @Sendable (inout Workspace) throws(CommandError) -> Void
  typealias Outcome = Result<CommandOutcome, CommandError>

  private enum State {
    case open
    case waiting(CheckedContinuation<Outcome, Never>)
    case finished(Outcome)
  }

  let call: Call
  let body: Body
  private let state = Mutex(State.open)

  init(_ call: Call, _ body: @escaping Body) {
    self.call = call
    self.body = body
  }

  func finish(_ outcome: Outcome) {
    let waiting = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
      switch state {
      case .finished: preconditionFailure("a command is finished once")
      case .waiting(let continuation):
        state = .finished(outcome)
        return continuation
      case .open:
        state = .finished(outcome)
        return nil
      }
    }
    waiting?.resume(returning: outcome)
  }

  nonisolated(nonsending) func outcome() async throws(CommandError) -> CommandOutcome {
    if case .finished(let outcome) = state.withLock({ $0 }) { return try outcome.get() }
    let outcome: Outcome = await withCheckedContinuation { continuation in
      let known = state.withLock { state -> Outcome? in
        if case .finished(let outcome) = state { return outcome }
        state = .waiting(continuation)
        return nil
      }
      if let known { continuation.resume(returning: known) }
    }
    return try outcome.get()
  }
}

/// What became of a command that was carried out.
package struct CommandOutcome: Sendable {
  /// nil where nothing had to be written.
  package let receipt: Receipt?
  /// Its idempotency key had been used before: what it answered now is not what it came to.
  package let isReplay: Bool
}

/// Commands in the order in which they came. Whoever finds nobody at work sends somebody: of sixty-four that come
/// at once, one goes to the executor, and all are decided in one turn.
final class CommandInbox: Sendable {
  private struct State {
    var commands: [PendingCommand] = []
    var isWorkedOn = false
  }

  private let state = Mutex(State())

  /// Whether the caller has to see to it that all are decided.
  func add(_ command: PendingCommand) -> Bool {
    state.withLock { state in
      state.commands.append(command)
      defer { state.isWorkedOn = true }
      return !state.isWorkedOn
    }
  }

  /// All that wait; nil where none does, and nobody is at work any more.
  func takeAll() -> [PendingCommand]? {
    state.withLock { state in
      guard !state.commands.isEmpty else {
        state.isWorkedOn = false
        return nil
      }
      defer { state.commands = [] }
      return state.commands
    }
  }
}

/// Oldest first; taken from the front without moving the others.
struct WaitingLine<Element> {
  private var elements: [Element?] = []
  private var start = 0

  var count: Int { elements.count - start }
  var isEmpty: Bool { count == 0 }
  var first: Element? { isEmpty ? nil : elements[start] }

  mutating func append(_ element: Element) { elements.append(element) }

  func reduce<Result>(
    into initial: Result, _ update: (inout Result, Element) -> Void
  ) -> Result {
    elements[start...].reduce(into: initial) { result, element in
      if let element { update(&result, element) }
    }
  }

  mutating func removeFirst() {
    elements[start] = nil
    start += 1
    guard start == elements.count || start > 1_024 else { return }
    elements.removeFirst(start)
    start = 0
  }
}
