import Synchronization

/// What the daemon's threads, the handlers' tasks and the monitor share. Knows nothing of C.
final class ServerCore: Sendable {
  let limits: HTTPLimits
  let handler: @Sendable (HTTPRequest) async -> HTTPResponse
  let errorResponder: @Sendable (HTTPServerFault) -> HTTPResponse
  let isBrief: @Sendable (HTTPRequest) -> Bool
  let isPatient: @Sendable (HTTPRequest) -> Bool
  let monitor: HangUpPoll
  private let resumptions = Resumptions()

  let allowance: @Sendable (HTTPRequest) -> BodyAllowance
  let room: BodyRoom

  /// A body that says it is longer than it may be by more than this is refused before it is read. Of others the
  /// rest is read and dropped, so that its sender lives to read the 413: closing on unread bytes resets the
  /// connection.
  static let promptBytesLimit = 16 << 20
  /// How much is read and dropped at most, where a body does not say how long it is.
  static let discardBytesLimit = 64 << 20

  private let nextID = Atomic<UInt64>(1)
  private let stage = Atomic<Int>(Stage.running)
  /// Requests whose handlers run.
  private let outstandingCount = Atomic<Int>(0)
  private let registry = Mutex(Registry())
  private let connectionCount = Atomic<Int>(0)
  /// Connections that ever began.
  private let begun = Atomic<Int>(0)

  private enum Stage {
    static let running = 0
    static let stopping = 1
    static let aborting = 2
  }

  fileprivate struct Registry {
    var exchanges: [UInt64: Exchange] = [:]
    var connections: [ObjectIdentifier: Connection] = [:]
    var connectionCounts: [ClientKey: Int] = [:]
    var drainWaiter: CheckedContinuation<Void, Never>?
    var isGraceOver = false
  }

  init(
    limits: HTTPLimits, handler: @escaping @Sendable (HTTPRequest) async -> HTTPResponse,
    errorResponder: @escaping @Sendable (HTTPServerFault) -> HTTPResponse,
    isBrief: @escaping @Sendable (HTTPRequest) -> Bool,
    isPatient: @escaping @Sendable (HTTPRequest) -> Bool,
    allowance: @escaping @Sendable (HTTPRequest) -> BodyAllowance
  ) throws(HTTPError) {
    self.limits = limits
    self.allowance = allowance
    room = BodyRoom(limitBytes: limits.maxHeldBodyBytes)
    self.isBrief = isBrief
    self.isPatient = isPatient
    self.handler = handler
    self.errorResponder = errorResponder
    monitor = try HangUpPoll()
  }

  var isStopping: Bool { stage.load(ordering: .sequentiallyConsistent) != Stage.running }
  var isAborting: Bool { stage.load(ordering: .sequentiallyConsistent) == Stage.aborting }
}

// MARK: - Connections and requests

extension ServerCore {
  /// Has what `exchange` has to send looked at; where there are many connections, soon and with others.
  func resume(_ exchange: Exchange) {
    let batchCount = connectionCount.load(ordering: .relaxed) / Resumptions.sharing
    if batchCount < Resumptions.leastCount {
      resumptions.resume(CollectionOfOne(exchange))
    } else {
      resumptions.add(exchange, batchCount: batchCount)
    }
  }

  var begunCount: Int { begun.load(ordering: .relaxed) }

  /// Whether there may be one more connection, besides `handedCount` that were handed over and have not begun.
  func hasRoom(forOneBeside handedCount: Int) -> Bool {
    connectionCount.load(ordering: .relaxed) + handedCount < limits.maxConnections
  }

  /// Whether `address` may have one more connection.
  func admits(_ address: [UInt8]) -> Bool {
    guard let client = ClientKey(address, limits: limits) else { return true }
    return registry.withLock { $0.connectionCounts[client, default: 0] }
      < limits.maxConnectionsPerAddress
  }

  func connected(descriptor: Int32, address: [UInt8]?) -> Connection {
    let connection = Connection(
      descriptor: descriptor, address: address, limits: limits, errorResponder: errorResponder)
    connectionCount.wrappingAdd(1, ordering: .relaxed)
    begun.wrappingAdd(1, ordering: .relaxed)
    registry.withLock { registry in
      registry.connections[ObjectIdentifier(connection)] = connection
      if let client = connection.client { registry.connectionCounts[client, default: 0] += 1 }
    }
    return connection
  }

  /// The daemon is about to close the socket. After this nobody touches its descriptor.
  func disconnected(_ connection: Connection) {
    connectionCount.wrappingSubtract(1, ordering: .relaxed)
    registry.withLock { registry in
      registry.connections[ObjectIdentifier(connection)] = nil
      guard let client = connection.client else { return }
      let left = registry.connectionCounts[client, default: 1] - 1
      registry.connectionCounts[client] = left == 0 ? nil : left
    }
  }

  func begin(
    method: String, headers: HTTPHeaders, isIntact: Bool, needsHost: Bool, connection: Connection
  ) -> Exchange {
    let request = HTTPRequest(
      method: method, target: connection.takeTarget(), headers: headers,
      remoteAddress: connection.remoteAddress)
    var fault = Framing.fault(
      of: request, isIntact: isIntact, needsHost: needsHost, limits: limits)
    var allowance = BodyAllowance(limitBytes: 0, sender: nil)
    if fault == nil, request.announcesBody {
      allowance = self.allowance(request)
      fault = Framing.excess(of: request, allowance)
    }
    let exchange = Exchange(
      id: nextID.wrappingAdd(1, ordering: .relaxed).oldValue, core: self, connection: connection,
      request: request, allowance: allowance, fault: fault)
    registry.withLock { $0.exchanges[exchange.id] = exchange }
    return exchange
  }

