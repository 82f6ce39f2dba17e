import Crypto
import HTTP

extension HTTPRequest {
  private static let aboutTheAnswer: Set<String> = [
    Parameter.dryRun.name, Parameter.waitForProjection.name,
  ]

  /// SHA-256, equal for requests that order the same: by their bodies, and by what the parameters say of the order
  /// itself, such as whom a PUT is about or how a file is to be read.
  var orderDigest: [UInt8] {
    var hash = SHA256()
    if mediaType == "multipart/form-data", let parts = try? Multipart.parts(of: self) {
      // Not the bytes of the body: clients draw another boundary for every attempt.
      for part in parts where part.name != Parameter.dryRun.name {
        for text in [part.name, part.filename] { hash.update(Self.counted(text?.utf8)) }
        hash.update(Self.counted(part.body))
      }
    } else {
      hash.update(body)
    }
    for item in query where !Self.aboutTheAnswer.contains(item.name) {
      hash.update(Array("\n\(item.name)=\(item.value)".utf8))
    }
    return hash.finalize()
  }

  /// With its length in front, so that nothing of one part reads as the next.
  private static func counted(_ bytes: (some Collection<UInt8>)?) -> [UInt8] {
    guard let bytes else { return Array("-:".utf8) }
    return Array("\(bytes.count):".utf8) + bytes
  }
}

/// What fingerprints of orders are made with. They stand in the log beside what is sealed, and stay when a person is
/// erased: without a secret, a short list of guesses would tell whose number, or which password, was in the body.
package struct OrderKey: Sendable {
  private let code: HMACSHA256

  package init(_ key: [UInt8]) { code = HMACSHA256(key: key) }

  /// Of a request's `orderDigest`.
  func fingerprint(of digest: [UInt8]) -> UInt128 { Self.number(code.authenticate(digest)) }

  /// As it was made before there was a secret.
  static func formerFingerprint(of digest: [UInt8]) -> UInt128 { number(digest) }

  private static func number(_ bytes: [UInt8]) -> UInt128 {
    bytes.prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
  }
}
