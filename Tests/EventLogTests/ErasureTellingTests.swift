import Foundation
import LMDB
import Testing
import Vault

@testable import EventLog

/// Which backup folders hear of an erasure, and when.
@Suite struct ErasureTellingTests {
  private func backUp(
    _ log: String, to folder: String, tellsErasures: Bool = true
  ) async throws -> BackupSnapshot {
    try await onOwnThread {
      let reader = try LMDBLogReader(directory: log)
      defer { reader.close() }
      return try reader.backUp(to: folder, tellsErasures: tellsErasures).snapshot
    }
  }

  /// With the root key of the log `original`, which the new one gets too.
  private func restore(
    _ target: String, from folder: String, snapshot: String, of original: String
  ) async throws {
    try await onOwnThread {
      let rootKey = try FileRootKey(path: original + "/root.key", mayCreate: false)
      _ = try LogRestore(backup: folder, target: target, rootKey: rootKey).run(snapshot: snapshot)
      try FileManager.default.copyItem(
        atPath: original + "/root.key", toPath: target + "/root.key")
    }
  }

  /// The first event's part about Ann.
  private func part(in log: String) throws -> RecordedPart? {
    let reader = try LMDBLogReader(directory: log)
    defer { reader.close() }
    return try reader.read(after: 0, limit: 1, filter: .all).events.last?.parts.last
  }

  /// Goal: what is tried in a rehearsal happens to nobody. Method: somebody is erased in it, and it is backed up into the folder
  /// that it is from.
  @Test func `a backup of a log on hold takes nobody out of the folder's other histories`()
    async throws
  {
    try await withLogDirectory { directory async throws in
      let (real, rehearsal) = (directory + "/real", directory + "/rehearsal")
      let folder = directory + "/backup"
      try FileManager.default.createDirectory(atPath: real, withIntermediateDirectories: true)
      let log = try LMDBEventLog(directory: real)
      _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])]))
      await log.close()
      let snapshot = try await backUp(real, to: folder).name
      try await restore(rehearsal, from: folder, snapshot: snapshot, of: real)
      let tried = try LMDBEventLog(directory: rehearsal)
      try await tried.destroyKeys(of: [ann], org: orgA)
      let held = try await backUp(rehearsal, to: folder, tellsErasures: false).name
      #expect(try BackupFolder(path: folder).tombstones() == [])
      try await restore(directory + "/again", from: folder, snapshot: snapshot, of: real)
      #expect(
        try part(in: directory + "/again") == .opened(subject: ann, payload: Array("Ann".utf8)))
      try await restore(directory + "/held", from: folder, snapshot: held, of: real)
      #expect(try part(in: directory + "/held") == .erased(subject: ann))
      // The first one after the release.
      _ = try await backUp(rehearsal, to: folder)
      await tried.close()
      #expect(try BackupFolder(path: folder).tombstones().map(\.subject) == [ann.value])
      try await restore(directory + "/released", from: folder, snapshot: snapshot, of: real)
      #expect(try part(in: directory + "/released") == .erased(subject: ann))
    }
  }

  /// Goal: a machine that is lost before there is room brings nobody back. Method: the log's disk is filled up, the folder is on another
  /// one.
  @Test(.enabled(if: canMount, "nothing can be mounted here"))
  func `folders hear, and once, of an erasure that the log's disk has no room for`() async throws {
    try await withLogDirectory { elsewhere async throws in
      try await withSmallDisk(mebibytes: 24) { disk async throws in
        let folder = elsewhere + "/backup"
        let log = try LMDBEventLog(directory: disk.home)
        _ = try await log.append(commit([event(1, personal: [(ann, "Ann")])]))
        let snapshot = try await backUp(disk.home, to: folder).name
        let filler = URL(filePath: disk.home + "/filler")
        let room = try FileManager.default.attributesOfFileSystem(forPath: disk.home)
        let free = room[.systemFreeSize] as? Int
        // What no copy takes stays free.
        try Data(count: try #require(free) - Environment.minFreeBytes).write(to: filler)
        let reader = try LMDBLogReader(directory: disk.home)
        #expect(throws: EventLogError.self) { try reader.requireRoomToErase() }
        let refusal = await #expect(throws: EventLogError.self) {
          try await log.erase([ann], org: orgA)
        }
        #expect(refusal?.description.contains("the disk has") == true)
        #expect(try BackupFolder(path: folder).tombstones().map(\.subject) == [ann.value])
        try await restore(
          elsewhere + "/restored", from: folder, snapshot: snapshot, of: disk.home)
        #expect(try part(in: elsewhere + "/restored") == .erased(subject: ann))
        // It has heard: the rest does not wait for it.
        try FileManager.default.moveItem(atPath: folder, toPath: elsewhere + "/away")
        try FileManager.default.removeItem(at: filler)
        try reader.requireRoomToErase()
        reader.close()
        try await log.erase([ann], org: orgA)
        await log.close()
      }
    }
  }
}
