internal import Dispatch
internal import Foundation
internal import Synchronization

/// A fixed number of connections, each on a thread of its own, that async code borrows.
///
///     let names = try await pool.with { connection in
///       try connection.query("SELECT name FROM contacts").map { try $0.text("name") }
///     }
///
/// Connections are made when first needed and made again after they broke. Work runs in the order in
/// which it came.
package final class PostgresPool: Sendable {
  private let queue: PoolQueue
  private let waitMillis: Int

  /// `size` connections at most. Work waits for a free one for at most `waitMillis`; `prepare` runs on
  /// each new connection before its first use (`SET ROLE`, …).
  package init(
    connectionString: String, size: Int, waitMillis: Int = 5000,
    options: PostgresConnection.Options = PostgresConnection.Options(),
    prepare: (@Sendable (PostgresConnection) throws -> Void)? = nil
  ) {
    precondition(size > 0, "a pool has at least one connection")
    queue = PoolQueue(workerCount: size)
    self.waitMillis = waitMillis
    for number in 1...size {
      let worker = PoolWorker(
        queue: queue, connectionString: connectionString, options: options, prepare: prepare)
      let thread = Thread { worker.run() }
      thread.name = "postgres-\(number)"
      thread.start()
    }
  }

  deinit { queue.close() }

  /// Runs `body` with a connection, on a thread that may block. A transaction that `body` leaves open
  /// is undone.
  ///
  /// - Throws: What `body` throws; `.poolExhausted` and `.poolClosed`, and `CancellationError` where
  ///   the task was cancelled before the work began; `.unavailable` where Postgres is away.
  @discardableResult
  package func with<Result: Sendable>(
    _ body: @escaping @Sendable (PostgresConnection) throws -> Result
  ) async throws -> Result {
    let waiting = WaitingWork()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        waiting.begin(with: continuation, body)
        submit(waiting)
      }
    } onCancel: {
      waiting.refuse(CancellationError())
    }
  }

  private func submit(_ waiting: WaitingWork) {
    switch queue.append(waiting) {
    case .closed: return waiting.refuse(PostgresError.poolClosed)
    case .toBeTakenAtOnce: return
    case .inLine: break
    }
    let millis = waitMillis
    DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(millis)) { [weak waiting] in
      waiting?.refuse(PostgresError.poolExhausted(waitedMillis: millis))
    }
  }

  /// Refuses new work and what still waits; what runs ends first. The connections close after it.
  package func close() { queue.close() }
}

/// Work that a worker takes once, or that is refused once, whichever comes first.
private final class WaitingWork: Sendable {
  struct Work: Sendable {
    let run: @Sendable (PostgresConnection) -> Void
    let fail: @Sendable (any Error) -> Void
  }

  private enum State: Sendable {
    case new
    case waiting(Work)
    /// Refused before it had begun.
    case refused(any Error)
    case taken
  }

  private let state = Mutex(State.new)

  func begin<Result: Sendable>(
    with continuation: CheckedContinuation<Result, any Error>,
    _ body: @escaping @Sendable (PostgresConnection) throws -> Result
  ) {
    let work = Work(
      run: { connection in
        continuation.resume(with: Swift.Result { try body(connection) })
      },
      fail: { continuation.resume(throwing: $0) })
    let refusal: (any Error)? = state.withLock { state in
      if case .refused(let error) = state { return error }
      state = .waiting(work)
      return nil
    }
    if let refusal { work.fail(refusal) }
  }

  func take() -> Work? {
    state.withLock { state in
      guard case .waiting(let work) = state else { return nil }
      state = .taken
      return work
    }
  }

  func refuse(_ error: any Error) {
    let work: Work? = state.withLock { state in
      switch state {
      case .new:
        state = .refused(error)
        return nil
      case .waiting(let work):
        state = .taken
        return work
      case .refused, .taken: return nil
      }
    }
    work?.fail(error)
  }
}

/// The line in front of the workers.
private final class PoolQueue: Sendable {
  private struct State: Sendable {
    var waiting: [WaitingWork] = []
    var idleWorkerCount = 0
    var isClosed = false
  }

  enum Place: Sendable {
    /// A worker is free for it.
    case toBeTakenAtOnce
    case inLine
    case closed
  }

  private let state = Mutex(State())
  /// Counts the work in line, and the workers to be sent home.
  private let signal = DispatchSemaphore(value: 0)
  private let workerCount: Int

  init(workerCount: Int) { self.workerCount = workerCount }

  func append(_ work: WaitingWork) -> Place {
    let place: Place = state.withLock { state in
      guard !state.isClosed else { return .closed }
      state.waiting.append(work)
      return state.waiting.count <= state.idleWorkerCount ? .toBeTakenAtOnce : .inLine
    }
    if place != .closed { signal.signal() }
    return place
  }

  /// The next work; blocks until there is some. Nil after `close`.
  func next() -> WaitingWork? {
    state.withLock { $0.idleWorkerCount += 1 }
    signal.wait()
    return state.withLock { state in
      state.idleWorkerCount -= 1
      return state.waiting.isEmpty ? nil : state.waiting.removeFirst()
    }
  }

  func close() {
    let left: [WaitingWork]? = state.withLock { state in
      guard !state.isClosed else { return nil }
      state.isClosed = true
      defer { state.waiting = [] }
      return state.waiting
    }
    guard let left else { return }
    for work in left { work.refuse(PostgresError.poolClosed) }
    for _ in 0..<workerCount { signal.signal() }
  }
}

/// One thread's part: makes its connection, keeps it, and never lets it go elsewhere.
private struct PoolWorker: Sendable {
  let queue: PoolQueue
  let connectionString: String
  let options: PostgresConnection.Options
  let prepare: (@Sendable (PostgresConnection) throws -> Void)?

  func run() {
    var connection: PostgresConnection?
    while let waiting = queue.next() {
      if let idle = connection, idle.session.hasUnaskedInput() { connection = nil }
      guard let work = waiting.take() else { continue }
      do {
        let usable = try connection ?? connect()
        connection = usable
        work.run(usable)
        if !isClean(usable) { connection = nil }
      } catch {
        connection = nil
        work.fail(error)
      }
    }
  }

  private func connect() throws -> PostgresConnection {
    let connection = try PostgresConnection(connectionString, options: options)
    try prepare?(connection)
    return connection
  }

  /// Whether the connection is as good as new: not broken, and in no transaction. Closing one is what
  /// undoes a transaction that was left open.
  private func isClean(_ connection: PostgresConnection) -> Bool {
    !connection.isBroken && !connection.isInTransaction
  }
}
