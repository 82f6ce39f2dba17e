import Crypto
import Foundation
import Merkle
import Testing

/// `vectors/rfc6962.json`: made by Go's x/mod, checked by four other implementations.
private struct Vectors: Decodable {
  struct Inclusion: Decodable {
    let index: UInt64
    let size: UInt64
    let proof: [String]
  }

  struct Consistency: Decodable {
    let old: UInt64
    let new: UInt64
    let proof: [String]
  }

  struct Note: Decodable {
    struct Head: Decodable {
      let note: String
      let size: UInt64
      let text: String
    }

    struct Example: Decodable {
      let note: String
      let vkey: String
    }

    let checkpoints: [Head]
    let origin: String
    let seed_hex: String
    let spec_example: Example
    let vkey: String
  }

  struct Big: Decodable {
    struct Root: Decodable {
      let root: String
      let size: UInt64
    }

    struct Tile: Decodable {
      let bytes: Int
      let path: String
      let sha256: String
    }

    let roots: [Root]
    let tiles_at_70000: [Tile]
  }

  let entries: [String]
  let leaf_hashes: [String]
  let roots: [String]
  let inclusion: [Inclusion]
  let consistency: [Consistency]
  let note: Note
  let big: Big
  let tlog_proof: String
  let add_checkpoint: String

  /// Beside the package, or beside the folder that holds the package's work tree.
  static var file: URL? {
    let package = URL(filePath: #filePath).appending(path: "../../..").standardized
    return ["../shared", "../../shared"].map {
      package.appending(path: $0 + "/vectors/rfc6962.json").standardized
    }.first { FileManager.default.fileExists(atPath: $0.path) }
  }

  static func load() throws -> Vectors {
    let url = try #require(file)
    return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: url))
  }
}

private func digest(_ text: String) throws -> Digest {
  try #require(Digest(try Base64.decode(text)))
}

@Suite(.enabled(if: Vectors.file != nil, "the shared test vectors are not on this machine"))
struct MerkleVectorTests {
  private let vectors: Vectors

  init() throws { vectors = try Vectors.load() }

  private func tree() throws -> SubtreeTable {
    var tree = SubtreeTable()
    for entry in vectors.entries {
      tree.append(MerkleTree.leafHash(try Base64.decode(entry)))
    }
    return tree
  }

