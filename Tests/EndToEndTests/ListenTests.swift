import Foundation
import Glibc
import JSON
import Supervisor
import Synchronization
import Testing

extension EndToEnd {
  @Suite struct Listen {
    @Test func `listen posts events signed, once more after a failure, and goes on at its place`()
      async throws
    {
      try await withSystem { system in
        let account = try await system.newAccount("Lakeside")
        let start = try #require(try await account.api.get("/api/events?after=now")["next"]?.string)
        let receiver = try Subscriber()
        let place = system.home + "/place"
        let secret = "whsec_" + Data(repeating: 7, count: 24).base64EncodedString()
        let words = [
          "--forward", receiver.url, "--api-key", account.key, "--url", system.baseURL, "--secret",
          secret, "--types", "contact.*", "--place", place, "--json",
        ]

        let first = try Listener(words + ["--after", start], scratch: system.home)
        _ = try await account.newPerson(0)
        try await eventually("the first person's events") {
          receiver.deliveries.contains { $0.json["type"]?.string == "contact.created" }
        }
        receiver.refuseNext(1)
        _ = try await account.newPerson(1)
        let events = try await account.events(types: "contact.*")
        try await eventually("both people's events") { receiver.deliveries.count >= events.count }
        #expect(receiver.deliveries.map(\.id) == events.compactMap { $0["id"]?.string })
        #expect(receiver.attempts.count == events.count + 1)
        for delivery in receiver.attempts { #expect(try delivery.isSigned(with: secret)) }
        try await eventually("a line for each") { first.lines.count == events.count }
        #expect(first.lines.allSatisfy { $0["status"]?.int == 204 })
        let last = try #require(events.last?["position"]?.int)
        try await eventually("its place on disk") {
          try String(contentsOfFile: place, encoding: .utf8) == "\(last)\n"
        }
        try await first.kill()

        // What came while nobody listened, and nothing of before.
        _ = try await account.newPerson(2)
        let second = try Listener(words, scratch: system.home)
        let all = try await account.events(types: "contact.*").compactMap { $0["id"]?.string }
        try await eventually("the third person's events") {
          receiver.deliveries.count >= all.count
        }
        #expect(receiver.deliveries.map(\.id) == all)
        try await second.kill()
        await receiver.stop()
      }
    }

    @Test func `listen says why it makes no sense`() async throws {
      try await withSystem { system in
        let refused = try await system.daybook(
          "listen", "--forward", "http://127.0.0.1:1/", "--api-key", "sk_test_wrong", "--url",
          system.baseURL)
        #expect(!refused.succeeded)
        #expect(refused.errors.contains("401"))
        let odd = try await system.daybook(
          "listen", "--forward", "localhost", "--api-key", "sk_test_wrong")
        #expect(odd.exit == .code(64))
      }
    }
  }
}

/// A running `daybook listen --json`.
private final class Listener: Sendable {
  private let child: ChildProcess
  private let said: Lines

  private final class Lines: Sendable {
    let all = Mutex<[JSON]>([])
  }

  init(_ words: [String], scratch: String) throws {
    let said = Lines()
    self.said = said
    child = try ChildProcess(
      Launch(
        executable: try Program.executable(), arguments: ["listen"] + words,
        environment: Program.cleanEnvironment),
      input: try Descriptor.open("/dev/null", flags: O_RDONLY),
      errors: try Descriptor.open(scratch + "/listen.err", flags: O_WRONLY | O_CREAT | O_APPEND)
    ) { line in
      guard let json = try? JSON(parsing: line) else { return }
      said.all.withLock { $0.append(json) }
    }
  }

  /// One for each event.
  var lines: [JSON] { said.all.withLock { $0 } }

  func kill() async throws {
    try send(SIGKILL, to: child.pid)
    _ = await child.waitForExit()
  }
}
