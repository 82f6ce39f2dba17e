import Foundation

/// The folder that holds everything of one Daybook, and the names in it.
package struct Home: Sendable, Equatable {
  /// Absolute, without a slash at the end.
  package let path: String

  package init(path: String, relativeTo directory: String) {
    self.path =
      URL(filePath: path, relativeTo: URL(filePath: directory + "/"))
      .standardizedFileURL.absoluteURL.path(percentEncoded: true).removingPercentEncoding.map(
        Self.trimmed) ?? path
  }

  /// The event log.
  package var log: String { path + "/log" }
  /// The subjects' keys, apart from the log that they unlock.
  package var vault: String { path + "/vault" }
  /// The database cluster of our own.
  package var postgres: String { path + "/postgres" }
  /// What the simulated providers remember.
  package var sandbox: String { path + "/sandbox" }
  /// How far each reactor has come with its effects outside.
  package var reactors: String { path + "/reactors" }
  /// What was asked of the API, for thirty days.
  package var requests: String { path + "/requests" }
  /// Signed requests of the last minutes whose clocks were ahead.
  package var signedRequests: String { path + "/signed-requests" }
  /// Exports of the last day.
  package var exports: String { path + "/exports" }
  /// What the books added up to: caches, sealed.
  package var snapshots: String { path + "/snapshots" }
  /// What was signed, by history.
  package var checkpoints: String { path + "/checkpoints" }
  /// What this home was restored from, and whether sending is still on hold.
  package var restored: String { path + "/restored.json" }
  /// Opens the operator's routes of the API; for its owner alone.
  package var operatorToken: String { path + "/operator.token" }
  /// Signs the console's session cookies; for its owner alone.
  package var sessionSecret: String { path + "/session.secret" }
  /// Signs the links in emails; for its owner alone.
  package var linkSecret: String { path + "/link.secret" }
  package var logs: String { path + "/logs" }
  /// Locks, and what the running processes tell about themselves.
  package var run: String { path + "/run" }
  package var status: String { run + "/status.json" }
  package var upLock: String { run + "/up.lock" }
  /// Addresses and credentials of the demo, for scripts.
  package var demo: String { path + "/demo.json" }

  package func log(of process: String) -> String { "\(logs)/\(process).log" }
  package func errors(of process: String) -> String { "\(logs)/\(process).err" }
  package func lock(of process: String) -> String { "\(run)/\(process).lock" }

  /// What has to be there before anything starts, in the order of making.
  package var folders: [String] { [path, logs, run] }

  private static func trimmed(_ path: String) -> String {
    path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }
}
