import Synchronization

/// One request of a client, from `send` or `stream` to its end. curl's thread writes; the caller's
/// task waits and reads.
final class Transfer: Sendable {
  typealias Head = (status: Int, headers: HTTPHeaders)

  let id: UInt64
  let request: ClientRequest
  let settings: HTTPClientSettings
  /// Whether the body is handed out while it arrives.
  let isStream: Bool
  private let state: Mutex<State>

  fileprivate struct State {
    var status = 0
    var headers = HTTPHeaders()
    var chunks: [[UInt8]] = []
    var byteCount = 0
    /// How often curl was about to write the request to a connection.
    var attemptCount = 0
    var refusedAddress = false
    var isTooLarge = false
    var isPaused = false
    var hasHead = false
    var outcome: Result<Void, HTTPClientError>?
    var headWaiter: CheckedContinuation<Void, Never>?
    var bodyWaiter: CheckedContinuation<Void, Never>?
  }

  init(id: UInt64, request: ClientRequest, settings: HTTPClientSettings, isStream: Bool) {
    self.id = id
    self.request = request
    self.settings = settings
    self.isStream = isStream
    state = Mutex(State())
  }
}

// MARK: - On curl's thread

extension Transfer {
  enum Taken {
    case all
    case paused
    case refused
  }

  /// A line of the head, with its end. A new status line starts over: the head before was 1xx, or a
  /// redirect's.
  func receive(headerLine line: RawSpan) {
    let text = ASCII.trimmed(
      Self.text(line).dropLast(while: { $0 == "\r" || $0 == "\n" || $0 == "\r\n" }))
    state.withLock { state in
      if text.hasPrefix("HTTP/") {
        state.headers = HTTPHeaders()
        state.status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
      } else if let colon = text.firstIndex(of: ":") {
        let value = ASCII.trimmed(text[text.index(after: colon)...])
        state.headers.add(String(text[..<colon]), String(value))
      }
    }
  }

  /// The head is whole and the last one: no redirect that is followed.
  func headEnded() {
    let waiter = state.withLock { state in
      state.hasHead = true
      return state.takeHeadWaiter()
    }
    waiter?.resume()
  }

  /// Whether curl will go on to another URL rather than end with this answer.
  var followsRedirect: Bool {
    guard request.followRedirects else { return false }
    return state.withLock { state in
      [301, 302, 303, 307, 308].contains(state.status) && state.headers["Location"] != nil
    }
  }

  var hasHead: Bool { state.withLock { $0.hasHead } }
  var status: Int { state.withLock { $0.status } }

  func receive(body bytes: RawSpan) -> Taken {
    let (taken, waiter) = state.withLock { state -> (Taken, CheckedContinuation<Void, Never>?) in
      if isStream, state.byteCount >= settings.maxQueuedStreamBytes {
        state.isPaused = true
        return (.paused, nil)
      }
      if !isStream, state.byteCount + bytes.byteCount > settings.maxResponseBytes {
        if settings.takesCutResponses {
          let room = settings.maxResponseBytes - state.byteCount
          state.chunks.append(unsafe bytes.withUnsafeBytes { unsafe Array($0.prefix(room)) })
          state.byteCount += room
        } else {
          state.isTooLarge = true
        }
        return (.refused, nil)
      }
      state.chunks.append(unsafe bytes.withUnsafeBytes { unsafe Array($0) })
      state.byteCount += bytes.byteCount
      return (.all, isStream ? state.takeBodyWaiter() : nil)
    }
    waiter?.resume()
    return taken
  }

  /// Whether a connection to `address` may be opened.
  func allows(_ address: [UInt8]?, port: Int?) -> Bool {
    if settings.addressPolicy.allows(address, port: port) { return true }
    state.withLock { $0.refusedAddress = true }
    return false
  }

  /// curl is about to write the request. When a reused connection turns out dead, curl would write it
  /// again to a new one, although the server may have processed it; only what is safe to repeat may.
  func mayWriteRequest(redirectCount: Int) -> Bool {
    state.withLock { state in
      state.attemptCount += 1
      let isRepeat = state.attemptCount > 1 + redirectCount
      return !isRepeat || ["GET", "HEAD", "OPTIONS"].contains(request.method)
    }
  }

