import CLI
import Foundation
import HTTP
import JSON
import ProjectionRuntime
import Supervisor

let statusCommand = Command(
  "status", "show what runs, where, and how far it is",
  details: """
    Exit code 0 where the system is ready, 1 where it is not. 'health' is the API's
    own answer, 'projections' how far each read model is.
    """,
  options: [.json]
) { invocation in
  let home = invocation.settings.home
  var status = try currentStatus(home)
  let health = status.state == .stopped ? nil : await askHealth(status.localURL)
  // `up` writes how its start ended; whether all of it is served changes from then on.
  if status.state == .ready || status.state == .degraded {
    status.state = health?["status"] == "ok" ? .ready : .degraded
  }
  let projections = askProjections(status, invocation.settings)
  if invocation.has("--json") {
    Output.json(json(status, health: health, projections: projections, home: home))
  } else {
    Output.text(text(status, health: health, projections: projections, home: home))
  }
  return status.state == .ready ? .success : .failure
}

private func currentStatus(_ home: Home) throws -> SystemStatus {
  if let running = try home.runningStatus() { return running }
  // It holds the lock before it can write anything down.
  let holder = try FileLock.isHeld(home.upLock) ? FileLock.holder(home.upLock) : nil
  return SystemStatus(
    state: holder == nil ? .stopped : .starting, supervisor: holder?.identity ?? .current,
    baseURL: "", localURL: "", sandboxURL: "", processes: [])
}

/// Nil where nobody answers within two seconds.
private func askHealth(_ localURL: String) async -> JSON? {
  let client = HTTPClient()
  defer { client.close() }
  let request = ClientRequest(method: "GET", url: localURL + "/readyz", timeoutMillis: 2000)
  guard let answer = try? await client.send(request) else { return nil }
  return try? JSON(parsing: answer.body)
}

/// Nil where the database can not be asked.
private func askProjections(_ status: SystemStatus, _ settings: Settings) -> [ProjectionStatus]? {
  let own = status.processes.first { $0.name == "postgres" }?.details["url"]?.string
  guard status.state != .stopped, let url = settings.databaseURL ?? own else { return nil }
  return try? readProjections(url)
}

private func json(
  _ status: SystemStatus, health: JSON?, projections: [ProjectionStatus]?, home: Home
) -> JSON {
  guard status.state != .stopped else {
    return ["state": "stopped", "home": .string(home.path), "processes": []]
  }
  var object = status.json.object ?? JSONObject()
  object["home"] = .string(home.path)
  object["health"] = health ?? .null
  let head = health?["checks"]?["head"]?.int.flatMap(UInt64.init(exactly:))
  object["projections"] =
    projections.map { .array($0.map { ProjectionLine($0, head: head).json }) } ?? .null
  return .object(object)
}

private func text(
  _ status: SystemStatus, health: JSON?, projections: [ProjectionStatus]?, home: Home
) -> String {
  guard status.state != .stopped else { return "Daybook does not run in \(home.path).\n" }
  var lines = [
    "Daybook in \(home.path): \(status.state.rawValue) (process \(status.supervisor.pid))"
  ]
  // An `up` that has just begun has not said where.
  if !status.baseURL.isEmpty {
    lines += [
      "  API and console  \(status.baseURL)", "  Sandbox          \(status.sandboxURL)", "",
    ]
  }
  lines += status.processes.map { process in
    let name = process.name.padding(toLength: 10, withPad: " ", startingAt: 0)
    let state = process.state.rawValue.padding(toLength: 11, withPad: " ", startingAt: 0)
    let pid = process.identity.map { "process \($0.pid)" } ?? "-"
    let restarts = process.restartCount == 0 ? "" : ", restarts: \(process.restartCount)"
    return "  \(name) \(state) \(pid)\(restarts)"
  }
  let head = health?["checks"]?["head"]?.int.flatMap(UInt64.init(exactly:))
  lines.append("")
  lines += (projections ?? []).map { "  " + ProjectionLine($0, head: head).text }
  lines.append("")
  if health?["checks"]?["hold"] != nil {
    lines.append("  ON HOLD after a restore: nothing is sent or signed until 'daybook release'.\n")
  }
  lines += (health?.object?.fields ?? []).map { "  \($0.key)  \($0.value.text)" }
  if health == nil { lines.append("  The API does not answer.") }
  return lines.joined(separator: "\n") + "\n"
}
