internal import CSpawn
internal import Glibc

/// Programs of the system, run to their end.
///
/// By posix_spawn, not by Foundation's `Process`: that one waits until every descendant has gone,
/// and `pg_ctl start` leaves the server behind.
enum Program {
  /// Runs `command` in a session of its own, with a small environment (none of our `PG…` variables),
  /// none of our files, and its output at the end of `logPath`. Blocks.
  ///
  /// - Returns: The exit status, or 128 and the signal that ended it.
  static func run(
    _ command: [String], logPath: String
  ) throws(PostgresClusterError) -> Int32 {
    let processID = try spawn(command, logPath: logPath)
    var status: Int32 = 0
    while unsafe waitpid(processID, &status, 0) < 0 {
      guard errno == EINTR else { throw failure(command, errno) }
    }
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
  }

  private static func spawn(
    _ command: [String], logPath: String
  ) throws(PostgresClusterError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(
      &actions, 1, logPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    unsafe posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    unsafe posix_spawn_file_actions_addchdir_np(&actions, "/")
    // Signals as in a new session: what we block or ignore is our affair.
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe sigemptyset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &all)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID))

    let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
    var processID: pid_t = 0
    let code = unsafe withMutableCStrings(command) { arguments in
      unsafe withMutableCStrings(environment) { environment in
        unsafe posix_spawn(
          &processID, command[0], &actions, &attributes, arguments, environment)
      }
    }
    guard code == 0 else { throw failure(command, code) }
    return processID
  }

  private static func failure(_ command: [String], _ code: Int32) -> PostgresClusterError {
    .programFailed(name: command[0], status: code, lastLine: "it cannot be run (errno \(code))")
  }
}

/// Calls `body` with a null-terminated array of C strings.
private func withMutableCStrings<Result>(
  _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  var pointers = unsafe texts.map { unsafe strdup($0) } + [nil]
  defer { unsafe pointers.forEach { unsafe free($0) } }
  return unsafe pointers.withUnsafeMutableBufferPointer { buffer in
    guard let base = buffer.baseAddress else { preconditionFailure("it holds a null") }
    return unsafe body(base)
  }
}

/// How Linux shares a processor among those that want it. Source: sched(7).
package enum SchedulingPolicy: Int32 {
  /// By nice values.
  case usual = 0
  /// Behind everybody else, and put aside at once where another wakes up: `SCHED_IDLE`, which Glibc's module leaves
  /// out.
  case idle = 5

  /// For a thread; for a process of one thread, its number. Refused at worst: it only goes on as before.
  package func set(_ thread: Int32) {
    _ = daybook_set_scheduling_policy(thread, rawValue)
  }
}
