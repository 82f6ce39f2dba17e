import Synchronization

/// A command that waits for its turn, whatever it answers.
protocol WaitingCommand: Sendable {
  func decide(on executor: isolated OrgExecutor)
}

/// A command on its way through an executor: its answer once what it rests on is on disk.
///
/// Finished once; waited for by the task that gave it.
final class PendingCommand<Output: Sendable>: WaitingCommand {
  typealias Outcome = Result<Done<Output>, CommandError>

  private enum State {
    case open
    case waiting(CheckedContinuation<Outcome, Never>)
    case finished(Outcome)
  }

  let call: Call
  let body: @Sendable (inout Workspace) throws(CommandError) -> Output
  private let state = Mutex(State.open)

  init(_ call: Call, _ body: @escaping @Sendable (inout Workspace) throws(CommandError) -> Output) {
    self.call = call
    self.body = body
  }

  func decide(on executor: isolated OrgExecutor) { executor.decide(self) }

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

  func answer() async throws(CommandError) -> Done<Output> {
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

/// Commands in the order in which they came. Whoever finds nobody at work sends somebody: of sixty-four that come
/// at once, one goes to the executor, and all are decided in one turn.
final class CommandInbox: Sendable {
  private struct State {
    var commands: [any WaitingCommand] = []
    var isWorkedOn = false
  }

  private let state = Mutex(State())

  /// Whether the caller has to see to it that all are decided.
  func add(_ command: some WaitingCommand) -> Bool {
    state.withLock { state in
      state.commands.append(command)
      defer { state.isWorkedOn = true }
      return !state.isWorkedOn
    }
  }

  /// All that wait; nil where none does, and nobody is at work any more.
  func takeAll() -> [any WaitingCommand]? {
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

  mutating func removeFirst() {
    elements[start] = nil
    start += 1
    guard start == elements.count || start > 1_024 else { return }
    elements.removeFirst(start)
    start = 0
  }
}
