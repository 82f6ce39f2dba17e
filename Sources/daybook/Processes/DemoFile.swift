import CLI
import Crypto
import DemoData
import Foundation
import JSON

/// Writes `demo.json`: where everything is, and the demo's credentials for scripts. Those of an earlier
/// start are kept where this one made none.
func writeDemo(_ access: DemoAccess?, _ settings: Settings) throws {
  var demo = readDemo(settings.home)?.object ?? JSONObject()
  demo["base_url"] = .string(settings.baseURL)
  demo["sandbox_url"] = .string(settings.sandboxURL)
  if let access {
    demo["incomplete"] = nil
    demo["org"] = .string(access.org)
    demo["api_key"] = .string(access.apiKey)
    demo["login"] = .string(access.login)
    demo["password"] = .string(access.password)
  }
  try writeDemo(.object(demo), to: settings.home)
}

/// It holds a key.
func writeDemo(_ content: JSON, to home: Home) throws {
  try SecretFile.write(content.bytes() + [UInt8(ascii: "\n")], to: home.demo)
}

/// Nil where there is none, or none that can be read.
func readDemo(_ home: Home) -> JSON? {
  FileManager.default.contents(atPath: home.demo).flatMap { try? JSON(parsing: Array($0)) }
}

/// What `up` says once everything runs.
func banner(_ settings: Settings) -> String {
  let demo = readDemo(settings.home)
  let console =
    consoleDirectory() == nil
    ? "not built: run console/build, then start again" : settings.baseURL + "/"
  var lines = ["", "Daybook runs.", "", "  Console   \(console)"]
  if let login = demo?["login"]?.string, let password = demo?["password"]?.string {
    lines.append("  Sign in   \(login) with the password \(password)")
  }
  lines.append("  Phones    \(settings.sandboxURL)/")
  if let key = demo?["api_key"]?.string {
    lines.append(
      "  API       curl -H 'Authorization: Bearer \(key)' '\(settings.baseURL)/api/contacts?limit=3'"
    )
  } else {
    lines.append("  API       curl \(settings.baseURL)/readyz")
  }
  lines += [
    "  Logs      \(settings.home.logs)", "", "Ctrl-C or 'daybook down' stops everything.", "",
  ]
  return lines.joined(separator: "\n")
}
