import Synchronization

/// One request and its answer, between the daemon's thread and the handler's task.
///
/// The daemon's thread calls `receive`, `advance`, `read` and `completed`; the task calls `deliver`
/// and `send`. A connection is suspended only under the lock and resumed only by whoever takes
/// `suspended` out of the state, so it is resumed exactly once and never after it is gone.
final class Exchange: Sendable {
  let id: UInt64
  let connection: Connection
  let isChunked: Bool
  private let core: ServerCore
  private let state: Mutex<State>

  /// A response that the daemon's thread can queue without waiting for anything.
  struct Prepared: Sendable {
    enum Body: Sendable {
      case bytes([UInt8])
      case file(OpenFile)
      case stream
    }

    let status: Int
    let fields: [HTTPHeaders.Field]
    let body: Body
    var closesConnection: Bool
    /// Of a stream its head alone.
    let isHead: Bool
  }

  enum Step {
    case wait
    case respond(Prepared)
    case abort
  }

  enum Reading {
    case bytes(Int)
    case wait
    case end
    case abort
  }

  fileprivate enum Phase {
    case receiving
    case handling
    case ready(Prepared)
    case responding
    case finished
  }

  fileprivate struct State {
    var request: HTTPRequest
    var fault: HTTPServerFault?
    let allowance: BodyAllowance
    /// What of the room for bodies is this one's.
    var heldBytes = 0
    /// Nothing that comes after the request on the same connection is read.
    var isLast = false
    var discardedBytes = 0
    var phase = Phase.receiving
    var suspended: SuspendedConnection?
    var task: Task<Void, Never>?
    /// What the handler of a brief request has to do next.
    var jobs: [UnownedJob] = []
    var stream = OutgoingStream()
    var isWatched = false
    var endsOnStop = false
    /// What the answer takes up elsewhere.
    var lease: (any AnyObject & Sendable)?
  }

  init(
    id: UInt64, core: ServerCore, connection: Connection, request: HTTPRequest,
    allowance: BodyAllowance, fault: HTTPServerFault?
  ) {
    self.id = id
    self.core = core
    self.connection = connection
    isChunked = request.headers["Transfer-Encoding"] != nil
    var state = State(request: request, fault: fault, allowance: allowance)
    // Where a chunked body ends is the one thing that we know from MHD alone: it may end elsewhere for a proxy.
    state.isLast = isChunked
    self.state = Mutex(state)
  }
}

// MARK: - On the daemon's thread

extension Exchange {
  /// What is wrong with the head, if anything.
  var faultOfHead: HTTPServerFault? { state.withLock { $0.fault } }

  /// What a chunk's bytes came after is not as HTTP says: it cannot be trusted to end where we think.
  func receiveBrokenLines() {
    state.withLock { state in
      if state.fault == nil { state.fault = .malformedRequest }
      state.request.body = []
    }
  }

  /// The fields behind a chunked body leave no room for the head of an answer.
  func receiveTooManyTrailers() {
    state.withLock { state in
      if state.fault == nil {
        state.fault = .headersTooLarge(limitBytes: core.limits.maxHeaderBytes)
      }
    }
  }

  /// Takes a part of the body. False where the connection has to be cut: the client sends far more
  /// than it may, and an answer can only be queued between parts.
  func receive(_ bytes: RawSpan) -> Bool {
    state.withLock { state in
      if state.fault == nil, let fault = state.hold(bytes.byteCount, in: core.room) {
        state.fault = fault
        state.drop(to: core.room)
      }
      guard state.fault == nil else {
        state.discardedBytes += bytes.byteCount
        return state.discardedBytes <= ServerCore.discardBytesLimit
      }
      unsafe bytes.withUnsafeBytes { unsafe state.request.body.append(contentsOf: $0) }
      return true
    }
  }

  /// What to do now that the whole request is here, or that the connection was resumed.
  func advance(_ current: RunningConnection) -> Step {
    let (step, request) = state.withLock { $0.begin(core, self) }
    if let step { return step }
    if let request {
      let task = Task(executorPreference: core.isBrief(request) ? self : nil) {
        await self.handle(request)
      }
      let isGone = state.withLock { state in
        // It may have been answered meanwhile, and sends a stream.
        if state.task == nil { state.task = task }
        return state.isFinished || state.endsOnStop && core.isStopping
      }
      if isGone { task.cancel() }
    }
    return runJobs(current)
  }

