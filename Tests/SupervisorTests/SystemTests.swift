import Foundation
import JSON
import Testing

@testable import Supervisor

@Suite(.timeLimit(.minutes(1))) struct SystemTests {
  private let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    .path(percentEncoded: false)

  @Test func `a lock is held by one, and given back when its holder lets go`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(try !FileLock.isHeld(path))
    var lock = try FileLock.take(path)
    #expect(lock != nil)
    #expect(try FileLock.take(path) == nil)
    #expect(try FileLock.isHeld(path))
    lock = nil
    #expect(try !FileLock.isHeld(path))
  }

  @Test func `whoever looks at a lock keeps nobody from it`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    _ = try FileLock.take(path)
    // As another process that looks just now.
    let looker = try Descriptor.open(path, flags: O_RDONLY)
    #expect(flock(looker.number, LOCK_SH | LOCK_NB) == 0)
    #expect(try !FileLock.isHeld(path))
    Thread.detachNewThread {
      usleep(20_000)
      flock(looker.number, LOCK_UN)
    }
    let lock = try FileLock.take(path)
    #expect(lock != nil)
    #expect(try FileLock.isHeld(path))
    withExtendedLifetime(lock) {}
  }

  @Test func `a lock's holder is known by its words, and nobody's from before a reboot`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let lock = try #require(try FileLock.take(path))
    try lock.sign("supervised")
    let holder = try #require(FileLock.holder(path))
    #expect(holder.identity == .current && holder.words == "supervised")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try text.replacing(SystemStatus.currentBootID, with: "another")
      .write(toFile: path, atomically: false, encoding: .utf8)
    #expect(FileLock.holder(path) == nil)
  }

  @Test func `a killed process gives its lock back`() async throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let ready = path + ".ready"
    defer { try? FileManager.default.removeItem(atPath: ready) }
    let nothing = try Descriptor.open("/dev/null", flags: O_RDWR)
    let child = try ChildProcess(
      Launch(
        executable: "/usr/bin/flock",
        arguments: ["--no-fork", path, "sh", "-c", "touch \(ready); exec sleep 60"],
        environment: ["PATH": "/usr/bin:/bin"]),
      input: nothing, output: nothing, errors: nothing)
    while !FileManager.default.fileExists(atPath: ready) {
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(try FileLock.isHeld(path))
    try send(SIGKILL, to: child.pid)
    #expect(await child.waitForExit() == .signal(SIGKILL))
    #expect(try !FileLock.isHeld(path))
  }

  @Test func `a port that somebody listens on is not free`() throws {
    let port = try Port.free(address: "127.0.0.1")
    #expect(try Port.isFree(port, address: "127.0.0.1"))
    let listener = try Port.listen(port, address: "127.0.0.1")
    #expect(try !Port.isFree(port, address: "127.0.0.1"))
    withExtendedLifetime(listener) {}
  }

  @Test func `an address that is not this machine's is an error`() {
    #expect(throws: SystemError.self) { try Port.isFree(0, address: "203.0.113.1") }
    #expect(throws: SystemError.self) { try Port.isFree(0, address: "localhost") }
  }

  @Test func `a process is known by its number and its start`() throws {
    let current = ProcessIdentity.current
    #expect(current.isAlive)
    #expect(!ProcessIdentity(pid: current.pid, startTicks: current.startTicks + 1).isAlive)
  }

  @Test func `a status is read as it was written`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    var report = ProcessReport(name: "serve")
    report.state = .ready
    report.identity = ProcessIdentity(pid: 4711, startTicks: 99)
    report.restartCount = 3
    report.details = ["url": "http://127.0.0.1:1"]
    let status = SystemStatus(
      state: .degraded, supervisor: .current, baseURL: "http://a", localURL: "http://c",
      sandboxURL: "http://b", processes: [ProcessReport(name: "project"), report])
    try status.write(to: path)
    let read = try #require(SystemStatus(readingFrom: path))
    #expect(read.json == status.json)
    #expect(read.processes == status.processes)
    #expect(read.leftovers == [ProcessIdentity(pid: 4711, startTicks: 99)])
  }

  @Test func `process numbers from before a reboot are nobody's`() {
    var report = ProcessReport(name: "serve")
    report.identity = .current
    let status = SystemStatus(
      state: .ready, supervisor: .current, baseURL: "", localURL: "", sandboxURL: "",
      processes: [report], bootID: "another")
    #expect(status.leftovers.isEmpty)
  }

  @Test(arguments: ["", "{", "[]", #"{"state":"flying"}"#])
  func `a damaged status counts as none`(text: String) throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    #expect(SystemStatus(readingFrom: path) == nil)
  }
}