  /// Over. `reason` is nil where curl is content, which it also is with half a head.
  func finish(_ given: HTTPClientError.Reason?) {
    let waiters = state.withLock { state in
      guard state.outcome == nil else { return [CheckedContinuation<Void, Never>]() }
      let reason = reason(given, state)
      state.outcome = reason.map { .failure(state.error($0)) } ?? .success(())
      return [state.takeHeadWaiter(), state.takeBodyWaiter()].compactMap(\.self)
    }
    for waiter in waiters { waiter.resume() }
  }

  private func reason(
    _ given: HTTPClientError.Reason?, _ state: State
  ) -> HTTPClientError.Reason? {
    guard state.hasHead else { return given ?? .connectionBroken }
    switch given {
    // What curl calls a failure is that we wanted no more, or that there was no more.
    case .timeout, .connectionBroken, .responseInvalid:
      return !isStream && settings.takesCutResponses ? nil : given
    case nil, .requestInvalid, .nameNotResolved, .addressRefused, .connectionFailed, .tlsFailed,
      .responseTooLarge, .cancelled, .clientClosed, .outOfResources:
      return given
    }
  }

  private static func text(_ bytes: RawSpan) -> Substring {
    unsafe bytes.withUnsafeBytes { unsafe Substring(String(decoding: $0, as: UTF8.self)) }
  }
}

extension Transfer.State {
  fileprivate mutating func takeHeadWaiter() -> CheckedContinuation<Void, Never>? {
    defer { headWaiter = nil }
    return headWaiter
  }

  fileprivate mutating func takeBodyWaiter() -> CheckedContinuation<Void, Never>? {
    defer { bodyWaiter = nil }
    return bodyWaiter
  }

  /// What curl calls a failed connection or a failed write may be our own refusal.
  fileprivate func error(_ reason: HTTPClientError.Reason) -> HTTPClientError {
    let isOurs = refusedAddress && reason != .timeout
    if attemptCount > 0 {
      return .unknown(isTooLarge ? .responseTooLarge : isOurs ? .addressRefused : reason)
    }
    return .notSent(isOurs ? .addressRefused : reason)
  }
}

// MARK: - On the caller's task

extension Transfer {
  /// Waits for the whole answer.
  func response() async throws(HTTPClientError) -> ClientResponse {
    await wait {
      $0.outcome != nil
    } store: {
      $0.bodyWaiter = $1
    }
    let (outcome, response) = state.withLock { state in
      (
        state.outcome,
        ClientResponse(
          status: state.status, headers: state.headers, body: state.takeBody())
      )
    }
    try outcome?.get()
    return response
  }

  /// Waits for the head.
  func head() async throws(HTTPClientError) -> Head {
    await wait {
      $0.hasHead || $0.outcome != nil
    } store: {
      $0.headWaiter = $1
    }
    let (outcome, hasHead, head) = state.withLock { state in
      (state.outcome, state.hasHead, Head(status: state.status, headers: state.headers))
    }
    if !hasHead { try outcome?.get() }
    return head
  }

  /// Waits for the next bytes of the body; nil after the last. `resume` is called where curl has to
  /// be told to read on.
  func nextBytes(resume: () -> Void) async throws(HTTPClientError) -> [UInt8]? {
    await wait {
      !$0.chunks.isEmpty || $0.outcome != nil
    } store: {
      $0.bodyWaiter = $1
    }
    let (bytes, outcome, wasPaused) = state.withLock { state in
      let bytes = state.takeBody()
      defer { state.isPaused = false }
      return (bytes, state.outcome, state.isPaused)
    }
    if wasPaused { resume() }
    if !bytes.isEmpty { return bytes }
    try outcome?.get()
    return nil
  }

  private func wait(
    until isReady: @Sendable (borrowing State) -> Bool,
    store: @Sendable (inout State, CheckedContinuation<Void, Never>) -> Void
  ) async {
    await withCheckedContinuation { continuation in
      let isDone = state.withLock { state in
        if isReady(state) { return true }
        store(&state, continuation)
        return false
      }
      if isDone { continuation.resume() }
    }
  }
}

extension Transfer.State {
  fileprivate mutating func takeBody() -> [UInt8] {
    defer {
      chunks = []
      byteCount = 0
    }
    return chunks.count == 1 ? chunks[0] : Array(chunks.joined())
  }
}

extension Substring {
  fileprivate func dropLast(while drops: (Character) -> Bool) -> Substring {
    var rest = self
    while let last = rest.last, drops(last) { rest.removeLast() }
    return rest
  }
}
