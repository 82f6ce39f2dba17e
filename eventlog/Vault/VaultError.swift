import Crypto
import Glibc
import LMDB

/// Why keys cannot be had. Names no subject: descriptions end up in logs.
package enum VaultError: Error, Equatable {
  /// There is no root key where it should be, and the vault is not new.
  case rootKeyMissing
  case rootKeyUnusable(reason: String)
  /// An org's key was wrapped by another root key.
  case wrongRootKey
  /// A record of the vault is not what the org's key sealed.
  case damagedRecord
  case crypto(CryptoError)
  case storage(LMDBError)
  case file(function: String, code: Int32)
  case closed
}

extension VaultError: CustomStringConvertible {
  package var code: String {
    switch self {
    case .rootKeyMissing: "root_key_missing"
    case .rootKeyUnusable: "root_key_unusable"
    case .wrongRootKey: "wrong_root_key"
    case .damagedRecord: "vault_damaged"
    case .crypto: "vault_crypto_failure"
    case .storage: "vault_storage_failure"
    case .file: "vault_file_failure"
    case .closed: "vault_closed"
    }
  }

  /// Whether it says nothing of other records than the one that was asked for.
  package var isOfOneRecord: Bool { self == .damagedRecord || self == .wrongRootKey }

  /// The disk or the system failed, otherwise than by being full.
  package var isOfTheDisk: Bool {
    switch self {
    case .storage(let error): !error.isDiskFull
    case .file(_, let code): code != ENOSPC && code != EDQUOT
    case .rootKeyMissing, .rootKeyUnusable, .wrongRootKey, .damagedRecord, .crypto, .closed: false
    }
  }

  package var isRetryable: Bool {
    switch self {
    case .storage(let error): error.isMapFull || error.isDiskFull
    case .rootKeyMissing, .rootKeyUnusable, .wrongRootKey, .damagedRecord, .crypto, .file, .closed:
      false
    }
  }

  package var description: String {
    switch self {
    case .rootKeyMissing, .wrongRootKey, .damagedRecord, .closed: code
    case .rootKeyUnusable(let reason): "\(code): \(reason)"
    case .crypto(let error): "\(code): \(error)"
    case .storage(let error): "\(code): \(error)"
    case .file(let function, let errno):
      unsafe "\(code): \(function): \(String(cString: strerror(errno))) (\(errno))"
    }
  }
}
