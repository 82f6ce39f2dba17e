import CPhoneNumbers
import Foundation

/// Numbers as people write them, their canonical form and their place. The only file that calls
/// libphonenumber.
package enum PhoneNumber {
  /// A number, read.
  package struct Reading: Equatable, Sendable {
    /// As it was written.
    package let original: String
    /// A plus, the calling code and the rest: digits only.
    package let e164: String
    package let validity: Validity
    /// Whether an extension was written behind it; E.164 has no place for it, and no text reaches it.
    package let hasExtension: Bool
  }

  package enum Validity: Equatable, Sendable {
    /// Its range is in use.
    case assigned
    /// It has the right length, but its range was not in use when the library's data were made. New
    /// ranges look like this for a while: a warning, not a reason to refuse.
    case possible
  }

  /// Why a text is no number.
  package enum Problem: Error, Equatable, CustomStringConvertible {
    case noNumber
    case unknownCountry
    case tooShort
    case tooLong
    /// It lacks its area code.
    case noAreaCode

    package var code: String {
      switch self {
      case .noNumber: "phone_no_number"
      case .unknownCountry: "phone_unknown_country"
      case .tooShort: "phone_too_short"
      case .tooLong: "phone_too_long"
      case .noAreaCode: "phone_no_area_code"
      }
    }

    /// The same text is refused again.
    package var isRetryable: Bool { false }

    package var description: String {
      switch self {
      case .noNumber: "\(code): there is no phone number in it"
      case .unknownCountry: "\(code): no country has this calling code"
      case .tooShort: "\(code): it has too few digits"
      case .tooLong: "\(code): it has too many digits"
      case .noAreaCode: "\(code): the area code is missing"
      }
    }
  }

  /// Longer than any number with its decoration.
  private static let byteLimit = 64

  /// Reads `raw` as dialled in `region` (ISO 3166).
  package static func read(
    _ raw: String, region: String = "US"
  ) throws(Problem) -> Reading {
    guard raw.utf8.count <= byteLimit else { throw .tooLong }
    // C ends texts at a zero byte.
    guard !raw.utf8.contains(0) else { throw .noNumber }
    var phone = daybook_phone()
    let status = unsafe daybook_phone_parse(raw, region, &phone)
    switch daybook_phone_status(UInt32(bitPattern: status)) {
    case daybook_phone_ok: break
    case daybook_phone_unknown_country: throw .unknownCountry
    case daybook_phone_too_short: throw .tooShort
    case daybook_phone_too_long: throw .tooLong
    case daybook_phone_local_only: throw .noAreaCode
    default: throw .noNumber
    }
    let e164 = unsafe withUnsafeBytes(of: phone.e164) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    let isAssigned = phone.is_assigned != 0 || isInNewerAreaCode(e164)
    return Reading(
      original: raw, e164: e164, validity: isAssigned ? .assigned : .possible,
      hasExtension: phone.has_extension != 0)
  }

  /// E.164 of `raw`, read as dialled in `region` (ISO 3166); nil where it cannot be a number there.
  package static func e164(_ raw: String, region: String = "US") -> String? {
    try? read(raw, region: region).e164
  }

  /// The country of an E.164 number (ISO 3166); nil where none is known.
  package static func region(of number: String) -> String? {
    if let area = area(of: number) { return area.country }
    return unsafe text { output, capacity in
      unsafe daybook_phone_region(number, output, capacity)
    }
  }

  /// The area of an E.164 number under +1; nil for other numbers and for codes without a place.
  package static func area(of number: String) -> AreaCodes.Area? {
    guard number.hasPrefix("+1") else { return nil }
    return AreaCodes.area(number.dropFirst(2).prefix(3))
  }

  /// The zones in which the holder of an E.164 number may be: an area code only narrows, and what
  /// gives no hint is every zone of its country, or of all countries that share its calling code.
  /// Empty for what is no number of any country.
  package static func zones(of number: String) -> [String] {
    if number.hasPrefix("+1") { return area(of: number)?.zones ?? AreaCodes.allUSZones }
    let regions = region(of: number).map { [$0] } ?? callingCodeRegions(of: number)
    return Set(regions.flatMap { CountryZones.table[$0] ?? [] }).sorted()
  }

  /// Debian's libphonenumber knows the area codes of 2022; our own table knows later ones. Exchanges
  /// begin with 2 to 9.
  private static func isInNewerAreaCode(_ e164: String) -> Bool {
    guard e164.utf8.count == 12, area(of: e164) != nil else { return false }
    return ("2"..."9").contains(e164.dropFirst(5).prefix(1))
  }

  private static func callingCodeRegions(of number: String) -> [String] {
    let joined = unsafe text { output, capacity in
      unsafe daybook_phone_calling_code_regions(number, output, capacity)
    }
    return joined?.split(separator: ",").map(String.init) ?? []
  }

  private static func text(
    _ call: (UnsafeMutablePointer<CChar>, Int32) -> Int32
  ) -> String? {
    // +44 and its islands are the longest list outside of +1.
    let capacity = 64
    let bytes = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
      guard let start = buffer.baseAddress else { return [UInt8]() }
      let count = unsafe Int(call(start, Int32(capacity)))
      return unsafe buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}

/// The zones of each country, from the time-zone database's own table.
private enum CountryZones {
  static let table: [String: [String]] = {
    let path = "/usr/share/zoneinfo/zone.tab"
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [:] }
    var table: [String: [String]] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let fields = line.split(separator: "\t")
      guard fields.count >= 3 else { continue }
      table[String(fields[0]), default: []].append(String(fields[2]))
    }
    return table
  }()
}
