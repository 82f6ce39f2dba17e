// The only file of this target that calls the operating system directly: processes, signals, locks,
// ports. Everything unsafe about it stays below this line. Sources: posix_spawn(3), waitpid(2),
// signal(7), flock(2), socket(7), proc(5).

import Foundation
import Glibc

/// A system call that failed: which one, and `errno`.
package struct SystemError: Error, Equatable, CustomStringConvertible {
  package let function: String
  package let errno: Int32

  package var description: String {
    "\(function): \(reason) (\(errno))"
  }

  /// The system's own words: "Permission denied".
  package var reason: String { unsafe String(cString: strerror(errno)) }

  package var code: String { "system_\(function)" }

  package var isRetryable: Bool { errno == EAGAIN || errno == EINTR || errno == ENOMEM }
}

/// Passes on the result of a call that tells failure by -1 and `errno`.
@discardableResult
private func check(_ function: String, _ result: Int32) throws(SystemError) -> Int32 {
  guard result >= 0 else { throw SystemError(function: function, errno: errno) }
  return result
}

/// Passes on the result of a call that returns its error.
private func checkCode(_ function: String, _ code: Int32) throws(SystemError) {
  guard code == 0 else { throw SystemError(function: function, errno: code) }
}

// MARK: - Descriptors

/// A file descriptor that is closed with its owner, and never inherited unless a child is given it.
package final class Descriptor: Sendable {
  let number: Int32

  /// Takes `number` over.
  init(owning number: Int32) { self.number = number }

  deinit { close(number) }

  package static func open(
    _ path: String, flags: Int32, mode: mode_t = 0o644
  ) throws(SystemError) -> Descriptor {
    Descriptor(owning: try check("open", unsafe Glibc.open(path, flags | O_CLOEXEC, mode)))
  }

  package static func pipe() throws(SystemError) -> (readEnd: Descriptor, writeEnd: Descriptor) {
    var ends: [Int32] = [-1, -1]
    try check("pipe", unsafe Glibc.pipe(&ends))
    let pair = (Descriptor(owning: ends[0]), Descriptor(owning: ends[1]))
    // pipe2 is not visible from Swift. A child that another thread starts between the two calls
    // would inherit the pipe: the supervisor is an actor, so that it starts no two at once.
    for end in ends { try check("fcntl", fcntl(end, F_SETFD, FD_CLOEXEC)) }
    return pair
  }

  /// Blocks until there is something to read; empty at the end of the file.
  func read(upTo byteCount: Int) throws(SystemError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: byteCount)
    while true {
      let count = unsafe Glibc.read(number, &buffer, byteCount)
      if count >= 0 { return Array(buffer[..<count]) }
      guard errno == EINTR else { throw SystemError(function: "read", errno: errno) }
    }
  }
}

/// Blocks the calling thread until standard input ends. What it says is ignored.
func waitForEndOfStandardInput() {
  var buffer = [UInt8](repeating: 0, count: 64)
  while true {
    let count = unsafe read(STDIN_FILENO, &buffer, buffer.count)
    if count == 0 || (count < 0 && errno != EINTR) { return }
  }
}

/// Whether the other end of standard input is closed already; does not wait.
func hasStandardInputEnded() -> Bool {
  var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
  return unsafe poll(&input, 1, 0) > 0 && input.revents & Int16(POLLHUP) != 0
}

/// Makes the folder and those above it where they are missing.
package func makeFolder(_ path: String) throws(SystemError) {
  if unsafe mkdir(path, 0o755) == 0 { return }
  if errno == ENOENT {
    let parent = URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false)
    guard parent.utf8.count < path.utf8.count else {
      throw SystemError(function: "mkdir", errno: ENOENT)
    }
    try makeFolder(parent)
    try check("mkdir", unsafe mkdir(path, 0o755))
    return
  }
  let reason = errno
  guard reason == EEXIST else { throw SystemError(function: "mkdir", errno: reason) }
  // It is there: as a folder, or as something else.
  _ = try Descriptor.open(path, flags: O_RDONLY | O_DIRECTORY)
}

// MARK: - Processes

/// POSIX_SPAWN_SETSID of spawn.h, a GNU extension that Swift does not see.
private let setsidFlag: Int32 = 0x80

