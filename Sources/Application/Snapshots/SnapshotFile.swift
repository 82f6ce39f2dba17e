// A snapshot: what an org's book added up to at one sequence, sealed. One file an org, `acc_….snapshot`:
//
//     "daybook snapshot 1\n"
//     count (4, little-endian), header: `SnapshotHeader` in the bytes of BinaryCoding
//     chunks, each: 1 where it is the last one, else 0 ‖ count (4) ‖ nonce (12) ‖ AES-256-GCM of up to a MiB, tag (16)
//
// Associated data of a chunk: header ‖ ordinal (8) ‖ its first byte. Key: `CacheAnchor.cacheKey` under the header's
// salt. The chunks' plaintexts, put together, are `OrgState` in the bytes of BinaryCoding.

import BinaryCoding
import Crypto
import Domain
import Foundation

/// What a snapshot was made of, in clear. It is used where all of this still holds, and only there.
struct SnapshotHeader: Codable, Equatable {
  /// SHA-256 of the program: another one may fold otherwise.
  let build: [UInt8]
  let log: String
  let incarnation: UInt32
  let org: Identifier
  /// How many of the org's events are in it.
  let eventCount: UInt64
  /// Of the org's tree at that size.
  let root: [UInt8]
  /// How many of the org's people were erased before its making began.
  let erasedCount: UInt64
  let salt: [UInt8]
}

/// Why a snapshot is not used. Nothing is lost: the book is folded.
package enum SnapshotRefusal: Error, Equatable {
  /// Not a snapshot, or one of another format.
  case unreadable
  /// Another program made it.
  case otherBuild
  /// Of another log, or of another history of this one.
  case otherHistory
  /// Somebody was erased since.
  case erasedSince
  /// The org's key is not in the vault.
  case keyMissing
  /// Changed, cut off, or sealed with another key.
  case damaged
}

/// Seals and opens the chunks of one file, in order.
///
/// A class: closures that give and take chunks share it. One thread.
final class SnapshotSeal {
  private var cipher = AESGCM()
  private let key: [UInt8]
  private let header: [UInt8]
  private var ordinal: UInt64 = 0

  init(key: [UInt8], header: [UInt8]) {
    self.key = key
    self.header = header
  }

  private func nextAssociated(isLast: UInt8) -> [UInt8] {
    defer { ordinal += 1 }
    return header + (0..<8).map { UInt8(truncatingIfNeeded: ordinal >> ($0 * 8)) } + [isLast]
  }

  func seal(_ chunk: [UInt8], isLast: Bool) throws -> [UInt8] {
    let mark: UInt8 = isLast ? 1 : 0
    let nonce = Random.bytes(AESGCM.nonceByteCount)
    let sealed = try cipher.seal(
      chunk, key: key, nonce: nonce, authenticating: nextAssociated(isLast: mark))
    return [mark] + SnapshotFile.count(sealed.count) + nonce + sealed
  }

  func open(_ sealed: [UInt8], nonce: [UInt8], mark: UInt8) throws(SnapshotRefusal) -> [UInt8] {
    do throws(CryptoError) {
      return try cipher.open(
        sealed, key: key, nonce: nonce, authenticating: nextAssociated(isLast: mark))
    } catch {
      throw .damaged
    }
  }
}

/// The bytes of a snapshot on their way to and from a file.
enum SnapshotFile {
  static let magic = Array("daybook snapshot 1\n".utf8)
  private static let chunkBytes = 1 << 20
  private static let headerLimit = 4_096
  private static let chunkLimit = 64 << 20

  static func count(_ count: Int) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
  }

  /// Writes and flushes.
  static func write(
    _ state: OrgState, _ header: SnapshotHeader, key: [UInt8], to file: FileHandle
  ) throws {
    let head = try BinaryCoding.canonicalBytes(of: header)
    try file.write(contentsOf: Data(magic + count(head.count) + head))
    let seal = SnapshotSeal(key: key, header: head)
    var held: [UInt8]?
    try BinaryCoding.encode(state, pieceBytes: chunkBytes) { chunk in
      if let held { try file.write(contentsOf: Data(try seal.seal(held, isLast: false))) }
      held = chunk
    }
    try file.write(contentsOf: Data(try seal.seal(held ?? [], isLast: true)))
    try file.synchronize()
  }

  /// - Throws: `SnapshotRefusal`, or what reading the file throws.
  static func readHeader(
    from file: FileHandle
  ) throws -> (header: SnapshotHeader, bytes: [UInt8]) {
    do {
      guard try exactly(magic.count, file) == magic else { throw SnapshotRefusal.unreadable }
      let bytes = try exactly(try count(file, limit: headerLimit), file)
      return (try BinaryCoding.decode(SnapshotHeader.self, from: bytes), bytes)
    } catch is DecodingError {
      throw SnapshotRefusal.unreadable
    } catch is BinaryCodingError {
      throw SnapshotRefusal.unreadable
    } catch SnapshotRefusal.damaged {
      throw SnapshotRefusal.unreadable
    }
  }

  /// The state, after the header was read.
  static func readState(
    _ header: SnapshotHeader, bytes: [UInt8], key: [UInt8], from file: FileHandle,
    contacts: ContactMemory
  ) throws -> OrgState {
    let seal = SnapshotSeal(key: key, header: bytes)
    var isOver = false
    let state: OrgState
    do {
      state = try BinaryCoding.decode(OrgState.self, context: contacts) {
        guard !isOver else { return nil }
        let mark = try exactly(1, file)[0]
        isOver = mark == 1
        let sealed = try count(file, limit: chunkLimit)
        let nonce = try exactly(AESGCM.nonceByteCount, file)
        return try seal.open(try exactly(sealed, file), nonce: nonce, mark: mark)
      }
    } catch is DecodingError {
      throw SnapshotRefusal.damaged
    } catch is BinaryCodingError {
      throw SnapshotRefusal.damaged
    }
    guard isOver, state.org == header.org, state.nextOrgSequence == header.eventCount,
      try file.read(upToCount: 1)?.isEmpty ?? true
    else { throw SnapshotRefusal.damaged }
    return state
  }

  private static func exactly(_ count: Int, _ file: FileHandle) throws -> [UInt8] {
    guard count > 0 else { return [] }
    guard let data = try file.read(upToCount: count), data.count == count else {
      throw SnapshotRefusal.damaged
    }
    return [UInt8](data)
  }

  private static func count(_ file: FileHandle, limit: Int) throws -> Int {
    let count = try exactly(4, file).reversed().reduce(0) { $0 << 8 | Int($1) }
    guard count <= limit else { throw SnapshotRefusal.damaged }
    return count
  }
}
