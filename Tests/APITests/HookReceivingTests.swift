import Application
import Domain
import EventLog
import HTTP
import Testing

@testable import API

@Suite struct HookReceivingTests {
  /// Goal: a no that comes while nobody can say what is on disk comes again. Method: a flush that fails, and a disk that
  /// cannot be read for a while.
  @Test func `a genuine delivery is not refused for good while the account's state is in doubt`()
    async throws
  {
    try await APIHouse.with { house in
      let settings = HookSettings(
        name: "Form", authentication: .secretInPath, action: .optOut,
        mapping: [HookSettings.Mapping(field: "email", source: "email")])
      let hook = try #require(
        try await house.executor.perform(APIHouse.call) { workspace throws(CommandError) in
          try workspace.createInboundHook(settings, secret: "s3cret")
        }.output)
      func told(_ hook: Identifier, _ secret: String) async -> Int {
        var request = HTTPRequest(
          method: "POST", target: "/webhooks/in/\(house.org)/\(hook)/\(secret)")
        request.headers.set("content-type", "application/json")
        request.body = Array(#"{"email": "ann@example.com"}"#.utf8)
        return await house.server.handle(request).status
      }
      house.log.fail(with: .outcomeUnknown(reason: "the disk failed"))
      await #expect(throws: CommandError.self) {
        _ = try await house.executor.perform(APIHouse.call) { workspace throws(CommandError) in
          try workspace.createInboundHook(settings, secret: "other")
        }
      }
      #expect(await told(hook, "s3cret") == 503)
      house.log.fail(with: nil)
      #expect(await told(hook, "s3cret") == 200)
      #expect(await told(hook, "wrong") == 403)
      #expect(await told(Identifier(.inboundHook, 7), "s3cret") == 403)
    }
  }
}
