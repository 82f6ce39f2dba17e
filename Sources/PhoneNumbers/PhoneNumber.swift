import CPhoneNumbers
import Foundation

/// Numbers as people write them, their canonical form and their place. The only file that calls
/// libphonenumber.
package enum PhoneNumber {
  /// E.164 of `raw`, read as dialled in `region` (ISO 3166); nil where it cannot be a number there.
  package static func e164(_ raw: String, region: String = "US") -> String? {
    // Longer than any number with its decoration; and C ends texts at NUL.
    guard raw.utf8.count <= 64, !raw.utf8.contains(0) else { return nil }
    return unsafe text { output, capacity in
      unsafe daybook_phone_e164(raw, region, output, capacity)
    }
  }

  /// The country of an E.164 number (ISO 3166); nil where none is known.
  package static func region(of number: String) -> String? {
    unsafe text { output, capacity in unsafe daybook_phone_region(number, output, capacity) }
  }

  /// The zones in which the holder of an E.164 number may be: an area code only narrows, and what
  /// gives no hint is every zone of its country. Empty for what is no number of any country.
  package static func zones(of number: String) -> [String] {
    if number.hasPrefix("+1") {
      return AreaCodes.zones(of: number.dropFirst(2).prefix(3)) ?? AreaCodes.allUSZones
    }
    return region(of: number).flatMap { CountryZones.table[$0] } ?? []
  }

  private static func text(
    _ call: (UnsafeMutablePointer<CChar>, Int32) -> Int32
  ) -> String? {
    let capacity = 32
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
