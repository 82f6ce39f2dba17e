import Application
import BinaryCoding
import Crypto
import Domain
import EventCodec
import EventLog
import Foundation
import Synchronization
import Testing

@testable import Application

extension HouseTests {
  @Suite(.serialized) struct SnapshotTests {
    static let build = [UInt8](repeating: 7, count: 32)
    static let name = "Wilhelmina"

    /// A house whose log is on disk, with an org, two people and what they were sent.
    private func withBook(
      _ body: (House, TestOrg, [Identifier], SnapshotFolder) async throws -> Void
    ) async throws {
      let directory = NSTemporaryDirectory() + "snapshots-\(UUID().uuidString)"
      defer { try? FileManager.default.removeItem(atPath: directory) }
      try FileManager.default.createDirectory(
        atPath: directory + "/log", withIntermediateDirectories: true)
      let log = try LMDBEventLog(directory: directory + "/log")
      try await House.with(log: log, isRunning: false) { house in
        let org = try await house.org()
        let people = [
          try await org.contact("+12125550123", name: Self.name),
          try await org.contact("+12125550124"),
        ]
        for person in people { try await org.send("Hello", to: person) }
        try await org.receive("STOP", from: "+12125550124")
        let folder = try SnapshotFolder(path: directory + "/snapshots", build: Self.build)
        try await body(house, org, people, folder)
      }
    }

    private func make(_ folder: SnapshotFolder, _ house: House) throws -> [SnapshotMaker.Made] {
      let anchor = try #require(house.log as? any CacheAnchor)
      return try #require(try SnapshotMaker(log: anchor, folder: folder).run(leastEventCount: 1))
    }

    private func path(_ folder: SnapshotFolder, _ org: TestOrg) -> String {
      "\(folder.path)/\(org.id.text).snapshot"
    }

    /// Loads with the snapshots of `folder` and compares with a fold from the beginning.
    private func load(_ house: House, _ org: TestOrg, _ folder: SnapshotFolder) throws -> LoadReport
    {
      let (states, report) = try BookLoader(log: house.log, snapshots: folder).loadAll()
      let (folded, _) = try BookLoader(log: house.log, snapshots: nil).loadAll()
      #expect(
        try BinaryCoding.canonicalBytes(of: try #require(states[org.id]))
          == BinaryCoding.canonicalBytes(of: try #require(folded[org.id])))
      return report
    }

    /// Why the snapshot at `path` is not used; nil where it is.
    private func refusal(
      _ house: House, _ org: TestOrg, _ folder: SnapshotFolder, build: [UInt8] = SnapshotTests.build
    ) throws -> String? {
      let lines = Lines()
      let folder = try SnapshotFolder(path: folder.path, build: build) { lines.add($0) }
      let report = try load(house, org, folder)
      #expect((report.snapshotCount == 0) == !lines.all.isEmpty)
      return lines.all.first.map { String($0.split(separator: " ").last ?? "") }
    }

    @Test func `a start folds only what came after the snapshot, and comes to the same`()
      async throws
    {
      try await withBook { house, org, people, folder in
        let made = try make(folder, house)
        #expect(made.map(\.org) == [org.id])
        let held = try #require(made.first).eventCount
        #expect(try load(house, org, folder).foldedCount == 0)
        try await org.tag(people[0], "vip")
        let report = try load(house, org, folder)
        #expect(report.snapshotCount == 1 && report.foldedCount == 1)
        // The next one goes on from it; a third has nothing to do.
        #expect(try make(folder, house).map(\.foldedCount) == [1])
        #expect(try make(folder, house).isEmpty)
        #expect(try load(house, org, folder).foldedCount == 0)

        let engine = try Engine(
          log: house.log,
          tools: Tools(
            clock: house.clock, random: SeededRandom(seed: 3), numbers: PhoneBook(),
            zones: SystemZoneClock()), snapshots: folder)
        #expect(engine.loaded.foldedCount == 0)
        let executor = try engine.executor(for: org.id)
        // The no is known without any event having been read.
        await #expect(throws: CommandError.self) {
          _ = try await executor.perform(TestOrg.call) { workspace throws(CommandError) in
            try workspace.recordConsent(
              ConsentRequest(
                channel: .sms, purpose: .marketing, method: .staff, source: "desk", wording: "ok"),
              of: people[1])
          }
        }
        let anchor = try #require(house.log as? any CacheAnchor)
        #expect(try anchor.treeHead(of: OrgID(org.id.value)).size == held + 1)
      }
    }

    @Test func `another program, another history or no key: the book is folded`() async throws {
      try await withBook { house, org, _, folder in
        _ = try make(folder, house)
        #expect(try refusal(house, org, folder) == nil)
        #expect(
          try refusal(house, org, folder, build: [UInt8](repeating: 8, count: 32)) == "otherBuild")

        let anchor = try #require(house.log as? any CacheAnchor)
        let state = try BookLoader(log: house.log, snapshots: nil).load(org.id)
        let root = try anchor.root(of: OrgID(org.id.value), size: state.nextOrgSequence).bytes
        func write(
          log: String? = nil, incarnation: UInt32? = nil, root other: [UInt8]? = nil,
          eventCount: UInt64? = nil, salt: [UInt8]? = nil
        ) throws {
          let own = [UInt8](repeating: 1, count: 32)
          let header = SnapshotHeader(
            build: Self.build, log: log ?? anchor.identity.id,
            incarnation: incarnation ?? anchor.identity.incarnation, org: org.id,
            eventCount: eventCount ?? state.nextOrgSequence, root: other ?? root, erasedCount: 0,
            salt: salt ?? own)
          let key = try #require(try anchor.cacheKey(of: OrgID(org.id.value), salt: own))
          try Data().write(to: URL(filePath: path(folder, org)))
          let file = try FileHandle(forWritingTo: URL(filePath: path(folder, org)))
          try SnapshotFile.write(state, header, key: key, to: file)
          try file.close()
        }
        try write()
        #expect(try refusal(house, org, folder) == nil)
        try write(log: "0123456789abcdef")
        #expect(try refusal(house, org, folder) == "otherHistory")
        try write(incarnation: anchor.identity.incarnation + 1)
        #expect(try refusal(house, org, folder) == "otherHistory")
        try write(root: root.reversed())
        #expect(try refusal(house, org, folder) == "otherHistory")
        try write(eventCount: state.nextOrgSequence + 1)
        #expect(try refusal(house, org, folder) == "otherHistory")
        try write(salt: [UInt8](repeating: 2, count: 32))
        #expect(try refusal(house, org, folder) == "damaged")
      }
    }