  /// Whether the handler of `request` may start. What was admitted has to be `answered` once.
  func admits(_ request: HTTPRequest) -> Bool {
    let count = outstandingCount.wrappingAdd(1, ordering: .relaxed).newValue
    if count <= limits.maxOutstandingRequests || limits.essentialPaths.contains(request.rawPath) {
      return true
    }
    answered()
    return false
  }

  func answered() { outstandingCount.wrappingSubtract(1, ordering: .relaxed) }

  func remove(_ exchange: Exchange) {
    let waiter: CheckedContinuation<Void, Never>? = registry.withLock { registry in
      registry.exchanges[exchange.id] = nil
      return registry.takeWaiterIfDrained()
    }
    waiter?.resume()
  }
}

extension HTTPRequest {
  /// Whether a body follows its head.
  fileprivate var announcesBody: Bool {
    headers["Content-Length"].map { $0 != "0" } ?? (headers["Transfer-Encoding"] != nil)
  }
}

// MARK: - Monitor

extension ServerCore {
  /// Runs on a thread of its own until the server aborts.
  func runMonitor() {
    var sweptMillis = Connection.nowMillis()
    while !isAborting {
      for id in monitor.wait(timeoutMillis: 1000) {
        registry.withLock { $0.exchanges[id] }?.abort()
      }
      let nowMillis = Connection.nowMillis()
      if nowMillis - sweptMillis >= 1000 {
        sweptMillis = nowMillis
        hangUpOverdue(nowMillis: nowMillis)
      }
    }
  }

  private func hangUpOverdue(nowMillis: Int64) {
    // Under the lock a descriptor cannot be closed, so it cannot be another connection's yet.
    registry.withLock { registry in
      for connection in registry.connections.values
      where connection.isOverdue(nowMillis: nowMillis) {
        HangUpPoll.hangUp(connection.descriptor)
      }
    }
  }
}

// MARK: - Stopping

extension ServerCore {
  /// From now on requests that arrive are refused, and streams without end are ended.
  func beginStopping() {
    _ = stage.compareExchange(
      expected: Stage.running, desired: Stage.stopping, ordering: .sequentiallyConsistent)
    for exchange in runningExchanges() { exchange.serverStops() }
  }

  /// Returns when no request is left, or at the end of the grace.
  func drain(graceMillis: Int) async {
    let timer = Task {
      try? await Task.sleep(for: .milliseconds(graceMillis))
      let waiter = registry.withLock { registry in
        registry.isGraceOver = true
        return registry.takeWaiter()
      }
      waiter?.resume()
    }
    await withCheckedContinuation { continuation in
      let isOver = registry.withLock { registry in
        precondition(registry.drainWaiter == nil, "a server is stopped once")
        if registry.exchanges.isEmpty || registry.isGraceOver { return true }
        registry.drainWaiter = continuation
        return false
      }
      if isOver { continuation.resume() }
    }
    timer.cancel()
  }

  /// Drops everything that still runs. After this no connection is suspended, nor will be.
  func abortAll() {
    stage.store(Stage.aborting, ordering: .sequentiallyConsistent)
    for exchange in runningExchanges() { exchange.abort() }
    resumptions.wait()
    monitor.ring()
  }

  private func runningExchanges() -> [Exchange] {
    registry.withLock { Array($0.exchanges.values) }
  }
}

extension ServerCore.Registry {
  fileprivate mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
    defer { drainWaiter = nil }
    return drainWaiter
  }

  fileprivate mutating func takeWaiterIfDrained() -> CheckedContinuation<Void, Never>? {
    exchanges.isEmpty ? takeWaiter() : nil
  }
}

/// Connections that have something to send, resumed many at a time where there are many: for each time that it is
/// told, the daemon wakes up and walks over all that are suspended, and an event may be for ten thousand of them.
final class Resumptions: Sendable {
  private struct State {
    var exchanges: [Exchange] = []
    var isFlushDue = false

    mutating func take() -> [Exchange] {
      defer { exchanges = [] }
      return exchanges
    }
  }

  /// One of so many of all connections is not kept waiting for more, and less than so many are not worth waiting for.
  static let sharing = 16
  static let leastCount = 16

  private let state = Mutex(State())
  /// Held while connections are resumed.
  private let resuming = Mutex(())

  /// Returns when none is any more that was taken out of its exchange.
  func wait() { resuming.withLock { _ in } }

  func add(_ exchange: Exchange, batchCount: Int) {
    let (full, mustSchedule) = state.withLock { state -> ([Exchange], Bool) in
      state.exchanges.append(exchange)
      if state.exchanges.count >= batchCount { return (state.take(), false) }
      defer { state.isFlushDue = true }
      return ([], !state.isFlushDue)
    }
    resume(full)
    // Its turn comes after that of the tasks that were woken with this one.
    if mustSchedule { Task { flush() } }
  }

  private func flush() {
    let waiting = state.withLock { state in
      state.isFlushDue = false
      return state.take()
    }
    resume(waiting)
  }

  /// Not under the locks of the exchanges: the daemon's thread takes them as soon as it wakes up.
  func resume(_ exchanges: some Collection<Exchange>) {
    guard !exchanges.isEmpty else { return }
    resuming.withLock { _ in
      for connection in exchanges.compactMap({ $0.takeSuspended() }) { connection.resume() }
    }
  }
}