  @Test func `leaf hashes and the roots of all sizes are those of the vectors`() throws {
    var frontier = Frontier()
    #expect(frontier.root == (try digest(vectors.roots[0])))
    for (index, entry) in vectors.entries.enumerated() {
      let hash = MerkleTree.leafHash(try Base64.decode(entry))
      try #require(try hash == digest(vectors.leaf_hashes[index]))
      frontier.append(hash)
      try #require(try frontier.root == digest(vectors.roots[index + 1]))
      let again = try #require(
        Frontier(size: frontier.size, roots: frontier.subtreeRoots))
      try #require(again.root == frontier.root)
    }
  }

  @Test func `all inclusion proofs are made as given, accepted, and refused when damaged`() throws {
    let tree = try tree()
    try #require(vectors.inclusion.count == 2080)
    for vector in vectors.inclusion {
      let proof = try vector.proof.map { try digest($0) }
      let made = try MerkleTree.inclusionProof(
        index: vector.index, size: vector.size, tree.subtree)
      try #require(made == proof)
      let leaf = try digest(vectors.leaf_hashes[Int(vector.index)])
      let root = try digest(vectors.roots[Int(vector.size)])
      func isIncluded(_ proof: [Digest], _ root: Digest) -> Bool {
        MerkleTree.isIncluded(
          leaf, index: vector.index, size: vector.size, proof: proof, root: root)
      }
      try #require(isIncluded(proof, root))
      try #require(!isIncluded(proof + [leaf], root))
      try #require(!isIncluded(proof, MerkleTree.nodeHash(root, root)))
      if !proof.isEmpty { try #require(!isIncluded(Array(proof.dropLast()), root)) }
    }
  }

  @Test func `all consistency proofs are made as given, accepted, and refused when damaged`() throws
  {
    let tree = try tree()
    try #require(vectors.consistency.count == 2080)
    for vector in vectors.consistency {
      let proof = try vector.proof.map { try digest($0) }
      let made = try MerkleTree.consistencyProof(old: vector.old, new: vector.new, tree.subtree)
      try #require(made == proof)
      let oldRoot = try digest(vectors.roots[Int(vector.old)])
      let newRoot = try digest(vectors.roots[Int(vector.new)])
      func isConsistent(_ proof: [Digest], _ newRoot: Digest) -> Bool {
        MerkleTree.isConsistent(
          old: vector.old, oldRoot: oldRoot, new: vector.new, newRoot: newRoot, proof: proof)
      }
      try #require(isConsistent(proof, newRoot))
      try #require(!isConsistent(proof + [oldRoot], newRoot))
      try #require(!isConsistent(proof, MerkleTree.nodeHash(newRoot, newRoot)))
    }
  }

  @Test func `roots and tiles of a tree of 70,000 leaves are those of the vectors`() throws {
    var frontier = Frontier()
    var builder = TileBuilder()
    var tiles: [String: [UInt8]] = [:]
    func keep(_ path: String, _ bytes: [UInt8]) { tiles[path] = bytes }
    var roots: [UInt64: Digest] = [:]
    let sizes = Set(vectors.big.roots.map(\.size))
    for index in 0..<UInt64(70_000) {
      let entry = (0..<8).map { UInt8(truncatingIfNeeded: index >> (56 - 8 * $0)) }
      frontier.append(MerkleTree.leafHash(entry))
      try builder.append(MerkleTree.leafHash(entry), emit: keep)
      if sizes.contains(index + 1) { roots[index + 1] = frontier.root }
    }
    try builder.finish(emit: keep)
    for vector in vectors.big.roots {
      try #require(try roots[vector.size] == digest(vector.root))
    }
    try #require(tiles.count == vectors.big.tiles_at_70000.count)
    for vector in vectors.big.tiles_at_70000 {
      let tile = try #require(tiles[vector.path])
      try #require(tile.count == vector.bytes)
      try #require(Hex.encode(SHA256.hash(tile)) == vector.sha256)
    }
  }

  @Test func `checkpoints are signed and opened byte for byte`() throws {
    let note = vectors.note
    let signer = NoteSigner(
      name: note.origin, key: try Ed25519.PrivateKey(seed: try Hex.decode(note.seed_hex)))
    #expect(signer.verifier.verifierKey == note.vkey)
    let verifier = try NoteVerifier(verifierKey: note.vkey)
    for head in note.checkpoints {
      let checkpoint = try Checkpoint(text: head.text)
      #expect(checkpoint.size == head.size && checkpoint.text == head.text)
      #expect(try signer.sign(head.text) == head.note)
      #expect(try verifier.open(head.note) == head.text)
      let forged = head.note.replacingOccurrences(of: "\n\(head.size)\n", with: "\n99999\n")
      #expect(throws: NoteError.self) { try verifier.open(forged) }
    }
    let example = try NoteVerifier(verifierKey: note.spec_example.vkey)
    #expect(try example.open(note.spec_example.note) == "This is an example message.\n")
    #expect(throws: NoteError.self) { try example.open(note.checkpoints[0].note) }
  }

  @Test func `proofs are written and read byte for byte`() throws {
    let proof = try InclusionProof(text: vectors.tlog_proof)
    #expect(proof.text == vectors.tlog_proof)
    let verifier = try NoteVerifier(verifierKey: vectors.note.vkey)
    let leaf = try Base64.decode(vectors.entries[Int(proof.index)])
    #expect(try proof.isValid(for: leaf, verifier: verifier))
    #expect(try !proof.isValid(for: leaf + [0], verifier: verifier))
    // The same head under the name of another log that the same key signs for.
    let other = NoteSigner(
      name: "other.example/log",
      key: try Ed25519.PrivateKey(seed: try Hex.decode(vectors.note.seed_hex)))
    let moved = InclusionProof(
      index: proof.index, path: proof.path,
      checkpoint: try other.sign(try verifier.open(proof.checkpoint)))
    #expect(try !moved.isValid(for: leaf, verifier: other.verifier))
    let consistency = try ConsistencyProof(text: vectors.add_checkpoint)
    #expect(consistency.text == vectors.add_checkpoint)
    let head = try Checkpoint(text: try verifier.open(consistency.checkpoint))
    #expect(
      MerkleTree.isConsistent(
        old: consistency.oldSize, oldRoot: try digest(vectors.roots[Int(consistency.oldSize)]),
        new: head.size, newRoot: head.root, proof: consistency.path))
  }
}

/// What needs no vectors.
@Suite struct MerkleTests {
  /// Goal: leaves added together make the tree that they make one by one. Method: runs of all lengths up to three subtrees, begun
  /// at all places of one.
  @Test func `leaves added together complete the subtrees that they complete one by one`() throws {
    let leaves = (0..<200).map { MerkleTree.leafHash([UInt8($0)]) }
    for start in 0..<40 {
      for count in 0..<50 {
        var alone = Frontier()
        for leaf in leaves[..<start] { alone.append(leaf) }
        var together = alone
        var expected: [String] = []
        for leaf in leaves[start..<start + count] {
          alone.append(leaf) { level, index, hash in
            guard level >= Frontier.batchLevel else { return }
            expected.append("\(level) \(index) \(hash.bytes)")
          }
        }
        var completed: [String] = []
        together.append(contentsOf: Array(leaves[start..<start + count])) { level, index, hash in
          completed.append("\(level) \(index) \(hash.bytes)")
        }
        try #require(together == alone, "\(count) leaves after \(start)")
        try #require(completed == expected, "\(count) leaves after \(start)")
      }
    }
  }

  @Test func `tile paths follow the specification`() {
    #expect(TilePath.tile(level: 0, index: 1_234_067, width: 256) == "tile/0/x001/x234/067")
    #expect(TilePath.entries(index: 273, width: 112) == "tile/entries/273.p/112")
  }
}
