import Foundation
import JSON

/// What a running `up` tells about itself and its processes: the content of `run/status.json`.
package struct SystemStatus: Sendable {
  package enum State: String, Sendable {
    case starting, ready
    /// Everything runs, but the API says that it is not ready to serve all of it.
    case degraded
    case stopping, stopped
    /// It gave up before it was ready.
    case failed
  }

  package var state: State
  package var supervisor: ProcessIdentity
  /// How others reach the API.
  package var baseURL: String
  /// How this machine reaches it: without a name server, a proxy or a network in between.
  package var localURL: String
  package var sandboxURL: String
  package var processes: [ProcessReport]
  /// Process numbers mean nothing after a reboot.
  package var bootID: String

  package init(
    state: State, supervisor: ProcessIdentity, baseURL: String, localURL: String,
    sandboxURL: String, processes: [ProcessReport], bootID: String = SystemStatus.currentBootID
  ) {
    self.state = state
    self.supervisor = supervisor
    self.baseURL = baseURL
    self.localURL = localURL
    self.sandboxURL = sandboxURL
    self.processes = processes
    self.bootID = bootID
  }

  /// Source: random(4).
  package static var currentBootID: String {
    let text = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
    return text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
  }

  /// The processes that an `up` which is gone may have left behind.
  package var leftovers: [ProcessIdentity] {
    bootID == Self.currentBootID ? processes.compactMap(\.identity) : []
  }

  /// Who wrote this, if it still runs.
  package var livingSupervisor: ProcessIdentity? {
    bootID == Self.currentBootID && supervisor.isAlive ? supervisor : nil
  }

  package var json: JSON {
    [
      "state": .string(state.rawValue),
      "pid": JSON(Int64(supervisor.pid)),
      "start_ticks": JSON(Int64(clamping: supervisor.startTicks)),
      "boot_id": .string(bootID),
      "base_url": .string(baseURL),
      "local_url": .string(localURL),
      "sandbox_url": .string(sandboxURL),
      "processes": .array(processes.map(\.json)),
    ]
  }

  /// Nil where the text is not such a status: an earlier version's, or a damaged file.
  package init?(json: JSON) {
    guard let state = json["state"]?.string.flatMap(State.init(rawValue:)),
      let supervisor = ProcessIdentity(json: json), let baseURL = json["base_url"]?.string,
      let sandboxURL = json["sandbox_url"]?.string, let processes = json["processes"]?.array,
      let bootID = json["boot_id"]?.string
    else { return nil }
    self.init(
      state: state, supervisor: supervisor, baseURL: baseURL,
      // An `up` of an earlier version, which goes on while its program is replaced, says nothing of it.
      localURL: json["local_url"]?.string ?? baseURL, sandboxURL: sandboxURL,
      processes: processes.compactMap(ProcessReport.init(json:)), bootID: bootID)
  }

  /// Replaces the file as a whole: a reader sees the old status or the new one.
  package func write(to path: String) throws {
    try Data(json.bytes()).write(to: URL(filePath: path), options: .atomic)
  }

  /// Nil where there is none, or none that can be read.
  package init?(readingFrom path: String) {
    guard let data = FileManager.default.contents(atPath: path),
      let json = try? JSON(parsing: Array(data))
    else { return nil }
    self.init(json: json)
  }
}

extension ProcessReport {
  var json: JSON {
    [
      "name": .string(name),
      "state": .string(state.rawValue),
      "pid": JSON(identity.map { Int64($0.pid) }),
      "start_ticks": JSON(identity.map { Int64(clamping: $0.startTicks) }),
      "restarts": JSON(restartCount),
      "last_exit": JSON(lastExit?.description),
      "details": details,
    ]
  }

  init?(json: JSON) {
    guard let name = json["name"]?.string,
      let state = json["state"]?.string.flatMap(ProcessState.init(rawValue:))
    else { return nil }
    self.init(name: name)
    self.state = state
    identity = ProcessIdentity(json: json)
    restartCount = Int(json["restarts"]?.int ?? 0)
    details = json["details"] ?? .null
  }
}

extension ProcessIdentity {
  init?(json: JSON) {
    guard let pid = json["pid"]?.int.flatMap(Int32.init(exactly:)), pid > 1,
      let startTicks = json["start_ticks"]?.int.flatMap(UInt64.init(exactly:))
    else { return nil }
    self.init(pid: pid, startTicks: startTicks)
  }

  /// This process.
  package static var current: ProcessIdentity {
    guard let identity = ProcessIdentity(pid: ProcessInfo.processInfo.processIdentifier) else {
      preconditionFailure("the running process is in /proc")
    }
    return identity
  }
}