  /// Does what the handler has to do on this thread, up to where it waits, and suspends the connection there.
  private func runJobs(_ current: RunningConnection) -> Step {
    while true {
      let (jobs, step) = state.withLock { state in
        let jobs = state.takeJobs()
        return (jobs, jobs.isEmpty ? state.next(core, self, current) : .wait)
      }
      guard !jobs.isEmpty else {
        if case .respond(let prepared) = step, case .bytes(let bytes) = prepared.body {
          connection.answerBegins(byteCount: bytes.count)
        }
        return step
      }
      for job in jobs { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
  }

  /// The answer to a fault that is known before the body arrives.
  func refusal(_ fault: HTTPServerFault) -> Prepared {
    Self.prepare(core.errorResponder(fault), core: core, isRetry: true, closesConnection: true)
  }

  /// Copies the next bytes of the stream into `buffer`, or suspends the connection until there are.
  func read(into buffer: inout OutputRawSpan, _ current: RunningConnection) -> Reading {
    state.withLock { state in
      if case .finished = state.phase { return .abort }
      let count = state.stream.take(into: &buffer)
      if count > 0 { return .bytes(count) }
      if state.stream.isEnded { return .end }
      state.watch(core, self)
      state.suspended = current.suspend()
      return .wait
    }
  }

  /// The request is over, one way or another. Called once, the last of all calls on this thread.
  func completed() {
    // The lease ends behind the lock: nobody knows what its end does.
    let (task, jobs, wasWatched, _) = state.withLock { state in
      state.phase = .finished
      state.stream.close()
      state.drop(to: core.room)
      defer { state.lease = nil }
      return (state.task, state.takeJobs(), state.isWatched, state.lease)
    }
    if wasWatched { core.monitor.unwatch(connection.descriptor) }
    task?.cancel()
    Self.runElsewhere(jobs)
    connection.requestEnded()
    core.remove(self)
  }
}

// MARK: - On the handler's task

extension Exchange {
  private func handle(_ request: HTTPRequest) async {
    let response = await core.handler(request)
    core.answered()
    guard deliver(response, isHead: request.method == "HEAD"),
      case .stream(let chunks) = response.body
    else { return }
    startSending(chunks)
  }

  /// In a task of its own: the handler's would keep the memory of its deepest call for as long as the stream
  /// lasts.
  private func startSending(_ chunks: AsyncStream<[UInt8]>) {
    state.withLock { state in
      // Nobody listens any more, or the server stops: dropping the chunks tells their producer.
      guard !state.isFinished, !state.stream.isEnded else { return }
      state.task = Task { [self] in
        for await chunk in chunks where !chunk.isEmpty {
          guard await send(chunk) else { return }
        }
        endStream()
      }
    }
  }

  /// Hands the answer to the daemon's thread. Returns whether a stream has to follow.
  private func deliver(_ response: HTTPResponse, isHead: Bool) -> Bool {
    let prepared = Self.prepare(
      response, core: core, isRetry: false, closesConnection: false, isHead: isHead)
    let (mustFollow, mustResume) = state.withLock { state in
      guard case .handling = state.phase else { return (false, false) }
      state.lease = response.lease
      state.phase = response.dropsConnection ? .finished : .ready(prepared)
      state.endsOnStop = response.endsOnStop
      if response.endsOnStop, core.isStopping { state.stream.isEnded = true }
      guard case .stream = prepared.body, !response.dropsConnection else {
        return (false, state.suspended != nil)
      }
      return (!isHead, state.suspended != nil)
    }
    if mustResume { core.resume(self) }
    return mustFollow
  }

  /// Queues `chunk`, and waits while too much is queued. False where nobody listens any more.
  private func send(_ chunk: [UInt8]) async -> Bool {
    let (hasRoom, mustResume) = state.withLock { state -> (Bool?, Bool) in
      guard state.stream.append(chunk) else { return (nil, false) }
      let hasRoom = state.stream.byteCount <= core.limits.maxQueuedStreamBytes
      return (hasRoom, state.suspended != nil)
    }
    if mustResume { core.resume(self) }
    guard let hasRoom else { return false }
    if hasRoom { return true }
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state in
        state.stream.waitForRoom(continuation, limitBytes: core.limits.maxQueuedStreamBytes)
      }
      if !waits { continuation.resume() }
    }
    return true
  }

  private func endStream() {
    state.withLock { state in
      state.stream.isEnded = true
      state.resume()
    }
  }
}

// MARK: - Where the handler runs

