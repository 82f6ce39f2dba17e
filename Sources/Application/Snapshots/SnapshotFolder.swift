import Crypto
import Domain
import EventLog
import Foundation
import Glibc

/// The snapshots of a home: caches. Whoever deletes the folder loses time at the next start, nothing else.
///
/// Several processes may use it: `lock` is held while a file gets its name and while files are deleted.
package final class SnapshotFolder: Sendable {
  let path: String
  private let build: [UInt8]
  private let report: @Sendable (String) -> Void

  /// `build` is what tells this program from others. `report` takes a line for a snapshot that is there and cannot
  /// be used: an org's id and a reason.
  package init(
    path: String, build: [UInt8], report: @escaping @Sendable (String) -> Void = { _ in }
  ) throws {
    self.path = path
    self.build = build
    self.report = report
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  /// SHA-256 of the program that runs: no other one can have the same rules of folding by mistake.
  package static func ownBuild() throws -> [UInt8] {
    let file = try FileHandle(forReadingFrom: URL(filePath: "/proc/self/exe"))
    defer { try? file.close() }
    var hash = SHA256()
    while let data = try file.read(upToCount: 1 << 20), !data.isEmpty { hash.update([UInt8](data)) }
    return hash.finalize()
  }

  private func name(of org: Identifier) -> String { "\(path)/\(org.text).snapshot" }
}

// MARK: - Reading

extension SnapshotFolder {
  /// What the org's snapshot holds; nil where there is none, or none that can be used: never an error, never a part.
  func state(
    of org: Identifier, erasedCount: UInt64, anchor: any CacheAnchor, contacts: ContactMemory
  ) -> OrgState? {
    guard let file = FileHandle(forReadingAtPath: name(of: org)) else { return nil }
    // Read only: closing it cannot lose anything.
    defer { try? file.close() }
    do {
      return try read(file, org, erasedCount: erasedCount, anchor, contacts)
    } catch {
      report("\(org.text): \(error)")
      return nil
    }
  }

  /// How many of the org's events its snapshot holds, by its header; 0 without one that looks usable.
  func heldCount(of org: Identifier, erasedCount: UInt64, anchor: any CacheAnchor) -> UInt64 {
    guard let file = FileHandle(forReadingAtPath: name(of: org)) else { return 0 }
    defer { try? file.close() }
    // Whatever is wrong with it is reported by whoever reads it whole.
    return (try? header(file, org, erasedCount: erasedCount, anchor).header.eventCount) ?? 0
  }

  private func read(
    _ file: FileHandle, _ org: Identifier, erasedCount: UInt64, _ anchor: any CacheAnchor,
    _ contacts: ContactMemory
  ) throws -> OrgState {
    let (header, bytes) = try header(file, org, erasedCount: erasedCount, anchor)
    guard let key = try anchor.cacheKey(of: OrgID(org.value), salt: header.salt) else {
      throw SnapshotRefusal.keyMissing
    }
    return try SnapshotFile.readState(
      header, bytes: bytes, key: key, from: file, contacts: contacts)
  }

  /// The header, where what it says holds.
  private func header(
    _ file: FileHandle, _ org: Identifier, erasedCount: UInt64, _ anchor: any CacheAnchor
  ) throws -> (header: SnapshotHeader, bytes: [UInt8]) {
    let (header, bytes) = try SnapshotFile.readHeader(from: file)
    guard header.build == build else { throw SnapshotRefusal.otherBuild }
    let id = OrgID(org.value)
    let identity = anchor.identity
    guard header.org == org, header.log == identity.id, header.incarnation == identity.incarnation,
      header.eventCount > 0, header.eventCount <= (try anchor.treeHead(of: id)).size,
      try anchor.root(of: id, size: header.eventCount).bytes == header.root
    else { throw SnapshotRefusal.otherHistory }
    guard header.erasedCount == erasedCount else { throw SnapshotRefusal.erasedSince }
    return (header, bytes)
  }
}

// MARK: - Writing and deleting

extension SnapshotFolder {
  /// Keeps `state`, a fold of what is on disk, in place of an older one. `erasedCount`: as it was before the folding
  /// began. False where it cannot be used: somebody was erased meanwhile, or the org has no key.
  ///
  /// A kill at any moment leaves the older one, or the new one.
  func keep(
    _ state: OrgState, erasedCount: UInt64, anchor: any CacheAnchor
  ) throws -> Bool {
    let org = OrgID(state.org.value)
    let salt = Random.bytes(32)
    guard let key = try anchor.cacheKey(of: org, salt: salt) else { return false }
    let identity = anchor.identity
    let header = SnapshotHeader(
      build: build, log: identity.id, incarnation: identity.incarnation, org: state.org,
      eventCount: state.nextOrgSequence,
      root: try anchor.root(of: org, size: state.nextOrgSequence).bytes, erasedCount: erasedCount,
      salt: salt)
    let draft = name(of: state.org) + Self.draftSuffix
    // A failure leaves nothing to keep; what a kill leaves, the next making deletes.
    defer { unsafe unlink(draft) }
    guard
      FileManager.default.createFile(
        atPath: draft, contents: nil, attributes: [.posixPermissions: 0o600])
    else { throw CocoaError(.fileWriteUnknown) }
    let file = try FileHandle(forWritingTo: URL(filePath: draft))
    do {
      try SnapshotFile.write(state, header, key: key, to: file)
    } catch {
      try? file.close()
      throw error
    }
    try file.close()
    return try withLock {
      // An erasure deletes the org's files after its keys are gone: it comes after this, or is seen here.
      guard try anchor.erasedCounts()[org] ?? 0 == erasedCount else { return false }
      return unsafe rename(draft, name(of: state.org)) == 0
    }
  }

  /// Deletes the org's snapshot, and what is on its way to become one.
  package func discard(_ org: Identifier) throws {
    try withLock {
      for name in try FileManager.default.contentsOfDirectory(atPath: path)
      where name.hasPrefix(org.text) {
        guard unsafe unlink("\(path)/\(name)") == 0 || errno == ENOENT else {
          throw CocoaError(.fileWriteUnknown)
        }
      }
    }
  }

  /// Runs `body` while nobody else makes snapshots here, after deleting what was left half made; nil where somebody
  /// else does.
  func whileMaking<Result>(_ body: () throws -> Result) throws -> Result? {
    guard let lock = try FolderLock(path: path + "/making", waits: false) else { return nil }
    return try withExtendedLifetime(lock) { () throws -> Result in
      for name in try FileManager.default.contentsOfDirectory(atPath: path)
      where name.hasSuffix(Self.draftSuffix) {
        unsafe unlink("\(path)/\(name)")
      }
      return try body()
    }
  }

  private static let draftSuffix = ".draft"

  private func withLock<Result>(_ body: () throws -> Result) throws -> Result {
    let lock = try FolderLock(path: path + "/lock", waits: true)
    return try withExtendedLifetime(lock) { try body() }
  }
}

/// An advisory lock between processes. The kernel gives it back with the descriptor, however the process ends.
private final class FolderLock {
  private let descriptor: Int32

  /// nil where somebody else holds it and this one does not wait.
  init?(path: String, waits: Bool) throws {
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
    while flock(descriptor, waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      guard errno == EWOULDBLOCK else { throw CocoaError(.fileLocking) }
      return nil
    }
  }

  /// Gives the lock back in words: a process that is just being started has a copy of the descriptor.
  deinit {
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}
