import CLI

/// The release. The log has format versions of its own.
let version = "0.1.0"

let versionCommand = Command("version", "print the version") { _ in
  Output.line("daybook \(version)")
  return .success
}
