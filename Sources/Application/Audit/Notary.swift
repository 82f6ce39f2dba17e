import Crypto
import Domain
import EventLog
import Foundation
import Merkle

/// Signs the heads of the orgs' trees and remembers, outside the event log, what it signed.
///
/// Two signed heads of one origin that contradict each other are a fork that anybody can prove. So nothing
/// is signed that does not go on from the last head that was given out: an event log that was put back to
/// an earlier state signs again only as its next incarnation.
package actor Notary {
  private let log: any HeadSigner
  private let key: CheckpointKey
  private let hold: SendingHold?
  /// nil as long as nothing may be signed.
  private var opened: InstanceLog?
  package nonisolated let identity: LogIdentity
  private let directory: String
  /// The last head of the newest instance log before this one.
  private let former: Checkpoint?
  /// The newest heads that earlier histories gave out; nil before somebody asks.
  private var formerHeads: [String: FormerHead]?
  /// Why what an earlier history has signed cannot be quoted, where it is here: another key signed it, or it is damaged.
  package private(set) var formerFailure: (any Error)?

  private struct FormerHead {
    let incarnation: UInt32
    let head: Checkpoint
  }

  /// `directory` holds the key and what was signed: `checkpoint.key`, `checkpoints/i1/…`. Nothing is signed while `hold`
  /// holds: a log that was restored for a rehearsal is thrown away, and must leave no head behind that another one contradicts.
  ///
  /// - Throws: `NotaryError.instanceLogDamaged`, or what reading the files throws.
  package init(log: any HeadSigner, directory: String, hold: SendingHold? = nil) throws {
    self.log = log
    self.directory = directory
    self.hold = hold
    identity = log.identity
    key = try Self.key(identity, directory: directory)
    do {
      former = try Self.formerHead(key, before: identity.incarnation, directory)
    } catch let error as NoteError {
      // Of a key that was lost with the home: nobody could check it any more.
      former = nil
      formerFailure = error
    }
    if try hold?.record()?.isHeld != true {
      opened = try Self.open(key, identity.incarnation, directory, quoting: former)
    }
  }

  /// Throws while nothing may be signed.
  package func requireSigning() throws {
    guard try hold?.record()?.isHeld != true else { throw NotaryError.onHold }
  }

  /// Returns once something may be signed.
  func waitUntilReleased() async throws { _ = try await hold?.waitUntilReleased() }

  private func instance() throws -> InstanceLog {
    try requireSigning()
    if let opened { return opened }
    let instance = try Self.open(key, identity.incarnation, directory, quoting: former)
    opened = instance
    return instance
  }

  private func enter(_ text: String) throws {
    var instance = try instance()
    // One owner: appending copies nothing.
    opened = nil
    defer { opened = instance }
    try instance.append(text)
  }

  /// Where the instance log of a history is, in the folder of a `Notary`.
  package static func folder(_ directory: String, _ incarnation: UInt32) -> String {
    "\(directory)/checkpoints/i\(incarnation)"
  }

  /// Of the newest instance log before `incarnation`, as far as it is known here.
  private static func formerHead(
    _ key: CheckpointKey, before incarnation: UInt32, _ directory: String
  ) throws -> Checkpoint? {
    for former in (1..<max(incarnation, 1)).reversed() {
      let signer = key.instanceSigner(incarnation: former)
      if let head = try InstanceLog.signedHead(folder(directory, former), signer) { return head }
    }
    return nil
  }

  /// The first entry after a restore is the last checkpoint of the log before: whoever follows the logs sees that one goes on
  /// from the other, and from where.
  private static func open(
    _ key: CheckpointKey, _ incarnation: UInt32, _ directory: String, quoting former: Checkpoint?
  ) throws -> InstanceLog {
    var instance = try InstanceLog(
      directory: folder(directory, incarnation),
      signer: key.instanceSigner(incarnation: incarnation))
    if let former, instance.size == 0 { try instance.append(former.text) }
    return instance
  }

  /// The key that signs the checkpoints of the log `identity`, made where it is missing.
  package static func key(_ identity: LogIdentity, directory: String) throws -> CheckpointKey {
    try CheckpointKey(name: "daybook/\(identity.id)", path: directory + "/checkpoint.key")
  }

  package nonisolated func signer(of org: Identifier) -> NoteSigner {
    key.signer(of: OrgID(org.value), incarnation: identity.incarnation)
  }

  package nonisolated var instanceVerifierKey: String {
    key.instanceSigner(incarnation: identity.incarnation).verifier.verifierKey
  }
}

/// A head that was given out, with everything that an export shows of it.
package struct PublishedHead: Sendable, Equatable {
  package let head: Checkpoint
  /// The signed note.
  package let checkpoint: String
  package let verifierKey: String
  /// Notes of older heads of the same origin, oldest first.
  package let older: [String]
  /// That the head's text is in the instance log.
  package let instanceProof: String
  package let instanceVerifierKey: String

  package init(
    head: Checkpoint, checkpoint: String, verifierKey: String, older: [String],
    instanceProof: String, instanceVerifierKey: String
  ) {
    self.head = head
    self.checkpoint = checkpoint
    self.verifierKey = verifierKey
    self.older = older
    self.instanceProof = instanceProof
    self.instanceVerifierKey = instanceVerifierKey
  }
}

