import Application
import Domain
import EventLog
import Foundation
import Testing

@testable import Application

@Suite struct CommandInboxTests {
  @Test func `whoever finds nobody at work sends somebody for all`() {
    func nothing() -> PendingCommand {
      PendingCommand(Call(actor: "", origin: "", correlation: "")) { _ in }
    }
    let inbox = CommandInbox()
    #expect(inbox.add(nothing()))
    #expect(!inbox.add(nothing()))
    #expect(inbox.takeAll()?.count == 2)
    // Still at work, until it has seen that nothing waits.
    #expect(!inbox.add(nothing()))
    #expect(inbox.takeAll()?.count == 1)
    #expect(inbox.takeAll() == nil)
    #expect(inbox.add(nothing()))
  }

  @Test func `a line is left in the order in which it was joined`() {
    var line = WaitingLine<Int>()
    var next = 0
    for number in 0..<5_000 {
      line.append(number)
      guard number % 3 == 0, let first = line.first else { continue }
      #expect(first == next)
      line.removeFirst()
      next += 1
    }
    #expect(line.count == 5_000 - next)
    while let first = line.first {
      #expect(first == next)
      line.removeFirst()
      next += 1
    }
    #expect(next == 5_000 && line.isEmpty)
  }
}

@Suite struct LookRestTests {
  @Test func `who follows the log looks at once after quiet, and else in intervals`() {
    var rest = LookRest()
    let first = rest.nextLook()
    #expect(first <= .now)
    #expect(rest.nextLook() == first + .milliseconds(20))
    #expect(rest.nextLook() == first + .milliseconds(40))
  }
}

extension HouseTests {
  @Suite(.serialized) struct ManyCommandsTests {
    /// Goal: however many commands come at once, each is decided once, on what those before it left, and
    /// answered after it is on disk. Method: 600 of them from 60 tasks; every fifth finds its tag there.
    @Test func `many commands at once are decided one after the other`() async throws {
      try await House.with(log: MemoryEventLog(), isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        let before = try org.events.count
        let receipts = try await withThrowingTaskGroup(of: [Receipt?].self) { group in
          for task in 0..<60 {
            group.addTask {
              var receipts: [Receipt?] = []
              for number in 0..<10 {
                let name = number % 5 == 4 ? "same" : "tag-\(task % 15)-\(number)"
                receipts.append(
                  try await org.perform { workspace throws(CommandError) in
                    try workspace.addTags([name], to: contact)
                  }.receipt)
              }
              return receipts
            }
          }
          return try await group.reduce(into: [Receipt?]()) { $0 += $1 }
        }
        // 15 groups of tasks with 8 tags each, and the one that all have.
        #expect(receipts.compactMap(\.self).count == 15 * 8 + 1)
        let sequences = receipts.compactMap { $0?.firstOrgSequence }.sorted()
        #expect(sequences == Array(UInt64(before)..<UInt64(before + 121)))
        #expect(try org.events.count == before + 121)
        try await Invariants.check(org)
      }
    }

    /// Goal: a command that rests on the log finds there all that was decided before it, and commands that never stop
    /// coming do not keep it waiting. Method: among commands from 20 tasks, some that compare the log's end with the
    /// state that they are decided on.
    @Test func `a command that rests on the log finds there all that it is decided on`()
      async throws
    {
      let folder = NSTemporaryDirectory() + "inbox-\(UUID().uuidString)"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let log = try LMDBEventLog(directory: folder)
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        let contact = try await org.contact("+12125550123")
        let seen = try await withThrowingTaskGroup(of: [UInt64].self) { group in
          for task in 0..<20 {
            group.addTask {
              var missing: [UInt64] = []
              for number in 0..<10 {
                guard number == task % 10 else {
                  _ = try await org.perform { workspace throws(CommandError) in
                    try workspace.addTags(["tag-\(task)-\(number)"], to: contact)
                  }
                  continue
                }
                var call = Call(actor: "test", origin: "test", correlation: "log")
                call.restsOnLog = true
                let done = try await org.executor.perform(call) {
                  workspace throws(CommandError) in
                  let page: Page
                  do throws(EventLogError) {
                    page = try workspace.log.read(
                      after: workspace.state.lastPosition - 1, limit: .max,
                      filter: EventFilter(org: OrgID(workspace.org.value)))
                  } catch {
                    throw .log(error)
                  }
                  return workspace.state.nextOrgSequence - 1 - (page.events.last?.orgSequence ?? 0)
                }
                missing += done.output.map { [$0] } ?? []
              }
              return missing
            }
          }
          return try await group.reduce(into: [UInt64]()) { $0 += $1 }
        }
        #expect(seen == Array(repeating: 0, count: 20))
      }
      await log.close()
    }
  }
}
