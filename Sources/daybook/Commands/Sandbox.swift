import CLI
import JSON
import Sandbox

let sandboxCommand = Command(
  "sandbox", "run the simulated providers: Twilio's API and its phones, on loopback",
  options: [supervisedOption], isLongRunning: true
) { invocation in
  try await runService("sandbox", invocation) { context in
    let server = try SandboxServer(
      port: context.settings.sandboxPort, dataDirectory: context.settings.home.sandbox)
    return Service(details: ["url": .string(server.url)]) {
      await server.stop()
    }
  }
}
