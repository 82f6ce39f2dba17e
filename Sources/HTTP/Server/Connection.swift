import Synchronization

/// One client's socket, from accept to close.
final class Connection: Sendable {
  /// Valid until `ServerCore.disconnected`.
  let descriptor: Int32
  let remoteAddress: String
  /// Which connections count as one client's; nil: not counted.
  let client: ClientKey?
  let limits: HTTPLimits
  private let errorResponder: HTTPServer.ErrorResponder
  private let target = Mutex("")
  /// Where MHD keeps what it has read of the request's body, as an address.
  private let bodyAddress = Atomic<UInt>(0)
  /// When the next request must have arrived in full, or the answer been taken, in milliseconds of the monotonic clock.
  private let deadlineMillis: Atomic<Int64>

  init(
    descriptor: Int32, address: [UInt8]?, limits: HTTPLimits,
    errorResponder: @escaping HTTPServer.ErrorResponder
  ) {
    self.errorResponder = errorResponder
    self.descriptor = descriptor
    remoteAddress = address.map { SocketAddress.text($0) } ?? "unknown"
    client = address.flatMap { ClientKey($0, limits: limits) }
    self.limits = limits
    deadlineMillis = Atomic(Self.deadline(limits))
  }

  /// The request line was read; MHD will cut its text apart, so it is kept here.
  func requestStarted(target text: String) {
    target.withLock { $0 = text }
    let deadline = Self.nowMillis() + Int64(limits.requestTimeoutSeconds) * 1000
    deadlineMillis.store(deadline, ordering: .relaxed)
  }

  /// Of the request whose line was read last and whose target was not taken yet.
  var targetBytes: Int { target.withLock { $0.utf8.count } }

  /// Our words for what the daemon refuses with `status`, without having asked anybody.
  func refusal(status: Int) -> HTTPResponse { errorResponder(.refused(status, limits)) }

  var bodyStart: UInt { bodyAddress.load(ordering: .relaxed) }

  func bodyBegins(at address: UInt) { bodyAddress.store(address, ordering: .relaxed) }

  func takeTarget() -> String {
    target.withLock { target in
      defer { target = "" }
      return target
    }
  }

  func requestArrived() { deadlineMillis.store(.max, ordering: .relaxed) }

  /// Whoever takes a byte now and then is never idle, and would keep all of it in memory for days.
  func answerBegins(byteCount: Int) {
    let seconds = limits.requestTimeoutSeconds + byteCount / limits.leastAnswerBytesPerSecond
    deadlineMillis.store(Self.nowMillis() + Int64(seconds) * 1000, ordering: .relaxed)
  }

  func requestEnded() { deadlineMillis.store(Self.deadline(limits), ordering: .relaxed) }

  /// True once: the client took too long to send its request, or to take its answer.
  func isOverdue(nowMillis: Int64) -> Bool {
    guard deadlineMillis.load(ordering: .relaxed) < nowMillis else { return false }
    requestArrived()
    return true
  }

  static func nowMillis() -> Int64 {
    (ContinuousClock.now - epoch).components.seconds * 1000
  }

  private static let epoch = ContinuousClock.now

  /// Between requests the client may be silent for the idle time, then needs its time to send.
  private static func deadline(_ limits: HTTPLimits) -> Int64 {
    nowMillis() + Int64(limits.idleTimeoutSeconds + limits.requestTimeoutSeconds) * 1000
  }
}

/// An IPv4 address, or the network of 64 bits that an IPv6 host has for itself.
package struct ClientKey: Hashable, Sendable {
  private let bytes: ArraySlice<UInt8>

  /// nil where the connections of `address` are not counted.
  init?(_ address: [UInt8], limits: HTTPLimits) {
    // An IPv4 address in IPv6 is what its text says.
    self.init(SocketAddress.text(address), besides: limits.uncountedNetworks)
  }

  /// Of a text as in `HTTPRequest.remoteAddress`; nil where it is in one of the networks behind whose addresses are
  /// many clients.
  package init?(_ address: String, besides shared: [IPNetwork]) {
    guard !shared.contains(where: { $0.contains(address) }),
      let own = SocketAddress.bytes(text: address)
    else { return nil }
    bytes = own.prefix(8)
  }
}
