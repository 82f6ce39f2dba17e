internal import Foundation
internal import Glibc

/// The programs of one PostgreSQL version. Debian keeps them out of the PATH.
struct PostgresInstallation {
  private let binaryDirectory: String

  private static let root = "/usr/lib/postgresql"
  private static let oldestMajor = 15

  /// The version that made the data in `dataDirectory`, else the newest.
  static func find(
    forDataIn dataDirectory: String
  ) throws(PostgresClusterError) -> PostgresInstallation {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    let majors = names.compactMap { Int($0) }.filter { major in
      major >= oldestMajor
        && FileManager.default.isExecutableFile(atPath: "\(root)/\(major)/bin/initdb")
    }
    guard let newest = majors.max() else { throw .notInstalled }
    let version = try? String(contentsOfFile: dataDirectory + "/PG_VERSION", encoding: .utf8)
    let used = version.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? newest
    guard majors.contains(used) else { throw .versionMissing(major: used) }
    return PostgresInstallation(binaryDirectory: "\(root)/\(used)/bin")
  }

  func program(_ name: String) -> String { "\(binaryDirectory)/\(name)" }

  func run(
    _ name: String, _ arguments: [String], as account: UnprivilegedAccount, logPath: String
  ) throws(PostgresClusterError) {
    let command = account.command([program(name)] + arguments)
    let status = try Program.run(command, logPath: logPath)
    guard status == 0 else {
      throw .programFailed(name: name, status: status, lastLine: lastLine(of: logPath))
    }
  }
}

/// The user that Postgres runs as: ourselves, or where we are root another one, since Postgres
/// refuses to be root.
struct UnprivilegedAccount {
  let name: String
  let userID: UInt32
  let groupID: UInt32
  let switchesUser: Bool

  static func current() throws(PostgresClusterError) -> UnprivilegedAccount {
    guard geteuid() == 0 else {
      return UnprivilegedAccount(
        name: NSUserName(), userID: geteuid(), groupID: getegid(), switchesUser: false)
    }
    if let account = find("daybook") { return account }
    addSystemUser("daybook")
    if let account = find("daybook") ?? find("postgres") { return account }
    throw .noUnprivilegedUser
  }

  /// Reads /etc/passwd: name, password, user, group, …
  private static func find(_ name: String) -> UnprivilegedAccount? {
    let text = (try? String(contentsOfFile: "/etc/passwd", encoding: .utf8)) ?? ""
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: ":", omittingEmptySubsequences: false)
      guard fields.count >= 4, fields[0] == name, let user = UInt32(fields[2]), user != 0,
        let group = UInt32(fields[3])
      else { continue }
      return UnprivilegedAccount(name: name, userID: user, groupID: group, switchesUser: true)
    }
    return nil
  }

  /// Another process may add the same user just now, or the file system be read-only: whether it
  /// worked shows in the next look at /etc/passwd.
  private static func addSystemUser(_ name: String) {
    _ = try? Program.run(
      [
        "/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
        "/nonexistent", "--shell", "/usr/sbin/nologin", name,
      ], logPath: "/dev/null")
  }

  /// `command` as this user, ended by the kernel with our thread where a signal is named.
  func command(_ command: [String], parentDeathSignal: String? = nil) -> [String] {
    var wrapped = ["/usr/bin/setpriv"]
    if switchesUser {
      wrapped += ["--reuid", "\(userID)", "--regid", "\(groupID)", "--clear-groups"]
    }
    if let parentDeathSignal { wrapped += ["--pdeathsig", parentDeathSignal] }
    return wrapped.count == 1 ? command : wrapped + ["--"] + command
  }

  /// Makes `path` where it is missing, for this user alone.
  func makeDirectory(_ path: String) throws(PostgresClusterError) {
    try onFile(path) {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    }
    try own(path)
  }

  func own(_ path: String) throws(PostgresClusterError) {
    guard switchesUser else { return }
    try onFile(path) {
      try FileManager.default.setAttributes(
        [.ownerAccountID: userID, .groupOwnerAccountID: groupID], ofItemAtPath: path)
    }
  }

  /// Whether this user can write in `path`, which needs every directory above to let it through.
  func canReach(_ path: String) throws(PostgresClusterError) -> Bool {
    try Program.run(command(["/usr/bin/test", "-w", path]), logPath: "/dev/null") == 0
  }
}

/// Where the cluster's files lie.
enum ClusterPlace {
  private static let fallbackRoot = "/var/lib/daybook"
  private static let noteName = "/location"

  /// Beside the files where they are, else the place that the note in `requested` names.
  static func existing(_ requested: String) -> String? {
    let directory = URL(filePath: requested).standardizedFileURL.path
    guard let note = try? String(contentsOfFile: directory + noteName, encoding: .utf8) else {
      return FileManager.default.fileExists(atPath: directory) ? directory : nil
    }
    let place = note.trimmingCharacters(in: .whitespacesAndNewlines)
    return FileManager.default.fileExists(atPath: place) ? place : nil
  }

  static func resolve(
    _ requested: String, account: UnprivilegedAccount
  ) throws(PostgresClusterError) -> String {
    let directory = URL(filePath: requested).standardizedFileURL.path
    let note = directory + noteName
    if let place = existing(directory), place != directory { return place }
    try account.makeDirectory(directory)
    if try account.canReach(directory) { return directory }
    guard account.switchesUser else {
      throw .notReachable(path: directory, user: account.name)
    }
    let place = try makeFallback(for: directory, account: account)
    try onFile(note) { try (place + "\n").write(toFile: note, atomically: true, encoding: .utf8) }
    return place
  }

  /// A place that belonged to an earlier `directory` of the same name is put aside, not taken over:
  /// whoever removed the directory wanted a new beginning.
  private static func makeFallback(
    for directory: String, account: UnprivilegedAccount
  ) throws(PostgresClusterError) -> String {
    let name = directory.split(separator: "/").joined(separator: "-")
    let place = "\(fallbackRoot)/\(name)"
    let previous = place + ".previous"
    try onFile(place) {
      try FileManager.default.createDirectory(
        atPath: fallbackRoot, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o755])
      if FileManager.default.fileExists(atPath: place) {
        if FileManager.default.fileExists(atPath: previous) {
          try FileManager.default.removeItem(atPath: previous)
        }
        try FileManager.default.moveItem(atPath: place, toPath: previous)
      }
    }
    try account.makeDirectory(place)
    guard try account.canReach(place) else {
      throw .notReachable(path: place, user: account.name)
    }
    return place
  }
}

/// An advisory lock on a file: one process starts the cluster, the others wait for it.
struct FileLock {
  private let descriptor: Int32

  init(path: String) throws(PostgresClusterError) {
    descriptor = unsafe open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw .file(path: path, reason: "it cannot be opened (\(errno))")
    }
    while flock(descriptor, LOCK_EX) != 0 {
      guard errno == EINTR else {
        let reason = "it cannot be locked (\(errno))"
        close(descriptor)
        throw .file(path: path, reason: reason)
      }
    }
  }

  /// In words: a process that is just being started has a copy of the descriptor.
  func unlock() {
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}

/// Ports of 127.0.0.1.
enum LoopbackPort {
  private static let triesFromPreferred = 100

  static func firstFree(from preferred: Int) throws(PostgresClusterError) -> Int {
    let last = min(preferred + triesFromPreferred, 65_535)
    for port in preferred...last where isFree(UInt16(port)) { return port }
    throw .noFreePort
  }

  private static func isFree(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    // As Postgres does: the remains of closed connections do not count.
    var reuse: Int32 = 1
    _ = unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        unsafe bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
