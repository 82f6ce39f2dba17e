import CLI
import DemoData
import Foundation
import JSON

/// Fills the log with demo data by the API, on the very first start in a home; does nothing on any
/// later one. What is done is told on the terminal.
///
/// Nil where nothing was made.
func seedDemo(_ settings: Settings) async throws -> DemoAccess? {
  // A restored log is somebody's own.
  guard settings.seedsDemo, !FileManager.default.fileExists(atPath: settings.home.demo),
    !FileManager.default.fileExists(atPath: settings.home.restored)
  else {
    if readDemo(settings.home)?["incomplete"] == true {
      Output.line(
        "  The demo data is incomplete: an earlier start was interrupted while it was made. For a"
          + " whole demo, stop and remove \(settings.home.path), or choose another --home.")
    }
    return nil
  }
  Output.line("  Making demo data")
  try writeDemo(incompleteDemo, to: settings.home)
  let token = try String(contentsOfFile: settings.home.operatorToken, encoding: .utf8)
  let demo = DemoData(
    baseURL: settings.localURL, sandboxURL: settings.sandboxURL,
    operatorToken: token.trimmingCharacters(in: .whitespacesAndNewlines)
  ) { Output.line("    \($0)") }
  return try await demo.seed()
}

/// What `demo.json` holds while the demo data is being made.
private let incompleteDemo: JSON = ["incomplete": true]