extension ChildProcess {
  /// Starts `launch` in a session or process group of its own, with no signal blocked or ignored and
  /// no descriptor but the three given ones.
  static func spawn(
    _ launch: Launch, input: Descriptor, output: Descriptor, errors: Descriptor
  ) throws(SystemError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    try checkCode("posix_spawn_file_actions_init", unsafe posix_spawn_file_actions_init(&actions))
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (target, source) in [(0, input), (1, output), (2, errors)] as [(Int32, Descriptor)] {
      try checkCode(
        "posix_spawn_file_actions_adddup2",
        unsafe posix_spawn_file_actions_adddup2(&actions, source.number, target))
    }

    var attributes = posix_spawnattr_t()
    try checkCode("posix_spawnattr_init", unsafe posix_spawnattr_init(&attributes))
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    var all = sigset_t()
    unsafe sigfillset(&all)
    try checkCode(
      "posix_spawnattr_setsigmask", unsafe posix_spawnattr_setsigmask(&attributes, &none))
    try checkCode(
      "posix_spawnattr_setsigdefault", unsafe posix_spawnattr_setsigdefault(&attributes, &all))
    // Ctrl-C reaches the whole foreground group of a terminal: children are told by us instead.
    let group = launch.startsSession ? setsidFlag : Int32(POSIX_SPAWN_SETPGROUP)
    let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | group
    try checkCode(
      "posix_spawnattr_setflags", unsafe posix_spawnattr_setflags(&attributes, Int16(flags)))

    let arguments = [launch.executable] + launch.arguments
    let environment = launch.environment.map { "\($0.key)=\($0.value)" }
    var pid: pid_t = 0
    let code = unsafe withCStrings(arguments) { arguments in
      unsafe withCStrings(environment) { environment in
        unsafe posix_spawn(
          &pid, launch.executable, &actions, &attributes, arguments, environment)
      }
    }
    try checkCode("posix_spawn", code)
    return pid
  }

  /// Blocks the calling thread until the child has ended.
  static func wait(for pid: pid_t) throws(SystemError) -> ProcessExit {
    var status: Int32 = 0
    while unsafe waitpid(pid, &status, 0) < 0 {
      guard errno == EINTR else { throw SystemError(function: "waitpid", errno: errno) }
    }
    // wait(2): the low seven bits name the signal, the next byte holds the exit code.
    let signal = status & 0x7F
    return signal == 0 ? .code((status >> 8) & 0xFF) : .signal(signal)
  }
}

/// Calls `body` with the strings as C wants an argument list: pointers, then a null.
private func withCStrings<Result>(
  _ strings: [String],
  _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let copies = unsafe strings.map { unsafe strdup($0) }
  defer { unsafe copies.forEach { unsafe free($0) } }
  return unsafe (copies + [nil]).withUnsafeBufferPointer { list in
    guard let base = list.baseAddress else { preconditionFailure("the list ends with a null") }
    return unsafe body(base)
  }
}

/// A process as the kernel knows it. The start time tells it from a later one with the same number.
package struct ProcessIdentity: Equatable, Sendable {
  package let pid: Int32
  package let startTicks: UInt64

  package init(pid: Int32, startTicks: UInt64) {
    self.pid = pid
    self.startTicks = startTicks
  }

  /// Nil where no such process runs: it is gone, or ended and not yet waited for. One whose first thread alone has ended
  /// still runs: the others keep its files, and the locks on them, until they have ended too.
  package init?(pid: Int32) {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      // Field 2, the name, is in parentheses and may hold blanks; field 3 is the state, field 20 the threads that there
      // are, and field 22 the start time.
      let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19, let threads = Int(fields[17]), let start = UInt64(fields[19]),
      !["Z", "X"].contains(fields[0]) || threads > 1
    else { return nil }
    self.init(pid: pid, startTicks: start)
  }

  package var isAlive: Bool { ProcessIdentity(pid: pid) == self }
}

/// Sends `signal` to `pid`. A process that is gone already is no error.
package func send(_ signal: Int32, to pid: Int32) throws(SystemError) {
  precondition(pid > 1, "a signal goes to one process, never to a group or to everybody")
  if kill(pid, signal) != 0, errno != ESRCH { throw SystemError(function: "kill", errno: errno) }
}

// MARK: - Signals

/// The wish to stop: SIGINT (Ctrl-C), SIGTERM, SIGHUP (the terminal went away).
package enum StopSignals {
  private static let watched = [SIGINT, SIGTERM, SIGHUP]

  /// Keeps the signals for `wait`, in this thread and in those that it starts later: call it in `main`
  /// before anything else. A broken pipe becomes an error of the write instead of the end.
  package static func hold() {
    signal(SIGPIPE, SIG_IGN)
    var set = self.set()
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Blocks the calling thread until one of the signals arrives, and returns it.
  static func wait() -> Int32 {
    var set = self.set()
    var signal: Int32 = 0
    while unsafe sigwait(&set, &signal) != 0 {}
    return signal
  }

  private static func set() -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in watched { unsafe sigaddset(&set, signal) }
    return set
  }
}

/// Ends this process at once, without running anything of its own.
func exitAtOnce(_ code: Int32) -> Never { _exit(code) }

