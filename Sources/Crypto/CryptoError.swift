/// Why a cryptographic operation gave no result. Never carries key, message or password bytes.
package enum CryptoError: Error, Equatable, CustomStringConvertible {
  /// Sealed bytes, key, nonce or associated bytes are not those of the sealing.
  case authenticationFailed
  case invalidLength(of: String, expected: Int, actual: Int)
  /// A public key that does not parse, or is of another kind.
  case malformedKey
  /// A stored password hash that is not of the form `scrypt$N$r$p$salt$hash`, or asks for more
  /// work than this process is willing to do.
  case malformedPasswordHash
  /// Text that is not the one strict encoding of some bytes.
  case malformedEncoding
  /// libcrypto refused a call that it should accept: out of memory, or a broken installation.
  case library(function: String)

  package var code: String {
    switch self {
    case .authenticationFailed: "authentication_failed"
    case .invalidLength: "invalid_length"
    case .malformedKey: "malformed_key"
    case .malformedPasswordHash: "malformed_password_hash"
    case .malformedEncoding: "malformed_encoding"
    case .library: "crypto_library_failed"
    }
  }

  /// The same call with the same bytes fails again, unless the library itself was short of memory.
  package var isRetryable: Bool {
    switch self {
    case .library: true
    case .authenticationFailed, .invalidLength, .malformedKey, .malformedPasswordHash,
      .malformedEncoding:
      false
    }
  }

  package var description: String {
    switch self {
    case .authenticationFailed: "\(code): the sealed bytes are not what this key sealed"
    case .invalidLength(let what, let expected, let actual):
      "\(code): \(what) has \(actual) bytes instead of \(expected)"
    case .malformedKey: "\(code): not a public key of the expected kind"
    case .malformedPasswordHash: "\(code): not a stored password hash"
    case .malformedEncoding: "\(code): not a strict encoding"
    case .library(let function): "\(code): \(function) failed"
    }
  }
}
