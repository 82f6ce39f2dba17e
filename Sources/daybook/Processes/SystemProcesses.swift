import CLI
import Foundation
import JSON
import Supervisor

/// The processes of one machine, and what each needs to be told.
struct SystemProcesses {
  let settings: Settings
  let allowsPrivateWebhooks: Bool

  static let names = ["postgres", "sandbox", "project", "serve"]

  /// A process comes after those that it needs.
  var specs: [ProcessSpec] {
    let ownsDatabase = settings.databaseURL == nil
    let database = ownsDatabase ? ["postgres"] : []
    let postgres = ownsDatabase ? [spec("postgres", stopGrace: .seconds(60))] : []
    return postgres + [
      spec("sandbox"),
      spec("project", needs: database),
      spec(
        "serve", needs: database,
        flags: [withSandboxOption.flag]
          + (allowsPrivateWebhooks ? [privateWebhooksOption.flag] : [])),
    ]
  }

  private func spec(
    _ name: String, needs: [String] = [], flags: [String] = [],
    stopGrace: Duration = .seconds(15)
  ) -> ProcessSpec {
    let settings = settings
    return ProcessSpec(
      name: name, needs: needs, errorsPath: settings.home.errors(of: name), stopGrace: stopGrace
    ) { details in
      let databaseURL = settings.databaseURL ?? details["postgres"]?["url"]?.string
      let forwarded = settings.resolved(
        port: settings.port, sandboxPort: settings.sandboxPort, databaseURL: databaseURL
      ).forwarded
      return Launch(
        executable: Self.executable,
        arguments: [name, supervisedOption.flag] + flags + forwarded.flags,
        environment: Self.inheritedEnvironment.merging(forwarded.environment) { $1 })
    }
  }

  /// This program's own file, which may be another than the first word of its command line.
  static var executable: String {
    URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path(percentEncoded: false)
  }

  /// The environment without our settings: children get them told one by one.
  static var inheritedEnvironment: [String: String] {
    ProcessInfo.processInfo.environment.filter { name, _ in
      name != "DATABASE_URL" && !name.hasPrefix("DAYBOOK_")
    }
  }
}

/// Chooses the ports that were left open, and refuses those that somebody else uses.
func resolvePorts(_ settings: Settings) throws -> Settings {
  let port = try usable(
    settings.port, address: settings.listenAddress, variable: "DAYBOOK_PORT", flag: "--port")
  var sandboxPort = try usable(
    settings.sandboxPort, address: "127.0.0.1", variable: "DAYBOOK_SANDBOX_PORT",
    flag: "--sandbox-port")
  while sandboxPort == port { sandboxPort = try Port.free(address: "127.0.0.1") }
  return settings.resolved(
    port: port, sandboxPort: sandboxPort, databaseURL: settings.databaseURL)
}

private func usable(
  _ port: Int, address: String, variable: String, flag: String
) throws(CommandError) -> Int {
  let isFree: Bool
  do throws(SystemError) {
    if port == 0 { return try Port.free(address: address) }
    isFree = try Port.isFree(port, address: address)
  } catch {
    throw .portForbidden(port: port, variable: variable, reason: error.reason)
  }
  guard isFree else { throw .portInUse(port: port, variable: variable, flag: flag) }
  return port
}
