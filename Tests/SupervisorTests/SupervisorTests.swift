import Foundation
import JSON
import Synchronization
import Testing

@testable import Supervisor

/// A folder that goes away with the test, and the events of its supervisor.
private final class Scene: Sendable {
  let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path(
    percentEncoded: false)
  private let events = Mutex<[SupervisorEvent]>([])

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// A process that runs `script` in a shell; `$HERE` is the scene's folder.
  func spec(_ name: String, needs: [String] = [], _ script: String) -> ProcessSpec {
    let folder = folder
    return ProcessSpec(
      name: name, needs: needs, errorsPath: "\(folder)/\(name).err", stopGrace: .seconds(5)
    ) { details in
      let needed = details.mapValues(\.text).values.joined(separator: " ")
      return Launch(
        executable: "/bin/sh", arguments: ["-c", script],
        environment: ["HERE": folder, "NEEDED": needed, "PATH": "/usr/bin:/bin"])
    }
  }

  func supervisor(_ specs: ProcessSpec...) throws -> Supervisor {
    try Supervisor(specs) { [weak self] event in self?.events.withLock { $0.append(event) } }
  }

  var seen: [SupervisorEvent] { events.withLock { $0 } }

  func text(_ name: String) -> String? {
    try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
  }

  /// Waits for what the processes will do in any case; the time limit of the test bounds it.
  func wait(until isTrue: () async -> Bool) async throws {
    while await !isTrue() { try await Task.sleep(for: .milliseconds(10)) }
  }
}

/// Ready at once; ends on SIGTERM or when its standard input ends.
private let wellBehaved = "echo 'ready {\"n\":1}'; cat; exit 0"