/// The handler of a brief request is at work on its connection's thread alone, and its answer is there with the thread:
/// of many that are resumed together, the thread is woken once.
extension Exchange: TaskExecutor {
  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let (isOurs, mustResume) = state.withLock { state in
      guard case .handling = state.phase else { return (false, false) }
      state.jobs.append(job)
      return (true, state.suspended != nil)
    }
    if mustResume { core.resume(self) }
    // After its answer, or where nobody waits for one any more.
    if !isOurs { Self.runElsewhere([job]) }
  }

  private static func runElsewhere(_ jobs: [UnownedJob]) {
    for job in jobs { globalConcurrentExecutor.enqueue(ExecutorJob(job)) }
  }
}

// MARK: - From elsewhere

extension Exchange {
  /// The client is gone, or the server stops without waiting: cancels the handler, drops the answer.
  func abort() {
    let (task, jobs) = state.withLock { state in
      state.phase = .finished
      state.stream.close()
      state.resume()
      return (state.task, state.takeJobs())
    }
    task?.cancel()
    Self.runElsewhere(jobs)
  }

  /// The connection, where the daemon's thread does not look at it: the caller has to resume it, and before the
  /// daemon stops.
  func takeSuspended() -> SuspendedConnection? {
    state.withLock { state in
      defer { state.suspended = nil }
      return state.suspended
    }
  }

  /// Ends a stream that would not end by itself. Other answers go on.
  func serverStops() {
    let task = state.withLock { state -> Task<Void, Never>? in
      guard state.endsOnStop else { return nil }
      // It answers with what there is.
      if case .handling = state.phase { return state.task }
      state.stream.isEnded = true
      state.resume()
      return state.task
    }
    task?.cancel()
  }
}

extension Exchange.State {
  private static let handedOver = HTTPRequest(method: "", target: "/", remoteAddress: "")

  fileprivate var isFinished: Bool {
    guard case .finished = phase else { return false }
    return true
  }

  /// Takes room for so many more bytes, or says why there is none.
  fileprivate mutating func hold(_ byteCount: Int, in room: BodyRoom) -> HTTPServerFault? {
    let newBytes = heldBytes + byteCount
    guard newBytes <= allowance.limitBytes else {
      return .bodyTooLarge(limitBytes: allowance.limitBytes)
    }
    guard room.grow(from: heldBytes, to: newBytes, of: allowance.sender) else {
      return .overloaded
    }
    heldBytes = newBytes
    return nil
  }

  /// Keeps nothing of the body.
  fileprivate mutating func drop(to room: BodyRoom) {
    request.body = []
    room.giveBack(heldBytes, of: allowance.sender)
    heldBytes = 0
  }

  /// Takes the request for its handler, where it is there for the first time and may be handled.
  fileprivate mutating func begin(
    _ core: ServerCore, _ exchange: Exchange
  ) -> (step: Exchange.Step?, request: HTTPRequest?) {
    guard case .receiving = phase else { return (nil, nil) }
    exchange.connection.requestArrived()
    if core.isAborting { return (.abort, nil) }
    if fault == nil, core.isStopping { fault = .stopping }
    if fault == nil, !core.admits(request) { fault = .overloaded }
    if let fault {
      phase = .responding
      return (.respond(exchange.refusal(fault)), nil)
    }
    phase = .handling
    endsOnStop = core.isPatient(request)
    defer {
      // The handler has it now; a tail would keep it for hours.
      request = Self.handedOver
    }
    return (nil, request)
  }

  /// What a request that was handed over is at. Waits for its answer where there is none.
  fileprivate mutating func next(
    _ core: ServerCore, _ exchange: Exchange, _ current: RunningConnection
  ) -> Exchange.Step {
    switch phase {
    case .receiving: preconditionFailure("the request is not handed over yet")
    case .handling:
      // Who waits for long may have gone long before.
      if endsOnStop { watch(core, exchange) }
      suspended = current.suspend()
      return .wait
    case .ready(var prepared):
      phase = .responding
      if core.isStopping || isLast { prepared.closesConnection = true }
      return .respond(prepared)
    case .responding, .finished: return .abort
    }
  }

  /// From now on the client's hanging up ends the request.
  fileprivate mutating func watch(_ core: ServerCore, _ exchange: Exchange) {
    guard !isWatched else { return }
    isWatched = true
    core.monitor.watch(exchange.connection.descriptor, token: exchange.id)
  }

  fileprivate mutating func takeJobs() -> [UnownedJob] {
    defer { jobs = [] }
    return jobs
  }

  fileprivate mutating func resume() {
    guard let connection = suspended else { return }
    suspended = nil
    connection.resume()
  }
}

// MARK: - Preparing

