// Proofs as texts: c2sp.org/tlog-proof@v1, c2sp.org/tlog-witness (the body of add-checkpoint), and the
// paths of c2sp.org/tlog-tiles.

import Crypto

/// That one leaf is in the tree of a signed checkpoint.
package struct InclusionProof: Equatable, Sendable {
  private static let header = "c2sp.org/tlog-proof@v1"

  package let index: UInt64
  package let path: [Digest]
  /// With its signatures, as it was given out.
  package let checkpoint: String

  package init(index: UInt64, path: [Digest], checkpoint: String) {
    self.index = index
    self.path = path
    self.checkpoint = checkpoint
  }

  package var text: String {
    let hashes = path.map { Base64.encode($0.bytes) + "\n" }.joined()
    return "\(Self.header)\nindex \(index)\n\(hashes)\n\(checkpoint)"
  }

  package init(text: String) throws(NoteError) {
    let (head, checkpoint) = try splitAtEmptyLine(text)
    guard head.count >= 2, head[0] == Self.header else {
      throw NoteError(reason: "not a tlog-proof@v1")
    }
    index = try number(head[1], after: "index ")
    path = try hashes(head.dropFirst(2))
    self.checkpoint = checkpoint
  }

  /// Whether it proves `leaf`, under a checkpoint that `verifier` signed.
  package func isValid(for leaf: [UInt8], verifier: NoteVerifier) throws(NoteError) -> Bool {
    let head = try Checkpoint(text: try verifier.open(checkpoint))
    // One key signs for many logs, and a signature covers the text alone: the name beside it may be any of them.
    guard head.origin == verifier.name else { return false }
    return MerkleTree.isIncluded(
      MerkleTree.leafHash(leaf), index: index, size: head.size, proof: path, root: head.root)
  }
}

/// That a signed checkpoint goes on from an older size.
package struct ConsistencyProof: Equatable, Sendable {
  package let oldSize: UInt64
  package let path: [Digest]
  package let checkpoint: String

  package init(oldSize: UInt64, path: [Digest], checkpoint: String) {
    self.oldSize = oldSize
    self.path = path
    self.checkpoint = checkpoint
  }

  package var text: String {
    "old \(oldSize)\n\(path.map { Base64.encode($0.bytes) + "\n" }.joined())\n\(checkpoint)"
  }

  package init(text: String) throws(NoteError) {
    let (head, checkpoint) = try splitAtEmptyLine(text)
    guard let first = head.first else { throw NoteError(reason: "an empty proof") }
    oldSize = try number(first, after: "old ")
    path = try hashes(head.dropFirst())
    self.checkpoint = checkpoint
  }
}

private func splitAtEmptyLine(
  _ text: String
) throws(NoteError) -> (head: [Substring], rest: String) {
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
  guard let empty = lines.firstIndex(of: "") else {
    throw NoteError(reason: "no empty line before the checkpoint")
  }
  return (Array(lines[..<empty]), lines[(empty + 1)...].joined(separator: "\n"))
}

private func number(_ line: Substring, after prefix: String) throws(NoteError) -> UInt64 {
  guard line.hasPrefix(prefix), let number = UInt64(line.dropFirst(prefix.count)),
    "\(prefix)\(number)" == line
  else { throw NoteError(reason: "no number after \(prefix)") }
  return number
}

private func hashes(_ lines: some Collection<Substring>) throws(NoteError) -> [Digest] {
  var hashes: [Digest] = []
  for line in lines {
    guard let hash = Digest(base64: line) else {
      throw NoteError(reason: "a line that is not a hash")
    }
    hashes.append(hash)
  }
  return hashes
}

/// Where a tile of a static log lies.
package enum TilePath {
  package static let leafCount = 256

  /// `tile/<level>/<index>`, with `.p/<width>` where the tile is not full.
  package static func tile(level: Int, index: UInt64, width: Int) -> String {
    path("tile/\(level)", index, width)
  }

  /// `tile/entries/<index>`: the leaves themselves.
  package static func entries(index: UInt64, width: Int) -> String {
    path("tile/entries", index, width)
  }

  /// Which entry bundle a path names; nil unless it is written in the one way.
  package static func entryBundle(_ path: String) -> (index: UInt64, width: Int)? {
    var pieces = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2)
    var width = leafCount
    if let last = pieces.last, pieces.dropLast().last?.hasSuffix(".p") == true {
      width = Int(last) ?? 0
      pieces = pieces.dropLast()
    }
    guard (1...leafCount).contains(width) else { return nil }
    let digits = pieces.joined().filter(\.isNumber)
    guard let index = UInt64(digits), entries(index: index, width: width) == path else {
      return nil
    }
    return (index, width)
  }

  /// Decimal in groups of three digits, all but the last marked with an x.
  private static func path(_ folder: String, _ index: UInt64, _ width: Int) -> String {
    func digits(_ number: UInt64) -> String {
      let text = String(number)
      return String(repeating: "0", count: 3 - text.count) + text
    }
    var name = digits(index % 1000)
    var rest = index / 1000
    while rest > 0 {
      name = "x\(digits(rest % 1000))/\(name)"
      rest /= 1000
    }
    return "\(folder)/\(name)" + (width == leafCount ? "" : ".p/\(width)")
  }
}
