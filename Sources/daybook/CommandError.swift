/// Why a command could not do its work. Each is one sentence with what to do about it.
enum CommandError: Error, Equatable, CustomStringConvertible {
  case alreadyRunning(home: String, pid: Int32?)
  case processAlreadyRunning(name: String, home: String)
  case homeUnusable(path: String, reason: String)
  case diskFull(path: String, freeMiB: Int, neededMiB: Int)
  case portInUse(port: Int, variable: String, flag: String)
  case portForbidden(port: Int, variable: String, reason: String)
  case processFailed(name: String, lastLine: String, logPath: String)
  case notReady(names: String, seconds: Int, logs: String)
  case stopped
  case stillRunning(pid: Int32?, seconds: Int)
  case databaseEnded(logPath: String)
  case secretUnusable(path: String)
  case logUnusable(path: String, reason: String)
  case logDamaged(path: String, reason: String)
  case logInUse(path: String)
  case logMissing(path: String)
  case logExists(path: String)
  case rootKeyMissing(path: String)
  case otherRootKey(path: String)
  case exportRefused(reason: String)
  case upcasterMissing(reason: String)

  var code: String {
    switch self {
    case .alreadyRunning: "already_running"
    case .processAlreadyRunning: "process_already_running"
    case .homeUnusable: "home_unusable"
    case .diskFull: "disk_full"
    case .portInUse: "port_in_use"
    case .portForbidden: "port_forbidden"
    case .processFailed: "process_failed"
    case .notReady: "not_ready"
    case .stopped: "stopped"
    case .stillRunning: "still_running"
    case .databaseEnded: "database_ended"
    case .secretUnusable: "secret_unusable"
    case .logUnusable: "log_unusable"
    case .logDamaged: "log_damaged"
    case .logInUse: "log_in_use"
    case .logMissing: "log_missing"
    case .logExists: "log_exists"
    case .rootKeyMissing: "root_key_missing"
    case .otherRootKey: "wrong_root_key"
    case .exportRefused: "export_refused"
    case .upcasterMissing: "upcaster_missing"
    }
  }

  /// What is there already stands in the way: nothing was tried.
  var isConflict: Bool {
    if case .logExists = self { true } else { false }
  }

  var isRetryable: Bool {
    switch self {
    case .notReady, .stopped, .stillRunning, .databaseEnded: true
    case .alreadyRunning, .processAlreadyRunning, .homeUnusable, .diskFull, .portInUse,
      .portForbidden, .processFailed, .secretUnusable, .logUnusable, .logDamaged, .logInUse,
      .logMissing, .logExists, .rootKeyMissing, .otherRootKey,
      .exportRefused, .upcasterMissing:
      false
    }
  }

  var description: String {
    switch self {
    case .alreadyRunning(let home, let pid):
      "Daybook already runs in \(home)\(pid.map { " (process \($0))" } ?? "")."
        + " 'daybook status' shows it, 'daybook down' stops it."
    case .processAlreadyRunning(let name, let home):
      "another '\(name)' works in \(home). 'daybook down' stops a whole system;"
        + " --home chooses another folder."
    case .homeUnusable(let path, let reason):
      "\(path) can not be used: \(reason). Make it writable, or choose another folder with"
        + " --home or DAYBOOK_HOME."
    case .diskFull(let path, let freeMiB, let neededMiB):
      "the disk of \(path) has \(freeMiB) MiB free, and Daybook starts with \(neededMiB) MiB or"
        + " more. Free some space, or choose another folder with --home or DAYBOOK_HOME."
    case .portInUse(let port, let variable, let flag):
      "port \(port) is in use by another program. Stop it, or choose another port with"
        + " \(flag) or \(variable)."
    case .portForbidden(let port, let variable, let reason):
      "port \(port) can not be used: \(reason). Choose another with \(variable)."
    case .processFailed(let name, let lastLine, let logPath):
      "\(name) does not start: \(lastLine)\nMore is in \(logPath)."
    case .notReady(let names, let seconds, let logs):
      "not ready after \(seconds) s: \(names). What they do is in \(logs)."
    case .stopped: "stopped before everything was ready"
    case .stillRunning(let pid?, let seconds):
      "process \(pid) has not ended after \(seconds) s. Wait, or end it with 'kill -9 \(pid)'."
    case .stillRunning(nil, let seconds):
      "'up' has not ended after \(seconds) s, and does not say which process it is. Look for it with 'ps', or wait."
    case .secretUnusable(let path):
      "the secret in \(path) can not be used: it must hold 64 hex digits. Restore it, or delete the"
        + " file to make a new one."
    case .databaseEnded(let logPath):
      "the database server has ended by itself. Why is in \(logPath)."
    case .upcasterMissing(let reason): "this program cannot read old events: \(reason)"
    case .exportRefused(let reason): "the export was not recorded: \(reason)"
    case .logExists(let path):
      "there is a log in \(path) already, and a restore replaces none. Choose an empty folder with"
        + " --home or DAYBOOK_HOME, or move this one away."
    case .rootKeyMissing(let path):
      "there is no root key in \(path), and the backup does not hold it: without it nobody can read"
        + " the keys. Name the file that was kept apart with --root-key."
    case .otherRootKey(let path):
      "the keys of the backup are not wrapped with the root key in \(path). Name the root key of the last"
        + " backup into the folder with --root-key: it opens all of its snapshots."
    case .logDamaged(let path, let reason):
      "\(path) is damaged: \(reason). Look into the disk; 'daybook restore' brings back a backup,"
        + " into another folder."
    case .logInUse(let path):
      "a running system writes the log in \(path), and nothing else can meanwhile. Stop it with"
        + " 'daybook down' first."
    case .logMissing(let path):
      "there is no log in \(path). --home or DAYBOOK_HOME chooses another folder; 'daybook up' makes"
        + " a log."
    case .logUnusable(let path, let reason):
      "\(path) can not be read: \(reason). --home or DAYBOOK_HOME chooses another folder."
    }
  }
}