extension Exchange {
  /// `isRetry`: `response` is already the answer to a fault; if it cannot be sent either, the server
  /// was given a broken responder.
  private static func prepare(
    _ response: HTTPResponse, core: ServerCore, isRetry: Bool, closesConnection: Bool,
    isHead: Bool = false
  ) -> Prepared {
    var fields = response.headers.fields
    if hasFraming(fields) { fields.removeAll { isFraming($0.name) } }
    // The content type of a file comes later, in the frame's room.
    let isValid =
      (200...599).contains(response.status) && areWellFormed(fields)
      && fields.reduce(0) { $0 + $1.byteCount } <= HTTPLimits.maxAnswerFieldBytes
    guard isValid else {
      precondition(!isRetry, "the error responder answered with an invalid status or header")
      return prepare(
        core.errorResponder(.responseInvalid), core: core, isRetry: true,
        closesConnection: closesConnection)
    }
    func prepared(_ fields: [HTTPHeaders.Field], _ body: Prepared.Body) -> Prepared {
      Prepared(
        status: response.status, fields: fields, body: body, closesConnection: closesConnection,
        isHead: isHead)
    }
    switch response.body {
    case .bytes(let bytes): return prepared(fields, .bytes(bytes))
    case .stream: return prepared(fields, .stream)
    case .file(let path, let contentType):
      guard let file = OpenFile(path: path) else {
        precondition(!isRetry, "the error responder answered with a file that is not there")
        return prepare(
          core.errorResponder(.fileNotFound), core: core, isRetry: true,
          closesConnection: closesConnection)
      }
      let type = HTTPHeaders.Field(name: "Content-Type", value: contentType)
      return prepared(fields + [type], .file(file))
    }
  }

  private static func hasFraming(_ fields: [HTTPHeaders.Field]) -> Bool {
    let fields = fields.span
    for index in fields.indices where isFraming(fields[index].name) { return true }
    return false
  }

  private static func areWellFormed(_ fields: [HTTPHeaders.Field]) -> Bool {
    let fields = fields.span
    for index in fields.indices where !fields[index].isWellFormed { return false }
    return true
  }

  private static func isFraming(_ name: String) -> Bool {
    HTTPHeaders.equal(name, "Content-Length") || HTTPHeaders.equal(name, "Transfer-Encoding")
  }
}

/// The bytes of a stream that the client has not taken yet.
struct OutgoingStream {
  private var chunks: [[UInt8]] = []
  /// How many of `chunks` were taken whole, and how many bytes of the next.
  private var takenChunkCount = 0
  private var offset = 0
  private(set) var byteCount = 0
  /// Nothing follows what is queued.
  var isEnded = false
  private var isClosed = false
  private var waiter: CheckedContinuation<Void, Never>?
  private var waiterLimitBytes = 0

  /// False where the stream has ended or its client is gone.
  mutating func append(_ chunk: [UInt8]) -> Bool {
    guard !isClosed, !isEnded else { return false }
    chunks.append(chunk)
    byteCount += chunk.count
    return true
  }

  /// Moves as many bytes as there is room for. Lets the producer go on when half the limit is left.
  mutating func take(into buffer: inout OutputRawSpan) -> Int {
    var taken = 0
    while takenChunkCount < chunks.count, buffer.freeCapacity > 0 {
      let chunk = chunks[takenChunkCount]
      let count = min(chunk.count - offset, buffer.freeCapacity)
      unsafe buffer.withUnsafeMutableBytes { bytes, initializedCount in
        let source = chunk[offset..<offset + count]
        unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[initializedCount...])
          .copyBytes(from: source)
        initializedCount += count
      }
      taken += count
      offset += count
      guard offset == chunk.count else { break }
      chunks[takenChunkCount] = []
      takenChunkCount += 1
      offset = 0
    }
    // Amortised: the chunks left are moved at most once for each one taken.
    if takenChunkCount * 2 >= chunks.count {
      chunks.removeFirst(takenChunkCount)
      takenChunkCount = 0
    }
    byteCount -= taken
    if byteCount <= waiterLimitBytes / 2 { releaseWaiter() }
    return taken
  }

  /// Keeps `continuation` until there is room or the stream closes. False where it need not wait.
  mutating func waitForRoom(
    _ continuation: CheckedContinuation<Void, Never>, limitBytes: Int
  ) -> Bool {
    guard !isClosed, !isEnded, byteCount > limitBytes else { return false }
    precondition(waiter == nil, "a stream has one producer")
    waiter = continuation
    waiterLimitBytes = limitBytes
    return true
  }

  /// Nothing is read any more: drops what is queued.
  mutating func close() {
    isClosed = true
    chunks = []
    byteCount = 0
    releaseWaiter()
  }

  private mutating func releaseWaiter() {
    waiter?.resume()
    waiter = nil
  }
}
