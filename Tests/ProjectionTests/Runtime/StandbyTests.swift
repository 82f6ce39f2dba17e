import Domain
import EventLog
import ProjectionRuntime
import Testing

@Suite struct StandbyTests {
  @Test func `on standby nothing is applied, and all of it afterwards`() async throws {
    try await withDesk { desk in
      let options = LiveProjector.Options()
      options.standby.isOn = true
      try await desk.history.append(ann, [created("Ann")])
      let projector = desk.projector(options)
      let running = Task { try await projector.run() }
      try await wait { !projector.appliedPositions.isEmpty }
      for _ in 0..<50 {
        try await desk.history.append(ann, [tagged("a"), untagged("a")])
        try await Task.sleep(for: .milliseconds(10))
      }
      #expect(projector.appliedPositions.values.allSatisfy { $0 == 0 })
      let head = try desk.history.log.head()
      options.standby.isOn = false
      try await wait { projector.slowestPosition == head }
      running.cancel()
      _ = await running.result
      try await desk.expectLiveEqualsRebuilt()
    }
  }

  private func wait(until condition: () -> Bool) async throws {
    for _ in 0..<3_000 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
    #expect(condition())
  }
}
