import CSV
import Domain

/// A row as a contact: its phone in E.164, its email checked.
struct ImportRow: Sendable, Equatable {
  let line: Int
  let fields: [String]
  var details = ContactDetails()
  var tags: [String] = []
  var source: String?
}

/// Reads rows. Needs nothing of the org, so it works outside of its executor.
struct RowReader: Sendable {
  let columns: ContactColumns
  let numbers: any NumberingPlan
  /// Of everybody in the file.
  let tags: [String]

  /// The row, or everything that is wrong with it.
  func read(_ record: CSVRecord) -> Result<ImportRow, RowFailure> {
    if let problem = record.problem, !isHarmless(problem, record) {
      return failure(record, [error(record, "", problem.code, "\(problem).")])
    }
    var row = ImportRow(line: record.line, fields: record.fields)
    var errors: [ImportReport.RowError] = []
    var fullName: String?
    for (column, text) in zip(columns.columns, record.fields) where !column.field.isEmpty {
      let value = text.trimmed
      guard !value.isEmpty else { continue }
      do throws(CommandError) {
        switch column.field {
        case "name": fullName = value
        case "tags":
          row.tags += value.split(whereSeparator: { ",;|".contains($0) }).map(String.init)
        case "source": row.source = String(value.prefix(200))
        case "phone": try readPhone(value, into: &row.details)
        case "email": row.details.email = try ContactAddresses.email(value)
        default: row.details[column.field] = .text(value)
        }
      } catch {
        errors.append(self.error(record, column.column, error))
      }
    }
    fullName.map { FullName.fill(&row.details, from: $0) }
    row.tags = (tags + row.tags.map(\.trimmed)).filter { !$0.isEmpty }
    if errors.isEmpty && !row.details.isIdentifying {
      errors.append(
        error(
          record, "", "nothing_to_identify", "The row has no name, company, phone or email."))
    }
    return errors.isEmpty ? .success(row) : failure(record, errors)
  }

  /// More fields than columns, and nothing in them.
  private func isHarmless(_ problem: CSVProblem, _ record: CSVRecord) -> Bool {
    guard case .fieldCount(let expected, let actual) = problem, actual > expected else {
      return false
    }
    return record.fields.dropFirst(expected).allSatisfy(\.isBlank)
  }

  private func readPhone(
    _ value: String, into details: inout ContactDetails
  ) throws(CommandError) {
    guard !Spreadsheet.hasShortened(value) else {
      throw .invalid(
        field: "phone", code: "shortened_phone",
        message: "A spreadsheet shortened this number. Format the column as text and export again.")
    }
    let raw = Spreadsheet.withoutFraction(value)
    let phone = try ContactAddresses.e164(raw, numbers)
    details.phone = phone
    if raw != phone { details.rawPhone = raw }
  }

  private func failure(
    _ record: CSVRecord, _ errors: [ImportReport.RowError]
  ) -> Result<ImportRow, RowFailure> {
    .failure(RowFailure(row: FailedRow(line: record.line, fields: record.fields, errors: errors)))
  }

  private func error(
    _ record: CSVRecord, _ column: String, _ code: String, _ message: String
  ) -> ImportReport.RowError {
    ImportReport.RowError(line: record.line, column: column, code: code, message: message)
  }

  private func error(
    _ record: CSVRecord, _ column: String, _ error: CommandError
  ) -> ImportReport.RowError {
    guard case .invalid(_, let code, let message) = error else {
      preconditionFailure("addresses are refused as invalid and not otherwise")
    }
    return self.error(record, column, code, message)
  }
}

/// What spreadsheets and data tools make of numbers.
private enum Spreadsheet {
  /// `5.04622E+09`: digits are lost.
  static func hasShortened(_ value: String) -> Bool {
    value.utf8.contains { $0 | 0x20 == UInt8(ascii: "e") }
      && Double(value.replacing(",", with: ".")) != nil
  }

  /// `5046218927.0`: nothing is lost.
  static func withoutFraction(_ value: String) -> String {
    guard value.hasSuffix(".0") else { return value }
    let digits = value.dropLast(2)
    let isNumber = digits.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "+")
    }
    return isNumber && digits.count >= 10 ? String(digits) : value
  }
}

struct RowFailure: Error {
  let row: FailedRow
}

/// A name in one field, taken apart. Fills only what its own columns left open.
enum FullName {
  static func fill(_ details: inout ContactDetails, from name: String) {
    let parts = parts(of: name)
    if details.firstName == nil { details.firstName = parts.first }
    if details.lastName == nil { details.lastName = parts.last }
  }

  /// `Butt, James`; `James Butt`; `Ludwig van Beethoven`; `Martin Luther King Jr.`; one word is a
  /// first name.
  static func parts(of name: String) -> (first: String?, last: String?) {
    let halves = name.split(separator: ",", maxSplits: 1).map { String($0).trimmed }
    if halves.count == 2, !halves[0].isEmpty, !isSuffix(halves[1]) { return (halves[1], halves[0]) }
    let words = name.split(whereSeparator: { $0.isWhitespace || $0 == "," }).map(String.init)
    guard words.count > 1 else { return (words.first, nil) }
    let beforeSuffix = isSuffix(words[words.count - 1]) && words.count > 2 ? 2 : 1
    let start = particle(in: words) ?? words.count - beforeSuffix
    return (
      words[..<start].joined(separator: " "), words[start...].joined(separator: " ")
    )
  }

  /// The first word in small letters, where not all are.
  private static func particle(in words: [String]) -> Int? {
    guard words.last?.first?.isUppercase == true else { return nil }
    return words.indices.dropFirst().first { words[$0].first?.isLowercase == true }
  }

  private static func isSuffix(_ word: String) -> Bool {
    ["jr", "sr", "ii", "iii", "iv", "md", "phd", "esq"].contains(
      word.lowercased().filter { $0 != "." })
  }
}
