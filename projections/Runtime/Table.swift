// Typed rows. A row names its table, its columns and its key, and writes and reads its values in the
// order of the columns; the schema is checked against that list when a projection starts.

package import Domain

/// The types that columns of read models have; each has one binary form (`RowWriter`, `RowReader`).
package enum ColumnType: String, Sendable, CaseIterable {
  case uuid
  case bigint
  case boolean
  case date
  case jsonb
  case text
  case textArray = "text[]"
  /// Microseconds since 1970 on the Swift side.
  case timestamp = "timestamp with time zone"
}

package struct Column: Sendable, Equatable {
  package let name: String
  package let type: ColumnType

  package init(_ name: String, _ type: ColumnType) {
    self.name = name
    self.type = type
  }
}

/// A row that is written once and never looked at again by its fold: a ledger line.
package protocol TableRow: Sendable, Equatable {
  static var table: String { get }

  /// In the order of `schema.sql`; `org` is the first.
  static var columns: [Column] { get }

  func write(to writer: inout RowWriter)
}

/// A row that later events find again by its key, change or delete.
package protocol KeyedRow: TableRow {
  associatedtype Key: RowKey

  var key: Key { get }

  init(from reader: inout RowReader) throws(RowError)
}

/// The leading columns of a row's table, unique in it.
package protocol RowKey: Hashable, Sendable {
  static var columnCount: Int { get }

  var org: UInt128 { get }

  func write(to writer: inout RowWriter)
}

/// The commonest key: an org and one of its things.
package struct ItemKey: RowKey {
  package static let columnCount = 2

  package let org: UInt128
  package let id: UInt128

  package init(org: UInt128, id: UInt128) {
    self.org = org
    self.id = id
  }

  package init(_ org: Identifier, _ id: Identifier) {
    self.init(org: org.value, id: id.value)
  }

  package func write(to writer: inout RowWriter) {
    writer.uuid(org)
    writer.uuid(id)
  }
}

/// Two things of an org, such as a segment and a contact.
package struct PairKey: RowKey {
  package static let columnCount = 3

  package let org: UInt128
  package let first: UInt128
  package let second: UInt128

  package init(org: UInt128, first: UInt128, second: UInt128) {
    self.org = org
    self.first = first
    self.second = second
  }

  package func write(to writer: inout RowWriter) {
    writer.uuid(org)
    writer.uuid(first)
    writer.uuid(second)
  }
}

/// 128 bits as Postgres writes a `uuid`: an id's value, most significant byte first, so that the
/// order of `uuid` is the order of ids.
package enum UUIDText {
  private static let digits = Array("0123456789abcdef".utf8)

  package static func encode(_ value: UInt128) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for nibble in 0..<32 {
      if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 {
        text.append(UInt8(ascii: "-"))
      }
      text.append(digits[Int(truncatingIfNeeded: value >> UInt128((31 - nibble) * 4)) & 15])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// nil where `text` is not a uuid as Postgres writes it.
  package static func decode(_ text: String) -> UInt128? {
    let hex = text.utf8.filter { $0 != UInt8(ascii: "-") }
    guard hex.count == 32 else { return nil }
    return UInt128(String(decoding: hex, as: UTF8.self), radix: 16)
  }
}
