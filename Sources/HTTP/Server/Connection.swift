import Synchronization

/// One client's socket, from accept to close.
final class Connection: Sendable {
  /// Valid until `ServerCore.disconnected`.
  let descriptor: Int32
  let remoteAddress: String
  private let limits: HTTPLimits
  private let target = Mutex("")
  /// When the next request must have arrived in full, in milliseconds of the monotonic clock.
  private let deadlineMillis: Atomic<Int64>

  init(descriptor: Int32, remoteAddress: String, limits: HTTPLimits) {
    self.descriptor = descriptor
    self.remoteAddress = remoteAddress
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

  func takeTarget() -> String {
    target.withLock { target in
      defer { target = "" }
      return target
    }
  }

  func requestArrived() { deadlineMillis.store(.max, ordering: .relaxed) }

  func requestEnded() { deadlineMillis.store(Self.deadline(limits), ordering: .relaxed) }

  /// True once: the client took too long to send its request.
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
