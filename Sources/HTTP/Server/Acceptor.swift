import Dispatch
import Foundation

/// Takes connections and hands them to the daemon, on a thread of its own.
///
/// The daemon's own threads would each take all that wait when they look: whoever looks first had sixty of sixty-four
/// connections, and the other thread nothing to do. Handed over by us, they take turns.
final class Acceptor: Sendable {
  /// How long nobody is taken where the process has no more files, or connections, to give.
  private static let pauseMillis: UInt32 = 5
  /// Two seconds of pauses.
  private static let patiencePauseCount = 400

  private let listener: Listener
  private let core: ServerCore
  private let hasEnded = DispatchSemaphore(value: 0)

  /// Takes over `listener`. `hand` takes over a connection's descriptor; false where it did not want it, and closed it.
  init(
    _ listener: Listener, core: ServerCore,
    hand: @escaping @Sendable (Listener.Accepted) -> Bool
  ) {
    self.listener = listener
    self.core = core
    // It waits for most of its life: a queue's threads are few, and for work.
    Thread.detachNewThread { [self] in
      run(hand)
      listener.close()
      hasEnded.signal()
    }
  }

  /// Returns when no connection is taken any more and the port is free. Once; blocks.
  func stop() {
    listener.endAccepting()
    hasEnded.wait()
  }

  private func run(_ hand: (Listener.Accepted) -> Bool) {
    var handedCount = core.begunCount
    var pauseCount = 0
    while true {
      if !core.hasRoom(forOneBeside: handedCount - core.begunCount), !core.isAborting {
        Listener.pause(millis: Self.pauseMillis)
        pauseCount += 1
        // One that was handed over and could not begin, for want of memory, is not waited for for ever.
        if pauseCount % Self.patiencePauseCount == 0 { handedCount = core.begunCount }
        continue
      }
      pauseCount = 0
      switch listener.accept() {
      case .connection(let accepted):
        if hand(accepted) { handedCount += 1 }
      case .nothing: continue
      case .exhausted: Listener.pause(millis: Self.pauseMillis)
      case .ended: return
      }
    }
  }
}
