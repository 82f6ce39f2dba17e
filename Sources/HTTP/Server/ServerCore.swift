import Synchronization

/// What the daemon's threads, the handlers' tasks and the monitor share. Knows nothing of C.
final class ServerCore: Sendable {
  let limits: HTTPLimits
  let handler: @Sendable (HTTPRequest) async -> HTTPResponse
  let errorResponder: @Sendable (HTTPServerFault) -> HTTPResponse
  let monitor: HangUpPoll

  /// How much of a body that is too large is read and dropped, so that its sender lives to read the
  /// 413: closing on unread bytes resets the connection.
  static let discardBytesLimit = 16 << 20

  private let nextID = Atomic<UInt64>(1)
  private let stage = Atomic<Int>(Stage.running)
  /// Requests whose handlers run.
  private let outstandingCount = Atomic<Int>(0)
  private let registry = Mutex(Registry())

  private enum Stage {
    static let running = 0
    static let stopping = 1
    static let aborting = 2
  }

  fileprivate struct Registry {
    var exchanges: [UInt64: Exchange] = [:]
    var connections: [ObjectIdentifier: Connection] = [:]
    var drainWaiter: CheckedContinuation<Void, Never>?
    var isGraceOver = false
  }

  init(
    limits: HTTPLimits, handler: @escaping @Sendable (HTTPRequest) async -> HTTPResponse,
    errorResponder: @escaping @Sendable (HTTPServerFault) -> HTTPResponse
  ) throws(HTTPError) {
    self.limits = limits
    self.handler = handler
    self.errorResponder = errorResponder
    monitor = try HangUpPoll()
  }

  var isStopping: Bool { stage.load(ordering: .sequentiallyConsistent) != Stage.running }
  var isAborting: Bool { stage.load(ordering: .sequentiallyConsistent) == Stage.aborting }
}

// MARK: - Connections and requests

extension ServerCore {
  func connected(descriptor: Int32, remoteAddress: String) -> Connection {
    let connection = Connection(
      descriptor: descriptor, remoteAddress: remoteAddress, limits: limits)
    registry.withLock { $0.connections[ObjectIdentifier(connection)] = connection }
    return connection
  }

  /// The daemon is about to close the socket. After this nobody touches its descriptor.
  func disconnected(_ connection: Connection) {
    _ = registry.withLock { $0.connections.removeValue(forKey: ObjectIdentifier(connection)) }
  }

  func begin(
    method: String, headers: HTTPHeaders, isIntact: Bool, connection: Connection
  ) -> Exchange {
    let request = HTTPRequest(
      method: method, target: connection.takeTarget(), headers: headers,
      remoteAddress: connection.remoteAddress)
    let exchange = Exchange(
      id: nextID.wrappingAdd(1, ordering: .relaxed).oldValue, core: self, connection: connection,
      request: request, fault: Framing.fault(of: request, isIntact: isIntact, limits: limits))
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
