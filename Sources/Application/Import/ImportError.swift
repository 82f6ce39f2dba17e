import CSV
import Domain
import EventLog

/// Why a file was not imported, or not to its end. What is wrong with single rows is in the report.
package enum ImportError: Error, Equatable {
  /// No table at all.
  case file(CSVError)
  /// The map names a column that the file has not.
  case unknownColumn(String)
  /// The map names something that is no field of a contact.
  case unknownField(String, column: String)
  case fieldTwice(String)
  /// No column is a name, company, phone or email. Often a file without a header.
  case nothingToIdentify
  /// A consent is claimed for a channel whose address no column has.
  case consentWithoutAddress(Channel)
  case invalidTag(limitBytes: Int)
  /// The first `afterRowCount` rows are in; the same file again goes on behind them.
  case interrupted(afterRowCount: Int, CommandError)
  /// Whoever ordered it may not go on: the first `afterRowCount` rows are in.
  case withdrawn(afterRowCount: Int)

  package var code: String {
    switch self {
    case .file(let error): error.code
    case .unknownColumn: "unknown_column"
    case .unknownField: "unknown_field"
    case .fieldTwice: "field_twice"
    case .nothingToIdentify: "nothing_to_identify"
    case .consentWithoutAddress: "no_address"
    case .invalidTag: "invalid_tag"
    case .interrupted, .withdrawn: "import_interrupted"
    }
  }

  package var isRetryable: Bool {
    switch self {
    case .interrupted(_, .log(let error)): error.isRetryable
    case .interrupted(_, .idempotencyInProgress): true
    case .interrupted, .withdrawn, .file, .unknownColumn, .unknownField, .fieldTwice,
      .nothingToIdentify, .consentWithoutAddress, .invalidTag:
      false
    }
  }

  /// The request's field that is to blame.
  package var field: String {
    switch self {
    case .file, .nothingToIdentify, .interrupted, .withdrawn: "file"
    case .unknownColumn, .unknownField, .fieldTwice: "map"
    case .consentWithoutAddress: "consent"
    case .invalidTag: "tags"
    }
  }

  package var message: String {
    switch self {
    case .file(let error): "The file cannot be read as CSV: \(error)."
    case .unknownColumn: "The map names a column that the file has not."
    case .unknownField(let field, _):
      "\(field) is no field of a contact. Use \(ContactColumns.fields.joined(separator: ", ")), "
        + "custom.<name> or an empty text to leave the column out."
    case .fieldTwice(let field): "Two columns are mapped to \(field)."
    case .nothingToIdentify:
      "No column is a name, company, phone or email. Is the first line a header? Otherwise map one."
    case .consentWithoutAddress(let channel):
      "A consent for \(channel.rawValue) needs a column with the "
        + (channel == .email ? "email." : "phone.")
    case .invalidTag(let limitBytes): "A tag has 1 to \(limitBytes) bytes."
    case .interrupted(let rowCount, _), .withdrawn(let rowCount):
      "The import stopped after \(rowCount) rows. Import the same file again to go on."
    }
  }
}

extension ImportError: CustomStringConvertible {
  /// For operators: with what stopped it.
  package var description: String {
    guard case .interrupted(_, let error) = self else { return "\(code): \(message)" }
    return "\(code): \(message) (\(error))"
  }
}
