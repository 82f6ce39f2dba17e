import Foundation
import JSON

/// The child's side of supervision: says when it is ready, and stops when it is told to or when
/// nobody is left to tell it.
///
/// Protocol: the supervisor holds the other end of the child's standard input and writes nothing to
/// it, so that its end means that the supervisor is gone, however it ended. The child writes one line
/// `ready {JSON}` to standard output once it serves.
package enum SupervisedProcess {
  /// How long a process without a supervisor may take to stop before it ends itself.
  private static let orphanGraceSeconds: TimeInterval = 30

  /// Opens, with the signal's number, when this process is asked to stop.
  ///
  /// `StopSignals.hold()` must have been called when the process started. Call it once. With
  /// `followsInput` the end of standard input counts as a signal.
  package static func stopRequest(followsInput: Bool) -> Latch<Int32> {
    let request = Latch<Int32>()
    if followsInput { Thread.detachNewThread(followInput) }
    Thread.detachNewThread { request.open(with: StopSignals.wait()) }
    return request
  }

  /// Whether the supervisor is gone already: there is nothing to begin with.
  package static var isAbandoned: Bool { hasStandardInputEnded() }

  /// Tells whoever reads standard output that this process serves, and where.
  package static func announceReady(_ details: JSON) throws {
    try FileHandle.standardOutput.write(contentsOf: Data("ready \(details.text)\n".utf8))
  }

  /// What a line of a child's standard output says; nil where it is no announcement.
  static func readiness(in line: String) -> JSON? {
    guard line.hasPrefix("ready ") else { return nil }
    return try? JSON(parsing: String(line.dropFirst("ready ".count)))
  }

  private static func followInput() {
    waitForEndOfStandardInput()
    do {
      try send(SIGTERM, to: ProcessInfo.processInfo.processIdentifier)
    } catch {
      exitAtOnce(1)
    }
    Thread.sleep(forTimeInterval: orphanGraceSeconds)
    exitAtOnce(1)
  }
}
