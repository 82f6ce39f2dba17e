import Crypto
import HTTP

/// Whether a webhook comes from Twilio. Source: the request validator of twilio-python 9.13.0 and
/// Twilio's page on webhook security.
///
/// The text that is signed:
/// - a form: the URL, then each parameter's name and value, names in byte order, no separators. A name
///   that occurs several times contributes its distinct values, sorted.
/// - GET, or a POST without a body: the URL alone.
/// - any other body: the URL alone, whose query holds `bodySHA256`, the digest of the body in hex.
///
/// The URL is the one that was given to Twilio, so it is rebuilt from configuration, never from a
/// `Host` header. Twilio is not consistent about the port, so it may be there or not.
package enum TwilioSignature {
  package static let header = "X-Twilio-Signature"
  package static let settingsHeader = "X-Twilio-Webhooks-Signature-Settings"

  /// What Twilio may have signed with.
  package struct Keys: Sendable {
    /// The account's auth token; during a rotation the old one and the new one.
    package var authTokens: [String]
    /// The secrets of shared keys by their ids.
    package var sharedKeys: [String: String]

    package init(authTokens: [String], sharedKeys: [String: String] = [:]) {
      self.authTokens = authTokens
      self.sharedKeys = sharedKeys
    }
  }

  /// Whether `request` was signed with one of `keys`. `url` is the one that was given to Twilio:
  /// scheme, host, path and query.
  package static func isValid(_ request: HTTPRequest, url: String, keys: Keys) -> Bool {
    let isForm = request.mediaType == FormCoding.contentType
    return isValid(
      url: url, parameters: isForm ? FormCoding.decode(bytes: request.body) : [],
      body: isForm ? [] : request.body, signature: request.headers[header],
      settings: request.headers[settingsHeader], keys: keys)
  }

  /// The same, from parts: the decoded `parameters` of a form and no `body`, or the raw `body` and no
  /// parameters; `signature` and `settings` are the values of the two headers.
  package static func isValid(
    url: String, parameters: [QueryItem], body: [UInt8], signature: String?,
    settings: String? = nil, keys: Keys
  ) -> Bool {
    guard let signature, let scheme = Scheme(settings: settings, keys: keys) else { return false }
    guard parameters.isEmpty ? bodyFits(url, body) : body.isEmpty else { return false }
    let given = Array(signature.utf8)
    var isValid = false
    for candidate in variants(of: url) {
      let text = Array(candidate.utf8) + joined(parameters)
      for secret in scheme.secrets {
        let code = Base64.encode(scheme.algorithm.code(of: text, key: Array(secret.utf8)))
        // No early exit: the time tells nothing about which variant or key came close.
        if constantTimeEqual(Array(code.utf8), given) { isValid = true }
      }
    }
    return isValid
  }

  /// Names and values in the order and form in which they are signed.
  static func joined(_ parameters: [QueryItem]) -> [UInt8] {
    // By bytes: Swift's own order and equality of strings go by canonical equivalence.
    let pairs = parameters.map { (Array($0.name.utf8), Array($0.value.utf8)) }
      .sorted { $0.0 == $1.0 ? less($0.1, $1.1) : less($0.0, $1.0) }
    var text: [UInt8] = []
    for (index, pair) in pairs.enumerated() {
      if index > 0, pairs[index - 1] == pair { continue }
      text += pair.0
      text += pair.1
    }
    return text
  }

  private static func less(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.lexicographicallyPrecedes(right)
  }

  /// Whether the digest in the URL, which the signature covers, is that of `body`. A body without a
  /// digest is signed by nobody.
  private static func bodyFits(_ url: String, _ body: [UInt8]) -> Bool {
    let query = url.firstIndex(of: "?").map { FormCoding.decode(url[url.index(after: $0)...]) }
    guard let digest = query?.first(where: { $0.name == "bodySHA256" })?.value else {
      return body.isEmpty
    }
    return constantTimeEqual(Array(digest.utf8), Array(Hex.encode(SHA256.hash(body)).utf8))
  }
}

// MARK: - Keys and algorithms

extension TwilioSignature {
  private enum Algorithm {
    case hmacSHA1, hmacSHA256

    func code(of text: [UInt8], key: [UInt8]) -> [UInt8] {
      switch self {
      case .hmacSHA1: HMACSHA1.authenticate(text, key: key)
      case .hmacSHA256: HMACSHA256.authenticate(text, key: key)
      }
    }
  }

  /// What the settings header says: by which algorithm, and with which secrets. Without an algorithm
  /// in it, as without the header: HMAC-SHA1 with the auth token.
  private struct Scheme {
    let algorithm: Algorithm
    let secrets: [String]

    /// Nil where the header names an algorithm or a key that we do not know.
    init?(settings: String?, keys: Keys) {
      var algorithm: Algorithm?
      var secrets = keys.authTokens
      for setting in (settings ?? "").split(separator: ",") {
        let parts = setting.split(separator: "=", maxSplits: 1).map { trimmed($0) }
        guard parts.count == 2 else { return nil }
        switch (parts[0], parts[1]) {
        case ("algorithm", "HMAC_SHA1"): algorithm = .hmacSHA1
        case ("algorithm", "HMAC_SHA256"): algorithm = .hmacSHA256
        case ("algorithm", _): return nil
        case ("key", let id):
          guard let secret = keys.sharedKeys[id] else { return nil }
          secrets = [secret]
        default: continue
        }
      }
      self.algorithm = algorithm ?? .hmacSHA1
      self.secrets = algorithm == nil ? keys.authTokens : secrets
    }
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}

// MARK: - The URL and its port

extension TwilioSignature {
  /// `url` without its fragment: as it is, without its port, and with the scheme's default port.
  static func variants(of url: String) -> [String] {
    let url = String(url.prefix { $0 != "#" })
    guard let schemeEnd = url.firstRange(of: "://") else { return [url] }
    let scheme = url[..<schemeEnd.lowerBound]
    let rest = url[schemeEnd.upperBound...]
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    let tail = rest[authority.endIndex...]
    let bare = withoutPort(authority)
    let port = scheme.lowercased() == "http" ? 80 : 443
    var variants = [url]
    for host in [String(bare), "\(bare):\(port)"] {
      let variant = "\(scheme)://\(host)\(tail)"
      if !variants.contains(variant) { variants.append(variant) }
    }
    return variants
  }

  private static func withoutPort(_ authority: Substring) -> Substring {
    guard let colon = authority.lastIndex(of: ":") else { return authority }
    let port = authority[authority.index(after: colon)...]
    // The colons of `[::1]` and of `user:password@host` are none before a port.
    guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return authority }
    return authority[..<colon]
  }
}
