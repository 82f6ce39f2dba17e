import Crypto
import HTTP

extension HTTPRequest {
  private static let aboutTheAnswer: Set<String> = [
    Parameter.dryRun.name, Parameter.waitForProjection.name,
  ]

  /// Equal for requests that order the same: by their bodies, and by what the parameters say of the order itself, such
  /// as whom a PUT is about or how a file is to be read.
  var orderFingerprint: UInt128 {
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
    return hash.finalize().prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
  }

  /// With its length in front, so that nothing of one part reads as the next.
  private static func counted(_ bytes: (some Collection<UInt8>)?) -> [UInt8] {
    guard let bytes else { return Array("-:".utf8) }
    return Array("\(bytes.count):".utf8) + bytes
  }
}
