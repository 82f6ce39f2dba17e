import Foundation
import Glibc
import JSON
import Supervisor
import Testing

extension EndToEnd {
  /// What somebody at the machine types, and what it answers.
  @Suite struct Operating {
    /// Nobody reaches the public URL: no name is known, as when the name server or the proxy is down.
    @Test func `commands on the machine need no public URL, and the status is what is served now`()
      async throws
    {
      let machine = try Machine(publicURL: "https://daybook.invalid")
      defer { machine.remove() }
      let log = machine.home + "/logs/up.log"
      // Of an earlier version.
      try Data().write(to: URL(filePath: log))
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: log)
      try await machine.thenDown {
        let up = try await machine.daybook("up", "--detach")
        #expect(up.succeeded, "\(up.output)\(up.errors)")
        let attributes = try FileManager.default.attributesOfItem(atPath: log)
        #expect(attributes[.posixPermissions] as? Int == 0o600)

        let first = try await machine.daybook("status", "--json")
        #expect(first.succeeded, "\(first.output)")
        #expect(try first.json()["state"] == "ready")
        #expect(try first.json()["base_url"] == "https://daybook.invalid")
        for words in [["halt", "--reason", "wrong list"], ["resume"], ["doctor"]] {
          let answer = try await machine.daybook(words)
          #expect(answer.succeeded, "\(words): \(answer.output)\(answer.errors)")
        }

        let serve = try #require(try first.json().pids["serve"])
        try send(SIGSTOP, to: serve)
        let away = try await machine.daybook("status", "--json")
        try send(SIGCONT, to: serve)
        #expect(away.exit == .code(1))
        #expect(try away.json()["state"] == "degraded")
        try await eventually("the API again") { try await machine.daybook("status").succeeded }
      }
    }

    @Test func `a detached start that is interrupted leaves nothing`() async throws {
      let machine = try Machine()
      defer { machine.remove() }
      try await machine.thenDown {
        for signal in [SIGTERM, SIGINT] {
          let up = try machine.begin("up", "--detach")
          let started = try await eventually("the first process") {
            SystemStatus(readingFrom: machine.home + "/run/status.json")
          } until: {
            $0?.state == .starting && $0?.processes.contains { $0.identity != nil } == true
          }
          try send(signal, to: up.pid)
          #expect(await up.waitForExit() == .code(1))
          let last = try #require(SystemStatus(readingFrom: machine.home + "/run/status.json"))
          #expect(last.state == .stopped)
          #expect(started?.supervisor == last.supervisor && !last.supervisor.isAlive)
          #expect((started?.processes ?? []).allSatisfy { $0.identity?.isAlive != true })
        }
      }
    }

    /// Goal: what an earlier start wrote down names nobody. Method: its number and its ports are somebody else's now, and a
    /// new `up`, which a script stands for, has the lock and has written down nothing yet.
    @Test func `a stale status is nobody's`() async throws {
      let machine = try Machine()
      defer { machine.remove() }
      let stranger = try machine.start("/bin/sleep", "60")
      try makeFolder(machine.home + "/run")
      try SystemStatus(
        state: .ready, supervisor: stranger.identity, baseURL: "http://127.0.0.1:1",
        localURL: "http://127.0.0.1:1", sandboxURL: "", processes: []
      ).write(to: machine.home + "/run/status.json")
      let up = try machine.start("/bin/sh", "-c", Self.holdsLock, machine.home)
      try await eventually("the lock to be signed") {
        FileLock.holder(machine.home + "/run/up.lock")?.identity == up.identity
      }

      let status = try await machine.daybook("status", "--json")
      #expect(status.exit == .code(1))
      #expect(try status.json()["state"] == "starting")
      #expect(try status.json()["pid"]?.int == Int64(up.pid))
      let down = try await machine.daybook("down")
      #expect(down.succeeded && down.output == "Stopped.\n", "\(down.output)\(down.errors)")
      #expect(await up.waitForExit() == .signal(SIGTERM))
      #expect(stranger.exitSoFar == nil)
      _ = try await stranger.stop(grace: .seconds(5))
    }

    private static let holdsLock = """
      exec 9>"$0/run/up.lock"
      flock -n 9 || exit 1
      set -- "$0" $(sed 's/.*) //' /proc/$$/stat)
      echo "$$ ${21} boot:$(cat /proc/sys/kernel/random/boot_id)" >&9
      exec sleep 60
      """
  }
}
