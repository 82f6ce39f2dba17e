// Heads of trees as texts: c2sp.org/tlog-checkpoint in c2sp.org/signed-note, Ed25519 (type 0x01).
//
//   origin            ledger.example/i1/org/7b2c
//   size              64
//   root              base64, padded
//   (empty line)
//   signature         — name base64(key id (4) ‖ signature (64))

import Crypto

/// Why a text is not the checkpoint or the proof that it should be.
package struct NoteError: Error, Equatable, CustomStringConvertible {
  package let reason: String
  package var description: String { reason }
}

/// The size and root of a tree, under the name of its log.
package struct Checkpoint: Equatable, Sendable {
  package let origin: String
  package let size: UInt64
  package let root: Digest

  package init(origin: String, size: UInt64, root: Digest) {
    self.origin = origin
    self.size = size
    self.root = root
  }

  package var rootText: String { Base64.encode(root.bytes) }

  /// The three lines that are signed.
  package var text: String { "\(origin)\n\(size)\n\(rootText)\n" }

  /// - Throws: `NoteError` for anything but the one way to write it, extension lines included.
  package init(text: String) throws(NoteError) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 4, lines[3].isEmpty, !lines[0].isEmpty else {
      throw NoteError(reason: "a checkpoint has three lines")
    }
    guard let size = UInt64(lines[1]), String(size) == lines[1] else {
      throw NoteError(reason: "the size is not a decimal number")
    }
    guard let root = Digest(base64: lines[2]) else {
      throw NoteError(reason: "the root is not 32 bytes in base64")
    }
    self.init(origin: String(lines[0]), size: size, root: root)
  }
}

extension SHA256.Digest {
  init?(base64 text: some StringProtocol) {
    guard let bytes = try? Base64.decode(text), Base64.encode(bytes) == text else { return nil }
    self.init(bytes)
  }
}

/// Who signs notes: a name and an Ed25519 key.
package struct NoteSigner: Sendable {
  package let name: String
  private let key: Ed25519.PrivateKey

  package init(name: String, key: Ed25519.PrivateKey) {
    precondition(NoteVerifier.isName(name), "a key name has no white space and no plus sign")
    self.name = name
    self.key = key
  }

  package var verifier: NoteVerifier { NoteVerifier(name: name, publicKey: key.publicKey) }

  /// `text` (which ends with a newline) with an empty line and the signature after it.
  package func sign(_ text: String) throws(CryptoError) -> String {
    precondition(text.hasSuffix("\n"), "a note's text ends with a newline")
    let signature = try key.sign(Array(text.utf8))
    return text + "\n— \(name) \(Base64.encode(verifier.keyID + signature))\n"
  }
}

/// Whose signatures are believed.
package struct NoteVerifier: Equatable, Sendable {
  private static let ed25519: UInt8 = 0x01

  package let name: String
  package let publicKey: [UInt8]

  package init(name: String, publicKey: [UInt8]) {
    self.name = name
    self.publicKey = publicKey
  }

  /// From a verifier key `name+hex(key id)+base64(0x01 ‖ public key)`.
  ///
  /// - Throws: `NoteError`, also where the key id is not the key's.
  package init(verifierKey: String) throws(NoteError) {
    let fields = verifierKey.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3, Self.isName(String(fields[0])),
      let bytes = try? Base64.decode(fields[2]), bytes.count == 33, bytes[0] == Self.ed25519
    else { throw NoteError(reason: "not an Ed25519 verifier key") }
    self.init(name: String(fields[0]), publicKey: Array(bytes.dropFirst()))
    guard Hex.encode(keyID) == fields[1] else {
      throw NoteError(reason: "the key id is not the key's")
    }
  }

  package var verifierKey: String {
    "\(name)+\(Hex.encode(keyID))+\(Base64.encode([Self.ed25519] + publicKey))"
  }

  /// SHA-256(name ‖ newline ‖ 0x01 ‖ public key), the first four bytes.
  package var keyID: [UInt8] {
    Array(SHA256.hash(Array(name.utf8) + [0x0a, Self.ed25519] + publicKey).prefix(4))
  }

  /// The signed text of `note`, where one of its signatures is this verifier's and right.
  package func open(_ note: String) throws(NoteError) -> String {
    guard let separator = note.utf8.lastRange(of: Array("\n\n".utf8)) else {
      throw NoteError(reason: "a note has an empty line before its signatures")
    }
    let text = String(decoding: note.utf8[..<note.utf8.index(after: separator)], as: UTF8.self)
    let signatures = String(
      decoding: note.utf8[note.utf8.index(separator, offsetBy: 2)...], as: UTF8.self)
    guard signatures.hasSuffix("\n") else { throw NoteError(reason: "a note ends with a newline") }
    for line in signatures.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
      guard let signature = try Self.signature(in: line, by: name), signature.id == keyID else {
        continue
      }
      let isValid = try? Ed25519.isValid(
        signature.bytes, for: Array(text.utf8), publicKey: publicKey)
      guard isValid == true else { throw NoteError(reason: "a signature is wrong") }
      return text
    }
    throw NoteError(reason: "no signature by this key")
  }

  private static func signature(
    in line: Substring, by name: String
  ) throws(NoteError) -> (id: [UInt8], bytes: [UInt8])? {
    let fields = line.split(separator: " ", omittingEmptySubsequences: false)
    guard fields.count == 3, fields[0] == "—", let bytes = try? Base64.decode(fields[2]),
      bytes.count > 4
    else { throw NoteError(reason: "a line that is not a signature") }
    return fields[1] == name ? (Array(bytes.prefix(4)), Array(bytes.dropFirst(4))) : nil
  }

  static func isName(_ name: String) -> Bool {
    !name.isEmpty && !name.contains { $0.isWhitespace || $0 == "+" }
  }
}

extension String.UTF8View {
  /// Where the last occurrence of `bytes` begins.
  fileprivate func lastRange(of bytes: [UInt8]) -> Index? {
    guard count >= bytes.count else { return nil }
    var start = index(endIndex, offsetBy: -bytes.count)
    while true {
      if self[start...].starts(with: bytes) { return start }
      guard start > startIndex else { return nil }
      start = index(before: start)
    }
  }
}