extension Notary {
  /// As many older heads as an export shows.
  private static let maxOlderCount = 64

  /// Signs the durable head of `org` and enters it into the instance log, before anybody sees it.
  ///
  /// - Throws: `NotaryError.forked` where the tree does not go on from the head given out last, and `.onHold`;
  ///   `EventLogError.corrupted` where a stored row of the tree is damaged.
  package func publish(_ org: Identifier) async throws -> PublishedHead {
    let signer = signer(of: org)
    try requireContinuation(of: signer.name, org)
    let note = try await log.checkpoint(of: OrgID(org.value), signedBy: key)
    let text = try signer.verifier.open(note)
    let head = try Checkpoint(text: text)
    // Somebody else published a newer one while this one was being signed.
    if let last = try instance().newestHead(of: signer.name), last.size > head.size {
      return try await publish(org)
    }
    try enter(text)
    return try published(signer, note: note, head: head)
  }

  /// The head of `org` that was given out last; nil before the first.
  package func latest(of org: Identifier) throws -> String? {
    let signer = signer(of: org)
    // Ed25519 signs one text in one way: this is the note as it was.
    return try instance().newestHead(of: signer.name).map { try signer.sign($0.text) }
  }

  /// The newest head of `org` that a history before this one has signed: as this home remembers it, or else as the log
  /// that was restored does. nil where neither does. `formerFailure` says what could not be asked.
  package func lastFormerHead(of org: Identifier) throws -> Checkpoint? {
    let name = OrgID(org.value)
    var newest = knownFormerHeads()[Self.book(key.signer(of: name, incarnation: 1).name)]
    if let signed = try log.signedHead(of: name), signed.incarnation < identity.incarnation {
      let head = Checkpoint(
        origin: key.signer(of: name, incarnation: signed.incarnation).name,
        size: signed.head.size, root: signed.head.root)
      let known = newest.map { ($0.incarnation, $0.head.size) } ?? (0, 0)
      if (signed.incarnation, head.size) > known {
        newest = FormerHead(incarnation: signed.incarnation, head: head)
      }
    }
    return newest?.head
  }

  /// By the last part of the origin, which all histories of a book have in common.
  private func knownFormerHeads() -> [String: FormerHead] {
    if let formerHeads { return formerHeads }
    var heads: [String: FormerHead] = [:]
    for incarnation in 1..<max(identity.incarnation, 1) {
      do {
        let ended = try InstanceLog(
          reading: Self.folder(directory, incarnation),
          signer: key.instanceSigner(incarnation: incarnation))
        // The quote of the log before that one names no book.
        for head in try ended.newestHeads() where BookHistory(head.origin) != nil {
          heads[Self.book(head.origin)] = FormerHead(incarnation: incarnation, head: head)
        }
      } catch {
        formerFailure = error
      }
    }
    formerHeads = heads
    return heads
  }

  private static func book(_ origin: String) -> String {
    origin.split(separator: "/").last.map(String.init) ?? ""
  }

  package var instanceCheckpoint: String {
    get throws { try instance().checkpoint }
  }

  package func instanceEntries(_ index: UInt64, width: Int) throws -> [UInt8]? {
    try instance().entryBundle(index, width: width)
  }

  private func requireContinuation(of origin: String, _ org: Identifier) throws {
    guard let last = try instance().newestHead(of: origin) else { return }
    let name = OrgID(org.value)
    let current = try log.treeHead(of: name)
    guard last.size <= current.size, try log.root(of: name, size: last.size) == last.root else {
      // A damaged row is no fork, and says what it is itself.
      _ = try log.checkedHead(of: name)
      throw NotaryError.forked(origin: origin, size: last.size)
    }
  }

  private func published(
    _ signer: NoteSigner, note: String, head: Checkpoint
  ) throws -> PublishedHead {
    guard let proof = try instance().proof(of: signer.name) else {
      preconditionFailure("the head was just entered")
    }
    let older = try instance().heads(of: signer.name).filter { $0.size > 0 && $0.size < head.size }
    return PublishedHead(
      head: head, checkpoint: note, verifierKey: signer.verifier.verifierKey,
      older: try older.suffix(Self.maxOlderCount).map { try signer.sign($0.text) },
      instanceProof: proof.text, instanceVerifierKey: instanceVerifierKey)
  }
}

package enum NotaryError: Error, Equatable, CustomStringConvertible {
  /// The org's tree is not the one that was signed for before.
  case forked(origin: String, size: UInt64)
  case instanceLogDamaged
  /// After a restore, until it is released.
  case onHold

  package var code: String {
    switch self {
    case .forked: "signed_history_forked"
    case .instanceLogDamaged: "instance_log_damaged"
    case .onHold: "signing_on_hold"
    }
  }

  package var isRetryable: Bool { self == .onHold }

  package var description: String {
    switch self {
    case .forked(let origin, let size):
      "\(code): the log does not go on from the signed head \(origin) of \(size) events; a log that"
        + " was put back to an earlier state signs as its next incarnation only"
    case .instanceLogDamaged: "\(code): its entries are not those of its signed head"
    case .onHold: "\(code): after a restore nothing is signed until 'daybook release'"
    }
  }
}
