import CLI
import Foundation
import JSON

/// Writes `demo.json`: where everything is, and the demo's credentials for scripts. Those of an earlier
/// start are kept where this one made none.
func writeDemo(_ access: DemoAccess?, _ settings: Settings) throws {
  let path = settings.home.demo
  let earlier = readDemo(settings.home)
  var demo = JSONObject()
  demo["base_url"] = .string(settings.baseURL)
  demo["sandbox_url"] = .string(settings.sandboxURL)
  demo["org"] = access.map { .string($0.org) } ?? earlier?["org"]
  demo["api_key"] = access.map { .string($0.apiKey) } ?? earlier?["api_key"]
  demo["login"] = access.map { .string($0.login) } ?? earlier?["login"]
  demo["password"] = access.map { .string($0.password) } ?? earlier?["password"]
  try Data(JSON.object(demo).bytes() + [UInt8(ascii: "\n")])
    .write(to: URL(filePath: path), options: .atomic)
  // It holds a key: for its owner alone.
  try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
}

/// Nil where there is none, or none that can be read.
func readDemo(_ home: Home) -> JSON? {
  FileManager.default.contents(atPath: home.demo).flatMap { try? JSON(parsing: Array($0)) }
}

/// What `up` says once everything runs.
func banner(_ settings: Settings) -> String {
  let demo = readDemo(settings.home)
  var lines = ["", "Daybook runs.", "", "  Console   \(settings.baseURL)/"]
  if let login = demo?["login"]?.string, let password = demo?["password"]?.string {
    lines.append("  Sign in   \(login) with the password \(password)")
  }
  lines.append("  Phones    \(settings.sandboxURL)/")
  if let key = demo?["api_key"]?.string {
    lines += [
      "  API       curl -H 'Authorization: Bearer \(key)' \(settings.baseURL)/api/contacts?limit=3"
    ]
  } else {
    lines.append("  API       curl \(settings.baseURL)/readyz")
  }
  lines += [
    "  Logs      \(settings.home.logs)", "", "Ctrl-C or 'daybook down' stops everything.", "",
  ]
  return lines.joined(separator: "\n")
}
