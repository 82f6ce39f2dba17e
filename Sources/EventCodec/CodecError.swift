/// Why stored bytes are not the event that they claim to be. Never retryable: the bytes will not change.
/// Names types and fields, never what a payload holds.
package enum CodecError: Error, Equatable {
  /// No such event type: written by a newer program, or not by us.
  case unknownType(String)
  /// A schema version that no upcaster starts from.
  case unsupportedVersion(type: String, version: UInt16)
  /// The part that is not personal is missing.
  case missingPart(type: String)
  /// A field is missing, of another kind, out of order, or followed by what nobody expects.
  case invalidField(type: String, field: String)
}

extension CodecError {
  /// The name of the failure in API responses, logs, and metrics. Never changes once released.
  package var code: String {
    switch self {
    case .unknownType: "event_type_unknown"
    case .unsupportedVersion: "event_version_unsupported"
    case .missingPart: "event_part_missing"
    case .invalidField: "event_field_invalid"
    }
  }

  package var isRetryable: Bool {
    switch self {
    case .unknownType, .unsupportedVersion, .missingPart, .invalidField: false
    }
  }
}

extension CodecError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unknownType(let type): "\(code): \(type)"
    case .unsupportedVersion(let type, let version): "\(code): \(type) version \(version)"
    case .missingPart(let type): "\(code): \(type)"
    case .invalidField(let type, let field): "\(code): \(type), field \(field)"
    }
  }
}