@Suite(.timeLimit(.minutes(1))) struct SupervisorTests {
  @Test func `everything becomes ready, and stops`() async throws {
    let scene = try Scene()
    let supervisor = try scene.supervisor(
      scene.spec("a", wellBehaved), scene.spec("b", wellBehaved))
    await supervisor.start()
    try await supervisor.waitUntilReady(timeoutSeconds: 30)
    let reports = await supervisor.currentReports
    #expect(reports.map(\.state) == [.ready, .ready])
    #expect(reports.map(\.details) == [["n": 1], ["n": 1]])
    try await supervisor.stop()
    #expect(reports.compactMap(\.identity).allSatisfy { !$0.isAlive })
    #expect(await supervisor.currentReports.map(\.state) == [.stopped, .stopped])
  }

  @Test func `a process starts after those that it needs, knows what they said, stops first`()
    async throws
  {
    let scene = try Scene()
    let supervisor = try scene.supervisor(
      scene.spec("first", "echo 'ready {\"url\":\"x\"}'; cat"),
      scene.spec("second", needs: ["first"], "echo \"$NEEDED\" >$HERE/told; echo 'ready 1'; cat"))
    await supervisor.start()
    try await supervisor.waitUntilReady(timeoutSeconds: 30)
    #expect(scene.text("told") == "{\"url\":\"x\"}\n")
    try await supervisor.stop()
    let stops = scene.seen.compactMap { event -> String? in
      guard case .stopped(let name, _) = event else { return nil }
      return name
    }
    #expect(stops == ["second", "first"])
  }

  @Test func `what is killed is started again, and everybody is told`() async throws {
    let scene = try Scene()
    let supervisor = try scene.supervisor(scene.spec("a", wellBehaved))
    await supervisor.start()
    try await supervisor.waitUntilReady(timeoutSeconds: 30)
    let first = try #require(await supervisor.currentReports[0].identity)
    try send(SIGKILL, to: first.pid)
    try await scene.wait {
      let report = await supervisor.currentReports[0]
      return report.state == .ready && report.identity != first
    }
    #expect(await supervisor.currentReports[0].restartCount == 1)
    #expect(
      scene.seen.contains(.ended(name: "a", exit: .signal(SIGKILL), restartInSeconds: 0.2)))
    try await supervisor.stop()
  }

  @Test func `a process that never becomes ready is given up, by name and exit code`() async throws
  {
    let scene = try Scene()
    let supervisor = try scene.supervisor(
      scene.spec("good", wellBehaved), scene.spec("bad", "echo no such key >&2; exit 3"))
    await supervisor.start()
    await #expect(throws: SupervisorError.keepsEnding(name: "bad", exit: .code(3))) {
      try await supervisor.waitUntilReady(timeoutSeconds: 30)
    }
    try await supervisor.stop()
    #expect(scene.text("bad.err") == "no such key\nno such key\nno such key\n")
  }

  @Test func `a process that says nothing is named when the time is over`() async throws {
    let scene = try Scene()
    let supervisor = try scene.supervisor(scene.spec("mute", "cat"))
    await supervisor.start()
    await #expect(throws: SupervisorError.notReady(names: ["mute"], seconds: 1)) {
      try await supervisor.waitUntilReady(timeoutSeconds: 1)
    }
    try await supervisor.stop()
  }

  @Test func `a program that is not there is said to be missing`() async throws {
    let scene = try Scene()
    let spec = ProcessSpec(name: "gone", errorsPath: scene.folder + "/gone.err") { _ in
      Launch(executable: "/nonexistent", arguments: [], environment: [:])
    }
    let supervisor = try scene.supervisor(spec)
    await supervisor.start()
    await #expect(throws: SupervisorError.keepsEnding(name: "gone", exit: .code(127))) {
      try await supervisor.waitUntilReady(timeoutSeconds: 30)
    }
    try await supervisor.stop()
    let error = SystemError(function: "posix_spawn", errno: ENOENT)
    #expect(
      scene.seen.contains(.notStarted(name: "gone", error: error, retryInSeconds: 0.2)))
  }

  @Test func `a process that ignores the request to stop is ended`() async throws {
    let scene = try Scene()
    let deaf = ProcessSpec(
      name: "deaf", errorsPath: scene.folder + "/deaf.err", stopGrace: .milliseconds(200)
    ) { _ in
      Launch(
        executable: "/bin/sh",
        arguments: ["-c", "trap '' TERM; echo 'ready 1'; while :; do read x || sleep 1; done"],
        environment: ["PATH": "/usr/bin:/bin"])
    }
    let supervisor = try scene.supervisor(deaf)
    await supervisor.start()
    try await supervisor.waitUntilReady(timeoutSeconds: 30)
    try await supervisor.stop()
    #expect(scene.seen.last == .stopped(name: "deaf", exit: .signal(SIGKILL)))
  }

  @Test func `children that wait for their input end when the supervisor is gone`() async throws {
    let scene = try Scene()
    var supervisor: Supervisor? = try scene.supervisor(
      scene.spec("a", "echo 'ready 1'; cat; echo over >$HERE/over"))
    await supervisor?.start()
    try await supervisor?.waitUntilReady(timeoutSeconds: 30)
    let pid = try #require(await supervisor?.currentReports[0].identity?.pid)
    // The kernel closes the pipe of a process that was killed: here the child's own end is all that
    // is left of it when the supervisor lets go.
    await supervisor?.letGo()
    supervisor = nil
    try await scene.wait { ProcessIdentity(pid: pid) == nil }
    #expect(scene.text("over") == "over\n")
  }

  @Test func `what a supervisor left behind is ended, and nobody else`() async throws {
    let scene = try Scene()
    let left = try scene.start("exec sleep 60")
    let stranger = try scene.start("exec sleep 60")
    let reused = ProcessIdentity(
      pid: stranger.pid, startTicks: stranger.identity.startTicks + 1)
    #expect(try await endLeftovers([left.identity, reused], grace: .seconds(5)) == [left.pid])
    #expect(await left.waitForExit() == .signal(SIGTERM))
    #expect(stranger.exitSoFar == nil)
    _ = try await stranger.stop(grace: .seconds(5))
  }

  /// What it had locked is free then: `down` is followed by a command that needs the log.
  @Test func `a process that must be killed has ended when it counts as ended`() async throws {
    let scene = try Scene()
    // So much memory takes the kernel longer to take back than sending a signal.
    let deaf = try await scene.startPython(
      """
      signal = __import__("signal")
      signal.signal(signal.SIGTERM, signal.SIG_IGN)
      memory = bytearray(b"x" * (256 << 20))
      """)
    #expect(try FileLock.isHeld(scene.folder + "/lock"))
    #expect(try await endLeftovers([deaf.identity], grace: .milliseconds(50)) == [deaf.pid])
    #expect(try !FileLock.isHeld(scene.folder + "/lock"))
    #expect(await deaf.waitForExit() == .signal(SIGKILL))
  }

  @Test func `a process whose first thread has ended is one that still runs`() async throws {
    let scene = try Scene()
    let headless = try await scene.startPython(
      """
      ctypes = __import__("ctypes")
      __import__("threading").Thread(target=lambda: time.sleep(60)).start()
      """, then: "ctypes.CDLL(None).syscall(60, 0)  # exit(2) of this thread alone")
    let stat = "/proc/\(headless.pid)/stat"
    try await scene.wait {
      (try? String(contentsOfFile: stat, encoding: .utf8))?.contains(") Z ") == true
    }
    #expect(headless.identity.isAlive)
    #expect(try await endLeftovers([headless.identity], grace: .seconds(5)) == [headless.pid])
    #expect(try !FileLock.isHeld(scene.folder + "/lock"))
  }
}

extension Scene {
  fileprivate func start(_ script: String) throws -> ChildProcess {
    try start("/bin/sh", script)
  }

  private func start(_ program: String, _ script: String) throws -> ChildProcess {
    let nothing = try Descriptor.open("/dev/null", flags: O_RDWR)
    return try ChildProcess(
      Launch(
        executable: program, arguments: ["-c", script],
        environment: ["PATH": "/usr/bin:/bin", "HERE": folder]),
      input: nothing, output: nothing, errors: nothing)
  }

  /// Runs `script` in Python, takes the lock `lock` of the folder and returns once it has it.
  fileprivate func startPython(
    _ script: String, then last: String = "time.sleep(60)"
  ) async throws -> ChildProcess {
    let child = try start(
      "/usr/bin/python3",
      """
      fcntl, os, time = map(__import__, ["fcntl", "os", "time"])
      \(script)
      os.chdir(os.environ["HERE"])
      lock = open("lock", "w")
      fcntl.flock(lock, fcntl.LOCK_EX)
      open("ready", "w").close()
      \(last)
      """)
    try await wait { text("ready") != nil }
    return child
  }
}
