import Foundation
import Glibc
import JSON
import Supervisor

/// One long-running process of the system, as its supervisor would run it: it stops by itself when
/// this test process is gone.
final class ServiceProcess: Sendable {
  let name: String
  private let child: ChildProcess
  /// The other end of the child's standard input; its end tells the child to stop.
  private let lifeline: Descriptor

  private enum Beginning: Sendable {
    case ready(JSON)
    case ended(ProcessExit)
  }

  private let beginning = Latch<Beginning>()

  init(
    _ name: String, executable: String, arguments: [String], environment: [String: String],
    errorsPath: String
  ) throws {
    self.name = name
    let (readEnd, writeEnd) = try Descriptor.pipe()
    lifeline = writeEnd
    let errors = try Descriptor.open(errorsPath, flags: O_WRONLY | O_CREAT | O_APPEND)
    let beginning = beginning
    child = try ChildProcess(
      Launch(
        executable: executable, arguments: [name, "--supervised"] + arguments,
        environment: environment),
      input: readEnd, errors: errors
    ) { line in
      guard line.hasPrefix("ready "),
        let details = try? JSON(parsing: String(line.dropFirst("ready ".count)))
      else { return }
      beginning.open(with: .ready(details))
    }
    Task { [child] in beginning.open(with: .ended(await child.waitForExit())) }
  }

  /// Returns once it serves, with what it says about itself.
  func waitUntilReady() async throws -> JSON {
    switch await beginning.value() {
    case .ready(let details): return details
    case .ended(let exit): throw HarnessError("\(name) ended before it was ready: \(exit)")
    }
  }

  /// `kill -9`: it gets no chance to put anything in order.
  func kill() async throws {
    try send(SIGKILL, to: child.pid)
    _ = await child.waitForExit()
  }

  /// Asks it to stop; ends it where it does not.
  @discardableResult
  func stop() async throws -> ProcessExit {
    try await child.stop(grace: .seconds(20))
  }

  /// Suspends it where it is (`SIGSTOP`), until `resume`.
  func suspend() throws { try send(SIGSTOP, to: child.pid) }

  func resume() throws { try send(SIGCONT, to: child.pid) }
}
