import Foundation
import Glibc
import JSON
import Supervisor

/// `daybook sandbox` as a process of its own. It ends with this one, however that ends: it follows the end of its
/// standard input, which only we hold.
final class SandboxProcess: Sendable {
  let url: String
  private let child: ChildProcess
  /// The other end of its standard input.
  private let tether: Descriptor

  private enum Beginning: Sendable {
    case ready(JSON)
    case ended(ProcessExit)
  }

  /// Returns once it answers.
  init(home: String) async throws {
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    let (input, tether) = try Descriptor.pipe()
    self.tether = tether
    let beginning = Latch<Beginning>()
    let child = try ChildProcess(
      Launch(
        executable: URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path(
          percentEncoded: false),
        arguments: [
          "sandbox", "--supervised", "--home", home, "--sandbox-port", "0", "--log-level", "error",
        ],
        environment: ProcessInfo.processInfo.environment.filter { name, _ in
          name != "DATABASE_URL" && !name.hasPrefix("DAYBOOK_")
        }),
      input: input, errors: try Descriptor.open("/dev/null", flags: O_RDWR)
    ) { line in
      guard line.hasPrefix("ready "), let details = try? JSON(parsing: String(line.dropFirst(6)))
      else { return }
      beginning.open(with: .ready(details))
    }
    self.child = child
    Task { beginning.open(with: .ended(await child.waitForExit())) }
    guard case .ready(let details) = await beginning.value(), let url = details["url"]?.string
    else { throw ServerHouse.Failed(description: "the sandbox does not say where it is") }
    self.url = url
  }

  func stop() async throws { _ = try await child.stop(grace: .seconds(10)) }

  var cost: ProcessCost { ProcessCost(pid: child.pid) }
}
