import Crypto
import LMDB
import Merkle
import Vault

/// Who signs an instance's checkpoints: its name (a domain and a path, say `ledger.example`) and its key.
package struct CheckpointKey: Sendable {
  package let name: String
  let key: Ed25519.PrivateKey

  /// - Throws: `.storage` where `seed` is not 32 bytes.
  package init(name: String, seed: [UInt8]) throws(EventLogError) {
    self.name = name
    do throws(CryptoError) {
      key = try Ed25519.PrivateKey(seed: seed)
    } catch {
      throw .storage(reason: "the checkpoint key: \(error)")
    }
  }

  /// The seed in the file at `path`, made where it is missing.
  package init(name: String, path: String) throws(EventLogError) {
    let seed = try mappingErrors { try KeyFile.read(path, mayCreate: true) }
    try self.init(name: name, seed: seed)
  }

  /// `<name>/i<incarnation>/org/<org>`: also the name of the key that signs.
  func origin(of org: OrgID, incarnation: UInt32) -> String {
    var bytes: [UInt8] = []
    bytes.appendBig(org.value)
    return "\(name)/i\(incarnation)/org/\(Hex.encode(bytes))"
  }

  package func signer(of org: OrgID, incarnation: UInt32) -> NoteSigner {
    NoteSigner(name: origin(of: org, incarnation: incarnation), key: key)
  }

  /// Of the log whose entries are the texts of the orgs' checkpoints: `<name>/i<incarnation>/instance`.
  package func instanceSigner(incarnation: UInt32) -> NoteSigner {
    NoteSigner(name: "\(name)/i\(incarnation)/instance", key: key)
  }
}

/// A row of the table `heads`: the checkpoint of an org that was signed last.
/// Value: incarnation (4), size (8), root (32), XXH64 (8).
struct SignedHead: Equatable {
  let incarnation: UInt32
  let head: TreeHead

  init(incarnation: UInt32, head: TreeHead) {
    self.incarnation = incarnation
    self.head = head
  }

  init(_ value: RawSpan) throws(EventLogError) {
    guard value.byteCount == 52,
      XXH64.hash(value.extracting(0..<44), seed: 0) == value.load64(at: 44),
      let root = Digest((12..<44).map { value.load8(at: $0) })
    else { throw .corrupted(position: 0, reason: "a signed head fails its checksum") }
    incarnation = value.load32(at: 0)
    head = TreeHead(size: value.load64(at: 4), root: root)
  }

  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendLittle(incarnation)
    bytes.appendLittle(head.size)
    head.root.append(to: &bytes)
    bytes.appendLittle(unsafe XXH64.hash(bytes.span.bytes, seed: 0))
    return bytes
  }
}

extension GroupWriter {
  /// Signs the durable head of `org`.
  ///
  /// Two signatures under one origin that contradict each other are a fork that anybody can prove, so the head
  /// is stored before the signature exists, and another root at or below a signed size is refused. The root is of the tree that was
  /// grown from the leaves; a head is signed only where the stored rows, which proofs are made of, make the same (TreeCheck.swift).
  func sign(_ org: OrgID, with key: CheckpointKey) throws -> String {
    let head = try currentHead(of: org)
    let next = SignedHead(incarnation: store.format.incarnation, head: head)
    let last = try store.environment.read { transaction throws in
      try store.signedHead(of: org, transaction)
    }
    if let last, last.incarnation > next.incarnation {
      // A restore began a new history, and this is the old one brought back.
      throw EventLogError.corrupted(
        position: 0, reason: "a later incarnation of this log has signed checkpoints")
    }
    if let last, last.incarnation == next.incarnation, last != next {
      guard last.head.size < head.size else {
        throw EventLogError.corrupted(
          position: 0, reason: "a checkpoint of a longer or other history was signed already")
      }
      guard try store.root(of: org, size: last.head.size) == last.head.root else {
        // Where it is a damaged row that says so, that is what is wrong.
        _ = try store.checkedHead(of: org)
        throw EventLogError.corrupted(
          position: 0, reason: "the tree does not go on from the checkpoint signed last")
      }
    }
    if last != next {
      try store.requireRows(of: org, agreeingWith: head)
      try store.rewriting { transaction throws in
        try transaction.put(next.bytes, forKey: OrgRecord.key(org), in: store.heads)
      }
    }
    let signer = key.signer(of: org, incarnation: next.incarnation)
    return try signer.sign(
      Checkpoint(origin: signer.name, size: head.size, root: head.root).text)
  }
}

/// Which log, and which of its histories.
package struct LogIdentity: Equatable, Sendable {
  /// 16 hex digits, drawn when the log was created.
  package let id: String
  /// 1, and one more after each restore to an earlier state.
  package let incarnation: UInt32
}

/// Signs heads of trees: the one writer, since a head is stored before it is signed.
package protocol HeadSigner: LogProver {
  var identity: LogIdentity { get }

  /// The head of the org's tree, with all stored rows of it read and compared with each other and with the leaves that came last.
  ///
  /// - Throws: `.corrupted` where they contradict each other.
  func checkedHead(of org: OrgID) throws(EventLogError) -> TreeHead

  /// The head of the org's tree that was stored to be signed last, and in which history; nil before the first.
  func signedHead(
    of org: OrgID
  ) throws(EventLogError) -> (incarnation: UInt32, head: TreeHead)?

  /// A signed checkpoint of the org's durable head: origin, size, root and one Ed25519 signature.
  ///
  /// - Throws: `.corrupted` where the signature would contradict an earlier one, or an incarnation
  ///   after this one has signed already, or where a stored row of the org's tree is damaged.
  func checkpoint(
    of org: OrgID, signedBy key: CheckpointKey
  ) async throws(EventLogError) -> String
}

extension LogStore {
  func signedHead(
    of org: OrgID, _ transaction: borrowing ReadTransaction
  ) throws -> SignedHead? {
    try transaction.withValue(forKey: OrgRecord.key(org), in: heads) { try SignedHead($0) }
  }

  var identity: LogIdentity {
    var bytes: [UInt8] = []
    bytes.appendBig(UInt64(truncatingIfNeeded: format.logID))
    return LogIdentity(id: Hex.encode(bytes), incarnation: format.incarnation)
  }
}

extension LMDBLogReader {
  package var identity: LogIdentity { store.identity }

  /// As whoever signs has it.
  package func checkedHead(of org: OrgID) throws(EventLogError) -> TreeHead {
    try store.checkedHead(of: org)
  }
}

extension LMDBEventLog: HeadSigner {
  package var identity: LogIdentity { store.identity }

  package func signedHead(
    of org: OrgID
  ) throws(EventLogError) -> (incarnation: UInt32, head: TreeHead)? {
    try mappingErrors {
      try store.reading { transaction throws in
        try store.signedHead(of: org, transaction).map { ($0.incarnation, $0.head) }
      }
    }
  }

  package func checkedHead(of org: OrgID) throws(EventLogError) -> TreeHead {
    try store.checkedHead(of: org)
  }

  /// A signed checkpoint of the org's durable head: origin, size, root and one Ed25519 signature.
  package func checkpoint(
    of org: OrgID, signedBy key: CheckpointKey
  ) async throws(EventLogError) -> String {
    // What takes long the first time is not done on the writer's thread, where commits would wait for it.
    while try !store.checkRows(of: org) { await Task.yield() }
    return try await core.onWriterThread { try $0.sign(org, with: key) }
  }

  /// What others check this log's checkpoints of `org` with.
  package func verifier(of org: OrgID, key: CheckpointKey) -> NoteVerifier {
    key.signer(of: org, incarnation: store.format.incarnation).verifier
  }
}
