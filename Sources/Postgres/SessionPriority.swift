internal import Foundation
internal import Glibc
internal import Synchronization

/// The server's processes that work for our sessions do a part of our work: where we let others go first, they do.
package enum SessionPriority {
  private struct Workers {
    /// The server's processes that took on our priority, and their server's.
    var servers: [Int32: Int32] = [:]
    var isYielding = false
  }

  private static let workers = Mutex(Workers())

  /// Gives the process that works for `session` the nice value of this thread. Nothing happens where that is the
  /// usual one, where the server runs on another machine, or where we may not: it only goes on as before.
  static func share(with session: Session) {
    let ours = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
    guard ours > 0, let server = session.localServerProcessID else { return }
    let worker = session.serverProcessID
    // The number is the server's own, and might be another process's in our eyes.
    guard worker > 0, parent(of: worker) == server else { return }
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), UInt32(worker), ours)
    workers.withLock { workers in
      workers.servers = workers.servers.filter { parent(of: $0.key) == $0.value }
      workers.servers[worker] = server
      if workers.isYielding { SchedulingPolicy.idle.set(worker) }
    }
  }

  /// Whether the processes that share our priority, now or later, run only where nobody else wants to
  /// (`SchedulingPolicy.idle`).
  package static func yield(_ isYielding: Bool) {
    workers.withLock { workers in
      workers.isYielding = isYielding
      let policy = isYielding ? SchedulingPolicy.idle : .usual
      for (worker, server) in workers.servers where parent(of: worker) == server {
        policy.set(worker)
      }
    }
  }

  /// Source: proc(5), /proc/pid/stat: number, (name), state, parent, …; the name may hold anything.
  private static func parent(of process: Int32) -> Int32? {
    let text = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    return fields.count > 1 ? Int32(fields[1]) : nil
  }
}