// MARK: - Locks

/// A lock on a file that the kernel gives back when its process ends, however it ends.
package final class FileLock: Sendable {
  private let descriptor: Descriptor

  private init(_ descriptor: Descriptor) { self.descriptor = descriptor }

  /// Gives the lock back in words. A process that another thread is just starting has a copy of the descriptor until it
  /// executes its program: closing ours alone would leave the lock with it for so long.
  deinit { flock(descriptor.number, LOCK_UN) }

  /// Takes the lock; nil where another process holds it.
  package static func take(_ path: String) throws(SystemError) -> FileLock? {
    let descriptor = try Descriptor.open(path, flags: O_RDWR | O_CREAT)
    while try !lock(descriptor, LOCK_EX) {
      // Somebody who only looks shares it for a moment: then it is worth asking again.
      guard try lock(descriptor, LOCK_SH) else { return nil }
    }
    return FileLock(descriptor)
  }

  /// False where another process is in the way.
  private static func lock(_ descriptor: Descriptor, _ kind: Int32) throws(SystemError) -> Bool {
    if flock(descriptor.number, kind | LOCK_NB) == 0 { return true }
    guard errno == EWOULDBLOCK else { throw SystemError(function: "flock", errno: errno) }
    return false
  }

  /// A word in any case.
  private static var bootMark: String { "boot:\(SystemStatus.currentBootID)" }

  /// Writes into the file who holds the lock, for `holder`.
  package func sign(_ words: String = "") throws(SystemError) {
    let current = ProcessIdentity.current
    let line = "\(current.pid) \(current.startTicks) \(Self.bootMark) \(words)"
    // As long every time: a disk that is full takes what was there before.
    let bytes = Array(line.padding(toLength: 127, withPad: " ", startingAt: 0).utf8) + [10]
    let count = unsafe pwrite(descriptor.number, bytes, bytes.count, 0)
    guard count == bytes.count else {
      throw SystemError(function: "pwrite", errno: count < 0 ? errno : ENOSPC)
    }
  }

  /// Who has signed the lock's file last, if that process still runs, and with which words. The same number and start after
  /// a reboot are somebody else's.
  package static func holder(_ path: String) -> (identity: ProcessIdentity, words: String)? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count >= 3, fields[2] == bootMark, let pid = Int32(fields[0]), pid > 1,
      let ticks = UInt64(fields[1]),
      case let identity = ProcessIdentity(pid: pid, startTicks: ticks), identity.isAlive
    else { return nil }
    return (identity, fields.dropFirst(3).joined(separator: " "))
  }

  /// Whether a process holds the lock now.
  package static func isHeld(_ path: String) throws(SystemError) -> Bool {
    guard unsafe access(path, F_OK) == 0 else { return false }
    let descriptor = try Descriptor.open(path, flags: O_RDONLY)
    defer { flock(descriptor.number, LOCK_UN) }
    return try !lock(descriptor, LOCK_SH)
  }
}

// MARK: - Ports

/// A port of this machine.
package enum Port {
  /// Whether a server could listen there now.
  ///
  /// - Throws: `SystemError` where the answer is neither yes nor "in use": no permission below 1024.
  package static func isFree(_ port: Int, address: String) throws(SystemError) -> Bool {
    do throws(SystemError) {
      _ = try listen(port, address: address)
      return true
    } catch {
      if error.errno == EADDRINUSE { return false }
      throw error
    }
  }

  /// A port that is free now.
  package static func free(address: String) throws(SystemError) -> Int {
    try listen(0, address: address).port
  }

  /// Listens until the descriptor is let go.
  static func listen(
    _ port: Int, address: String
  ) throws(SystemError) -> (port: Int, Descriptor) {
    let socket = Descriptor(
      owning: try check(
        "socket", Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)))
    // Without this a port is refused for a minute after its last connection.
    var yes: Int32 = 1
    let intBytes = socklen_t(MemoryLayout<Int32>.size)
    try check(
      "setsockopt", unsafe setsockopt(socket.number, SOL_SOCKET, SO_REUSEADDR, &yes, intBytes))
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = in_port_t(port).bigEndian
    guard unsafe inet_pton(AF_INET, address, &name.sin_addr) == 1 else {
      throw SystemError(function: "inet_pton", errno: EADDRNOTAVAIL)
    }
    var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = unsafe withUnsafeMutablePointer(to: &name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        let code = unsafe bind(socket.number, generic, byteCount)
        guard code == 0, Glibc.listen(socket.number, 1) == 0 else { return Int32(-1) }
        return unsafe getsockname(socket.number, generic, &byteCount)
      }
    }
    try check("bind", result)
    return (Int(in_port_t(bigEndian: name.sin_port)), socket)
  }
}
