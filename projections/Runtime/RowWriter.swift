// PostgreSQL's binary COPY format: an 11-byte signature, two 32-bit words (flags, extension length),
// then for each row a 16-bit count of fields and for each field its 32-bit length (-1: null) and its
// bytes, everything most significant byte first; a count of -1 ends it.
// Source: PostgreSQL 15 documentation, COPY, "Binary Format".

package import Domain
internal import Glibc
package import JSON

/// Rows as bytes for `COPY … FROM STDIN (FORMAT binary)`.
package struct RowWriter: Sendable {
  package private(set) var bytes: [UInt8] = []
  package private(set) var rowCount = 0

  package static let header: [UInt8] =
    Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  package static let trailer: [UInt8] = [0xFF, 0xFF]

  /// What separates Postgres's epoch (2000-01-01) from 1970.
  static let epochMicros: Int64 = 946_684_800_000_000
  static let epochDays: Int64 = 10_957

  package init() {}

  /// Where a row's first field begins: after the count of fields.
  static let fieldOffset = 2
  /// What a jsonb's binary form begins with.
  static let jsonbVersion: UInt8 = 1

  /// Adds a row that was written before.
  mutating func append(written row: ArraySlice<UInt8>) {
    bytes.append(contentsOf: row)
    rowCount += 1
  }

  /// Adds a row whose fields `write` appends as COPY has them, and which is not for COPY.
  mutating func row(_ write: (inout [UInt8]) -> Void) {
    integer(Int16(0))
    write(&bytes)
    rowCount += 1
  }

  /// Adds a row whose fields were written before.
  mutating func append(fields: ArraySlice<UInt8>, count: Int) {
    row(columnCount: count)
    bytes.append(contentsOf: fields)
  }

  package mutating func row(columnCount: Int) {
    integer(Int16(columnCount))
    rowCount += 1
  }

  package mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    rowCount = 0
  }

  package mutating func uuid(_ value: UInt128) {
    integer(Int32(16))
    integer(value)
  }

  package mutating func uuid(_ value: UInt128?) {
    if let value { uuid(value) } else { null() }
  }

  package mutating func uuid(_ value: Identifier?) { uuid(value?.value) }

  package mutating func bigint(_ value: Int64) {
    integer(Int32(8))
    integer(value)
  }

  package mutating func bigint(_ value: Int64?) {
    if let value { bigint(value) } else { null() }
  }

  package mutating func bigint(_ value: Int) { bigint(Int64(value)) }

  package mutating func boolean(_ value: Bool) {
    integer(Int32(1))
    bytes.append(value ? 1 : 0)
  }

  package mutating func timestamp(_ micros: Micros) { bigint(micros - Self.epochMicros) }

  package mutating func timestamp(_ micros: Micros?) {
    if let micros { timestamp(micros) } else { null() }
  }

  /// A day, counted from 1970-01-01.
  package mutating func date(dayNumber: Int64) {
    integer(Int32(4))
    integer(Int32(truncatingIfNeeded: dayNumber - Self.epochDays))
  }

  package mutating func text(_ value: String) {
    let text = Self.withoutNul(value)
    integer(Int32(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  package mutating func text(_ value: String?) {
    if let value { text(value) } else { null() }
  }

  package mutating func textArray(_ values: [String]) {
    let clean = values.map(Self.withoutNul)
    guard !clean.isEmpty else {
      integer(Int32(12))
      for word in [0, 0, Self.textType] { integer(word) }
      return
    }
    integer(Int32(20 + clean.reduce(0) { $0 + 4 + $1.utf8.count }))
    for word in [1, 0, Self.textType, Int32(clean.count), 1] { integer(word) }
    for value in clean {
      integer(Int32(value.utf8.count))
      bytes.append(contentsOf: value.utf8)
    }
  }

  package mutating func jsonb(_ value: JSON) {
    var text = value.bytes(.stored)
    if Self.hasEscape(text) { text = Self.withoutNul(value).bytes(.stored) }
    integer(Int32(text.count + 1))
    bytes.append(Self.jsonbVersion)
    bytes.append(contentsOf: text)
  }

  package mutating func jsonb(_ value: JSON?) {
    if let value { jsonb(value) } else { null() }
  }

  package mutating func null() { integer(Int32(-1)) }

  /// pg_type.oid of `text`.
  private static let textType: Int32 = 25

  private mutating func integer(_ value: some FixedWidthInteger) {
    unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
  }
}

/// Days of the calendar, UTC.
package enum Day {
  static let micros: Int64 = 86_400_000_000

  /// The day of a moment, counted from 1970-01-01.
  package static func number(ofMicros micros: Micros) -> Int64 {
    micros >= 0 ? micros / Self.micros : (micros + 1) / Self.micros - 1
  }
}

// MARK: - NUL

extension RowWriter {
  private static func hasNul(_ text: String) -> Bool {
    // Byte by byte this was a tenth of a rebuild.
    let found = unsafe text.utf8.withContiguousStorageIfAvailable { utf8 in
      unsafe utf8.baseAddress.map { unsafe memchr($0, 0, utf8.count) != nil } ?? false
    }
    return found ?? text.utf8.contains(0)
  }

  /// Whether JSON may say U+0000 somewhere: not without a backslash, and few texts have any.
  private static func hasEscape(_ json: [UInt8]) -> Bool {
    unsafe json.withUnsafeBytes { json in
      let escape = Int32(UInt8(ascii: "\\"))
      return unsafe json.baseAddress.map { unsafe memchr($0, escape, json.count) != nil } ?? false
    }
  }

  /// Postgres stores no U+0000 in text and jsonb; whoever sends one sees U+FFFD in read models.
  static func withoutNul(_ text: String) -> String {
    guard hasNul(text) else { return text }
    return String(text.map { $0 == "\0" ? "\u{FFFD}" : $0 })
  }

  static func withoutNul(_ value: JSON) -> JSON {
    switch value {
    case .null, .bool, .int, .double: value
    case .string(let text): .string(withoutNul(text))
    case .array(let items): .array(items.map(withoutNul))
    case .object(let object):
      .object(JSONObject(object.fields.map { (withoutNul($0.key), withoutNul($0.value)) }))
    }
  }
}