    @Test func `bytes that were changed, cut off or added are noticed, wherever they are`()
      async throws
    {
      try await withBook { house, org, _, folder in
        _ = try make(folder, house)
        let path = path(folder, org)
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        let erased: UInt64 = 0
        let anchor = try #require(house.log as? any CacheAnchor)
        func isUsed(_ bytes: [UInt8]) throws -> Bool {
          try Data(bytes).write(to: URL(filePath: path))
          return folder.state(
            of: org.id, erasedCount: erased, anchor: anchor, contacts: ContactMemory()) != nil
        }
        #expect(try isUsed(bytes))
        var dice = SplitMix64(seed: 11)
        for _ in 0..<400 {
          var changed = bytes
          let place = Int.random(in: 0..<bytes.count, using: &dice)
          changed[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &dice))
          try #require(try !isUsed(changed), "byte \(place) of \(bytes.count)")
        }
        for _ in 0..<100 {
          let count = Int.random(in: 0..<bytes.count, using: &dice)
          try #require(try !isUsed(Array(bytes.prefix(count))), "cut at \(count)")
        }
        #expect(try !isUsed(bytes + [0]))
        #expect(try isUsed(bytes))
      }
    }

    @Test func `whoever is erased is in no snapshot, and none from before comes back`()
      async throws
    {
      try await withBook { house, org, people, folder in
        let anchor = try #require(house.log as? any CacheAnchor)
        _ = try make(folder, house)
        let before = try Data(contentsOf: URL(filePath: path(folder, org)))
        #expect(try plaintext(folder, org, anchor).contains(text: Self.name))
        // What is in the folder is sealed.
        #expect(![UInt8](before).contains(text: Self.name))
        #expect(![UInt8](before).contains(text: "2125550123"))

        let state = try BookLoader(log: house.log, snapshots: nil).load(org.id)
        try await org.perform { workspace throws(CommandError) in
          try workspace.requestErasure(of: people[0], reason: .personAsked)
        }
        try await house.log.erase(people[0], of: org.id)
        try folder.discard(org.id)
        #expect(
          try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .allSatisfy { !$0.hasPrefix("acc_") })

        // One that was in the making meanwhile.
        #expect(try !folder.keep(state, erasedCount: 0, anchor: anchor))
        #expect(!FileManager.default.fileExists(atPath: path(folder, org)))
        // One that somebody put back.
        try before.write(to: URL(filePath: path(folder, org)))
        #expect(try refusal(house, org, folder) == "erasedSince")

        #expect(try make(folder, house).count == 1)
        #expect(try refusal(house, org, folder) == nil)
        let after = try plaintext(folder, org, anchor)
        #expect(!after.contains(text: Self.name))
        #expect(!after.contains(text: "2125550123"))
        #expect(after.contains(text: "2125550124"))
      }
    }

    @Test func `the reactor that erases deletes the org's snapshots before it says so`()
      async throws
    {
      try await withBook { house, org, people, _ in
        _ = try make(house.snapshots, house)
        #expect(FileManager.default.fileExists(atPath: path(house.snapshots, org)))
        try await org.perform { workspace throws(CommandError) in
          try workspace.requestErasure(of: people[0], reason: .personAsked)
        }
        try await house.restart()
        try await wait("the destruction is on record") {
          try org.events.contains { $0.type == "subject.data_destroyed" }
        }
        #expect(!FileManager.default.fileExists(atPath: path(house.snapshots, org)))
      }
    }

    @Test
    func `a kill in the middle of making leaves one that can be used, and the next cleans up`()
      async throws
    {
      try await withBook { house, org, people, folder in
        _ = try make(folder, house)
        let draft = path(folder, org) + ".draft"
        for (index, delayMillis) in [UInt32(20), 100, 200, 300].enumerated() {
          try await org.tag(people[0], "after \(delayMillis)")
          await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = folder.path as String, delayMillis = delayMillis as UInt32] in
            try Self.makeUntilKilled(path, afterMillis: delayMillis)
          }
          // An older one, or one of those that were made meanwhile.
          let report = try load(house, org, folder)
          #expect(report.snapshotCount == 1 && report.foldedCount <= index + 1)
        }
        try Data("half".utf8).write(to: URL(filePath: draft))
        _ = try make(folder, house)
        #expect(!FileManager.default.fileExists(atPath: draft))
        #expect(try load(house, org, folder).foldedCount == 0)
      }
    }

    /// Makes one snapshot after the other beside the process that has the log, until it is killed.
    private static func makeUntilKilled(_ path: String, afterMillis delay: UInt32) throws {
      let log = try LMDBLogReader(
        directory: URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false)
          + "log")
      let folder = try SnapshotFolder(path: path, build: build)
      Thread.detachNewThread {
        usleep(delay * 1_000)
        kill(getpid(), SIGKILL)
      }
      while true { _ = try SnapshotMaker(log: log, folder: folder).run(leastEventCount: 0) }
    }

    @Test func `who is far back is read by itself where that costs less than one scan`() {
      func start(_ rests: [(UInt64, UInt64)], _ head: UInt64) -> UInt64 {
        Rest.scanStart(rests.map { Rest(position: $0.0, eventCount: $0.1) }, head: head)
      }
      #expect(start([], 100) == 100)
      #expect(start([(0, 100)], 100) == 0)
      #expect(start([(0, 50), (0, 50)], 100) == 0)
      // Ten events of a small org, far back; the large one has its snapshot.
      #expect(start([(0, 10), (990_000, 9_990)], 1_000_000) == 990_000)
      #expect(start([(0, 10), (1_000_000, 0)], 1_000_000) == 1_000_000)
      #expect(start([(0, 500_000), (990_000, 9_990)], 1_000_000) == 0)
    }

    private func plaintext(
      _ folder: SnapshotFolder, _ org: TestOrg, _ anchor: any CacheAnchor
    ) throws -> [UInt8] {
      let erased = try anchor.erasedCounts()[OrgID(org.id.value)] ?? 0
      let state = try #require(
        folder.state(of: org.id, erasedCount: erased, anchor: anchor, contacts: ContactMemory()))
      return try BinaryCoding.canonicalBytes(of: state)
    }
  }
}

/// What was reported.
private final class Lines: Sendable {
  private let lines = Mutex<[String]>([])

  func add(_ line: String) { lines.withLock { $0.append(line) } }
  var all: [String] { lines.withLock { $0 } }
}

extension [UInt8] {
  fileprivate func contains(text: String) -> Bool {
    Data(self).range(of: Data(text.utf8)) != nil
  }
}
